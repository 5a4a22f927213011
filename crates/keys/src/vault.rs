//! The data key of a person: wrapped by the ring, it makes tokens and seals values of the vault.

use std::fmt;

use ring::aead::LessSafeKey;
use ring::hmac;

use crate::seal::{derive, open, seal};
use crate::{KeyRing, Nonce, OpenError, Secret};

/// Sets these keys apart from whatever else their secrets are used for.
const WRAPPING: &[u8] = b"naru vault keys";
const SEALING: &[u8] = b"naru vault values";
const TOKENS: &[u8] = b"naru vault tokens";
/// Bytes of a token: two of them meet by chance only among 2^64.
const TOKEN_BYTES: usize = 16;

/// A data key, wrapped by a key of the ring.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The key of the ring.
    pub ring_key: String,
    /// Nonce, ciphertext, tag.
    pub key: Vec<u8>,
}

/// A data key of a person. `Debug` does not show its secret.
pub struct PersonKey {
    person: String,
    id: String,
    secret: Secret,
    sealing: LessSafeKey,
    tokens: hmac::Key,
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PersonKey {
    /// A person's key with this id and secret.
    #[must_use]
    pub fn new(person: &str, id: &str, secret: Secret) -> Self {
        let sealing = derive(&secret.0, &[SEALING]);
        let tokens = hmac::Key::new(hmac::HMAC_SHA256, &[TOKENS, &secret.0].concat());
        Self { person: person.to_owned(), id: id.to_owned(), secret, sealing, tokens }
    }

    /// Opens a wrapped one.
    ///
    /// # Errors
    /// If the ring lacks the key that wraps it, or it is of another person or id.
    pub fn unwrap(ring: &KeyRing, person: &str, id: &str, wrapped: &Wrapped) -> Result<Self, OpenError> {
        let master =
            ring.secret(&wrapped.ring_key).ok_or_else(|| OpenError::NoKey(wrapped.ring_key.clone()))?;
        let secret = open(&derive(&master.0, &[WRAPPING]), &bound(&[person, id]), &wrapped.key);
        let secret = secret.and_then(|secret| secret.try_into().ok()).ok_or(OpenError::Broken)?;
        Ok(Self::new(person, id, Secret(secret)))
    }

    /// Wraps it with the newest key of a ring.
    #[must_use]
    pub fn wrap(&self, ring: &KeyRing, nonce: &Nonce) -> Wrapped {
        let (ring_key, master) = ring.newest();
        let master = derive(&master.0, &[WRAPPING]);
        let key = seal(&master, nonce, &bound(&[&self.person, &self.id]), &self.secret.0);
        Wrapped { ring_key: ring_key.to_owned(), key }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What stands for a value outside: the same for the same value, and nothing about it to who lacks the key. In
    /// letters, so that nothing takes it for a number.
    #[must_use]
    pub fn token(&self, kind: &str, value: &str) -> String {
        let tag = hmac::sign(&self.tokens, &bound(&[kind, value]));
        letters(&tag.as_ref()[..TOKEN_BYTES])
    }

    /// Seals a value, for its person, kind and this key alone.
    #[must_use]
    pub fn seal(&self, nonce: &Nonce, kind: &str, value: &str) -> Vec<u8> {
        seal(&self.sealing, nonce, &bound(&[&self.person, kind, &self.id]), value.as_bytes())
    }

    /// Opens a value.
    ///
    /// # Errors
    /// If it is not what was sealed with this key, for this person and kind.
    pub fn open(&self, kind: &str, sealed: &[u8]) -> Result<String, OpenError> {
        let value = open(&self.sealing, &bound(&[&self.person, kind, &self.id]), sealed);
        value.and_then(|value| String::from_utf8(value).ok()).ok_or(OpenError::Broken)
    }
}

/// Bytes as letters, two each.
#[must_use]
pub fn letters(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| char::from(b'a' + half)).collect()
}

/// Texts as bytes from which each can be told: none of them has a zero in it but the last.
fn bound(parts: &[&str]) -> Vec<u8> {
    parts.join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = Nonce([9; 12]);

    fn ring() -> KeyRing {
        KeyRing::of("a", Secret([1; 32]))
    }

    fn key() -> PersonKey {
        PersonKey::new("p", "k", Secret([2; 32]))
    }

    #[test]
    fn a_key_is_wrapped_for_one_person_and_ring() {
        let wrapped = key().wrap(&ring(), &NONCE);
        assert_eq!(wrapped.ring_key, "a");
        let token = key().token("phone", "010");
        assert_eq!(PersonKey::unwrap(&ring(), "p", "k", &wrapped).unwrap().token("phone", "010"), token);
        for (person, id) in [("q", "k"), ("p", "l")] {
            assert_eq!(PersonKey::unwrap(&ring(), person, id, &wrapped).err(), Some(OpenError::Broken));
        }
        let other = KeyRing::of("a", Secret([3; 32]));
        assert_eq!(PersonKey::unwrap(&other, "p", "k", &wrapped).err(), Some(OpenError::Broken));
        let other = KeyRing::of("b", Secret([1; 32]));
        assert_eq!(PersonKey::unwrap(&other, "p", "k", &wrapped).err(), Some(OpenError::NoKey("a".into())));
    }

    #[test]
    fn a_value_opens_with_its_key_and_kind_alone() {
        let sealed = key().seal(&NONCE, "phone", "010-1234-5678");
        assert!(!sealed.windows(4).any(|window| window == b"1234"));
        assert_eq!(key().open("phone", &sealed).unwrap(), "010-1234-5678");
        assert_eq!(key().open("email", &sealed), Err(OpenError::Broken));
        for other in [
            PersonKey::new("q", "k", Secret([2; 32])),
            PersonKey::new("p", "l", Secret([2; 32])),
            PersonKey::new("p", "k", Secret([3; 32])),
        ] {
            assert_eq!(other.open("phone", &sealed), Err(OpenError::Broken));
        }
    }

    #[test]
    fn a_token_is_that_of_its_value_and_has_no_digit() {
        let token = key().token("phone", "010");
        assert_eq!(token, key().token("phone", "010"));
        assert!(token.len() == 32 && token.bytes().all(|byte| (b'a'..=b'p').contains(&byte)), "{token}");
        assert_ne!(token, key().token("phone", "011"));
        assert_ne!(token, key().token("email", "010"));
        assert_ne!(token, PersonKey::new("p", "k", Secret([3; 32])).token("phone", "010"));
        assert_eq!(format!("{:?}", key()), "PersonKey { id: \"k\", .. }");
    }
}
