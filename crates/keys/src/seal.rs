//! Sealing and opening a value.

use std::fmt;
use std::sync::{Arc, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce as AeadNonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::KeyRing;

/// Keys of days in memory; at this number all are forgotten, and made again where they are needed.
const DAYS: usize = 64;
const MILLIS_OF_DAY: i64 = 24 * 60 * 60 * 1000;
/// Sets the keys of days apart from whatever else a key of the ring may be used for.
const PURPOSE: &[u8] = b"naru raw records";

/// 12 random bytes: none may come twice on one day.
pub struct Nonce(pub [u8; NONCE_LEN]);

/// A sealed value.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The name of the key: the ring's, and the day, such as `2026-11-24/20781`.
    pub key: String,
    /// Nonce, ciphertext, tag.
    pub value: Vec<u8>,
}

/// Why a value cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The ring has no such key.
    NoKey(String),
    /// It was sealed with another key, belongs elsewhere, or was changed.
    Broken,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NoKey(id) => write!(f, "the key ring has no key {id}"),
            OpenError::Broken => f.write_str("the sealed value was changed, or its key is another one"),
        }
    }
}

impl std::error::Error for OpenError {}

impl KeyRing {
    /// Seals a value with the newest key of the ring, as of a time in ms since 1970. Only with the same `belongs_to`
    /// can it be opened again.
    ///
    /// # Panics
    /// Never: a value is far below the 64 GiB that one nonce covers.
    #[must_use]
    pub fn seal(&self, now_ms: i64, nonce: &Nonce, belongs_to: &[u8], value: &[u8]) -> Sealed {
        let (id, secret) = self.newest();
        let name = format!("{id}/{}", now_ms.div_euclid(MILLIS_OF_DAY));
        let value = seal(&self.day(&name, &secret.0), nonce, belongs_to, value);
        Sealed { key: name, value }
    }

    /// Opens a value that was sealed with the key of this name.
    ///
    /// # Errors
    /// If the ring has no such key, or the value is not what was sealed.
    pub fn open(&self, name: &str, belongs_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let id = name.rsplit_once('/').map_or(name, |(id, _)| id);
        let secret = self.secret(id).ok_or_else(|| OpenError::NoKey(id.to_owned()))?;
        open(&self.day(name, &secret.0), belongs_to, sealed).ok_or(OpenError::Broken)
    }

    /// The key of a day, made once.
    fn day(&self, name: &str, secret: &[u8; 32]) -> Arc<LessSafeKey> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = days.get(name) {
            return key.clone();
        }
        if days.len() >= DAYS {
            days.clear();
        }
        let key = Arc::new(derive(secret, &[PURPOSE, name.as_bytes()]));
        days.insert(name.to_owned(), key.clone());
        key
    }
}

/// A key that a secret gives for one use.
pub(crate) fn derive(secret: &[u8; 32], info: &[&[u8]]) -> LessSafeKey {
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(secret);
    LessSafeKey::new(UnboundKey::from(extracted.expand(info, &AES_256_GCM).expect("the length of one key")))
}

/// Nonce, ciphertext, tag.
pub(crate) fn seal(key: &LessSafeKey, nonce: &Nonce, belongs_to: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce.0);
    sealed.extend_from_slice(value);
    let nonce = AeadNonce::assume_unique_for_key(nonce.0);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(belongs_to), &mut sealed[NONCE_LEN..])
        .expect("no value is that long");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// What was sealed; `None` if it was changed, belongs elsewhere, or has another key.
pub(crate) fn open(key: &LessSafeKey, belongs_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut value = rest.to_vec();
    let nonce = AeadNonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(belongs_to), &mut value).ok()?.len();
    value.truncate(length);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    const NOON: i64 = 20_781 * MILLIS_OF_DAY + 12 * 60 * 60 * 1000;

    fn ring() -> KeyRing {
        KeyRing::of("a", Secret([1; 32]))
    }

    #[test]
    fn what_is_sealed_opens_and_does_not_show() {
        let sealed = ring().seal(NOON, &Nonce([9; 12]), b"line:U1", "카드 4532".as_bytes());
        assert_eq!((sealed.key.as_str(), sealed.value.len()), ("a/20781", 12 + 11 + 16));
        assert!(!sealed.value.windows(4).any(|window| window == b"4532"));
        assert_eq!(ring().open(&sealed.key, b"line:U1", &sealed.value).unwrap(), "카드 4532".as_bytes());
    }

    #[test]
    fn it_opens_only_where_it_belongs_with_its_key_and_unchanged() {
        let sealed = ring().seal(NOON, &Nonce([9; 12]), b"line:U1", b"text");
        let open =
            |ring: &KeyRing, key: &str, belongs_to: &[u8], value: &[u8]| ring.open(key, belongs_to, value);
        let mut changed = sealed.value.clone();
        changed[14] ^= 1;
        assert_eq!(open(&ring(), "a/20781", b"line:U2", &sealed.value), Err(OpenError::Broken));
        assert_eq!(open(&ring(), "a/20782", b"line:U1", &sealed.value), Err(OpenError::Broken));
        assert_eq!(open(&ring(), "a/20781", b"line:U1", &changed), Err(OpenError::Broken));
        assert_eq!(open(&ring(), "a/20781", b"line:U1", b"short"), Err(OpenError::Broken));
        assert_eq!(open(&ring(), "b/20781", b"line:U1", &sealed.value), Err(OpenError::NoKey("b".into())));
        let other = KeyRing::of("a", Secret([2; 32]));
        assert_eq!(open(&other, "a/20781", b"line:U1", &sealed.value), Err(OpenError::Broken));
    }

    #[test]
    fn keys_of_many_days_take_bounded_memory() {
        let ring = ring();
        for day in 0..200 {
            let sealed = ring.seal(day * MILLIS_OF_DAY, &Nonce([0; 12]), b"", b"x");
            assert_eq!(ring.open(&sealed.key, b"", &sealed.value).unwrap(), b"x");
        }
        assert!(ring.days.lock().unwrap().len() <= DAYS);
    }
}
