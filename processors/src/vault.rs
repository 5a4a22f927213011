//! Keep: what was masked goes to the vault of its person, and its token goes with the message.

use mask::Find;
use schemas::VaultToken;
use streams::Output;

/// Most tokens that go with a message; what the vault keeps beyond is found by its person alone.
const TOKENS: usize = 16;

/// The vault as a chain sees it.
pub trait Vault: Send + 'static {
    /// Counts a find of a person, received at `received` ms since 1970, and keeps it where that is allowed: writes what
    /// there is to write to `out` and gives its token.
    fn found(&mut self, person: &str, find: Find, received: i64, out: &mut Vec<Output>) -> Option<String>;
}

/// The step: hands over what was masked in a message, whose person is known by now.
pub(crate) fn keep(
    vault: &mut impl Vault,
    person: &str,
    finds: Vec<Find>,
    received: i64,
    out: &mut Vec<Output>,
) -> Vec<VaultToken> {
    let mut tokens = Vec::new();
    for find in finds {
        let kind = find.kind.clone();
        let Some(token) = vault.found(person, find, received, out) else { continue };
        let token = VaultToken { kind, token };
        if tokens.len() < TOKENS && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}
