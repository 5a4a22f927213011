//! Keep: what was masked goes to the vault of its person, and its token goes with the message.

use schemas::VaultToken;
use streams::Output;

use crate::mask::Find;
use crate::message::{Message, Who};

/// Most tokens that go with a message; what the vault keeps beyond is found by its person alone.
const TOKENS: usize = 16;

/// The vault as a chain sees it.
pub trait Vault: Send + 'static {
    /// Counts a find of a person, received at `received` ms since 1970, and keeps it where that is allowed: writes what
    /// there is to write to `out` and gives its token.
    fn found(&mut self, person: &str, find: Find, received: i64, out: &mut Vec<Output>) -> Option<String>;
}

/// The step: hands over what was masked in a message, whose person is known by now.
pub(crate) fn keep(vault: &mut impl Vault, message: &mut Message, out: &mut Vec<Output>) {
    let Who::Person { guid, .. } = &message.who else { return };
    for find in std::mem::take(&mut message.finds) {
        let kind = find.kind.clone();
        let Some(token) = vault.found(guid, find, message.received, out) else { continue };
        let token = VaultToken { kind, token };
        if message.tokens.len() < TOKENS && !message.tokens.contains(&token) {
            message.tokens.push(token);
        }
    }
}
