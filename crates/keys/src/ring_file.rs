//! The file of a key ring: TOML, oldest key first. The last one seals; all of them open.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::LessSafeKey;
use serde::Deserialize;

const HEAD: &str = "# Naru's key ring. Whoever has it can read what customers wrote, whoever loses it cannot any more: keep a copy.\n\
                    # The last key seals, all of them open. `naru keys rotate` adds one.\n";
/// Longest name of a key, in characters.
const ID: usize = 40;

/// 32 random bytes. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The keys of an installation.
pub struct KeyRing {
    /// Oldest first, at least one.
    keys: Vec<(String, Secret)>,
    /// Keys of days that were used lately, by name.
    pub(crate) days: Mutex<HashMap<String, Arc<LessSafeKey>>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("ids", &self.ids().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Why a key ring cannot be used: every mistake. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRingError(pub Vec<String>);

impl fmt::Display for KeyRingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for KeyRingError {}

/// A ring's file with a key more, and the name of that.
#[derive(Clone, PartialEq, Eq)]
pub struct Added {
    /// The whole file.
    pub file: String,
    /// The new key.
    pub id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    secret: String,
}

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn of(id: &str, secret: Secret) -> Self {
        Self { keys: vec![(id.to_owned(), secret)], days: Mutex::default() }
    }

    /// Reads a ring's file.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let file: File = toml::from_str(text).map_err(|error| {
            // Not the error's own text: it quotes the line, and the line may hold a secret.
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            KeyRingError(vec![format!("line {line}: not a key ring: [[key]] with `id` and `secret`")])
        })?;
        let mut mistakes = Vec::new();
        let mut ids = BTreeSet::new();
        let mut keys = Vec::new();
        for (number, Entry { id, secret }) in (1..).zip(file.key) {
            let is_name = (1..=ID).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if !is_name {
                mistakes.push(format!(
                    "key {number}: `id` must be letters, digits, `-`, `_` or `.`, at most {ID}"
                ));
            } else if !ids.insert(id.clone()) {
                mistakes.push(format!("key {number}: the id {id} stands there twice"));
            }
            match STANDARD.decode(secret.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
                Some(bytes) => keys.push((id, Secret(bytes))),
                None => mistakes.push(format!("key {number}: `secret` must be 32 bytes in base64")),
            }
        }
        if keys.is_empty() && mistakes.is_empty() {
            mistakes.push("no key is in it; `naru keys init` makes one".to_owned());
        }
        if mistakes.is_empty() {
            Ok(Self { keys, days: Mutex::default() })
        } else {
            Err(KeyRingError(mistakes))
        }
    }

    /// The names of the keys, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// The key that seals.
    pub(crate) fn newest(&self) -> (&str, &Secret) {
        let (id, secret) = self.keys.last().expect("a ring has a key");
        (id, secret)
    }

    /// The secret of a key, in base64: for a copy that is kept elsewhere.
    #[must_use]
    pub fn export(&self, id: &str) -> Option<String> {
        self.secret(id).map(|secret| STANDARD.encode(secret.0))
    }

    pub(crate) fn secret(&self, id: &str) -> Option<&Secret> {
        self.keys.iter().find(|(other, _)| other == id).map(|(_, secret)| secret)
    }

    /// The file of a ring with a new key, which seals from then on; `before` is the file as it is, or nothing.
    ///
    /// # Errors
    /// If `before` is no key ring.
    pub fn add(before: Option<&str>, day: &str, secret: &Secret) -> Result<Added, KeyRingError> {
        let ids: Vec<String> = match before {
            Some(text) => Self::parse(text)?.ids().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let names = std::iter::once(day.to_owned()).chain((2..).map(|number| format!("{day}.{number}")));
        let id = names.into_iter().find(|name| !ids.contains(name)).expect("there is no end of names");
        let secret = STANDARD.encode(secret.0);
        let mut file = before.map_or_else(|| HEAD.to_owned(), |text| format!("{}\n", text.trim_end()));
        file.push_str(&format!("\n[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\n"));
        Ok(Added { file, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_grows_and_its_last_key_seals() {
        let first = KeyRing::add(None, "2026-11-24", &Secret([1; 32])).unwrap();
        let second = KeyRing::add(Some(&first.file), "2026-11-24", &Secret([2; 32])).unwrap();
        let ring = KeyRing::parse(&second.file).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), ["2026-11-24", "2026-11-24.2"]);
        assert_eq!((ring.newest().0, second.id.as_str()), ("2026-11-24.2", "2026-11-24.2"));
        assert_eq!(ring.export("2026-11-24").unwrap(), STANDARD.encode([1; 32]));
        assert_eq!(ring.export("another"), None);
    }

    #[test]
    fn all_mistakes_are_told_and_no_secret() {
        let text = "[[key]]\nid = \"a b\"\nsecret = \"c2VjcmV0\"\n[[key]]\nid = \"x\"\nsecret = \"!\"";
        let error = KeyRing::parse(text).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
        assert!(!error.to_string().contains("c2VjcmV0"));
        let unclosed = KeyRing::parse("[[key]]\nid = \"a\"\nsecret = \"c2VjcmV0").unwrap_err();
        assert_eq!(unclosed.0, ["line 3: not a key ring: [[key]] with `id` and `secret`"]);
        assert_eq!(KeyRing::parse("").unwrap_err().0, ["no key is in it; `naru keys init` makes one"]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let ring = KeyRing::of("a", Secret([7; 32]));
        assert_eq!(format!("{ring:?} {:?}", Secret([7; 32])), "KeyRing { ids: [\"a\"], .. } ***");
    }
}
