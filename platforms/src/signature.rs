//! Signatures: HMAC-SHA256 in standard base64 with padding, compared in constant time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::Secret;
use hmac::{Hmac, Mac};
use http::header::{HeaderMap, HeaderName};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::webhook::Denied;

/// A signature as a request gives it: well formed, not yet compared.
#[derive(Clone, Copy)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads a signature out of its base64.
    #[must_use]
    pub fn read(base64: &[u8]) -> Option<Self> {
        // One byte more than a digest has: what is longer is no signature either.
        let mut digest = [0; 33];
        let length = STANDARD.decode_slice(base64, &mut digest).ok()?;
        digest[..length].try_into().ok().map(Self)
    }

    /// The signature in a header, behind `prefix`. The header must be there once.
    ///
    /// # Errors
    /// If it is absent, there twice, or no signature.
    pub fn of_header(headers: &HeaderMap, name: &HeaderName, prefix: &[u8]) -> Result<Self, Denied> {
        let value = only(headers, name)?;
        let encoded = if prefix.is_empty() { Some(value) } else { value.strip_prefix(prefix) };
        encoded.and_then(Self::read).ok_or(Denied::Denied)
    }
}

/// The value of a header that must be there once.
///
/// # Errors
/// If it is absent, or there twice.
pub fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], Denied> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        _ => Err(Denied::Denied),
    }
}

/// The keys of an account, ready to sign: one, or two while one is being rotated. Prints as `***`.
#[derive(Clone, Default)]
pub struct Keys(Vec<Hmac<Sha256>>);

impl Keys {
    /// Prepares the keys.
    #[must_use]
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k [u8]>) -> Self {
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        Self(keys.into_iter().map(keyed).collect())
    }

    /// Each secret's text, as UTF-8 bytes, as a key.
    #[must_use]
    pub fn of_texts(secrets: &[Secret]) -> Self {
        Self::new(secrets.iter().map(|secret| secret.reveal().as_bytes()))
    }

    /// Whether one of the keys made one of `signatures` over `parts`, one behind the other. All are tried, so that the time
    /// tells nothing; it costs one digest a key, however many signatures there are.
    ///
    /// # Errors
    /// If none did.
    pub fn verify(&self, signatures: &[Signature], parts: &[&[u8]]) -> Result<(), Denied> {
        let mut matches = Choice::from(0);
        for keyed in &self.0 {
            let digest = digest(keyed, parts);
            signatures.iter().for_each(|signature| matches |= digest.ct_eq(&signature.0));
        }
        if bool::from(matches) { Ok(()) } else { Err(Denied::Denied) }
    }

    /// The signatures of all keys over `parts`, one behind the other, in base64.
    pub fn sign(&self, parts: &[&[u8]]) -> impl Iterator<Item = String> {
        self.0.iter().map(move |keyed| STANDARD.encode(digest(keyed, parts)))
    }
}

fn digest(keyed: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
