//! Signatures: HMAC-SHA256 over the raw body, compared in constant time, before anything is parsed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use hyper::HeaderMap;
use hyper::header::HeaderName;
use runtime::Secret;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::answer::Refusal;
use crate::route::Source;

/// LINE: the base64 of the digest, nothing before it.
const LINE_HEADER: HeaderName = HeaderName::from_static("x-line-signature");
/// Genesys: `sha256=` and the base64 (not the hex that GitHub's header of the same name carries).
const GENESYS_HEADER: HeaderName = HeaderName::from_static("x-hub-signature-256");
const GENESYS_PREFIX: &[u8] = b"sha256=";

/// A signature as the request gives it: well-formed, not yet compared.
pub(crate) struct Signature([u8; 32]);

/// The signature header of a request. It must be there once, in standard base64 with padding.
pub(crate) fn signature(source: Source, headers: &HeaderMap) -> Result<Signature, Refusal> {
    let (name, prefix): (_, &[u8]) = match source {
        Source::Line => (LINE_HEADER, b""),
        Source::Genesys => (GENESYS_HEADER, GENESYS_PREFIX),
    };
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Refusal::BadSignature) };
    let encoded = value.as_bytes().strip_prefix(prefix).ok_or(Refusal::BadSignature)?;
    let digest = STANDARD.decode(encoded).map_err(|_| Refusal::BadSignature)?;
    digest.try_into().map(Signature).map_err(|_| Refusal::BadSignature)
}

/// The secrets of an account, ready to sign: one, or two while one is being rotated.
#[derive(Clone)]
pub(crate) struct Secrets(Vec<Hmac<Sha256>>);

impl Secrets {
    /// Prepares each secret's text, as UTF-8 bytes, as the key of an HMAC.
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let keyed = |secret: &Secret| {
            Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes keys of any length")
        };
        Self(secrets.iter().map(keyed).collect())
    }

    /// Whether one of the secrets made `signature` over `body`. All are tried, so that the time tells nothing.
    pub(crate) fn verify(&self, signature: &Signature, body: &[u8]) -> Result<(), Refusal> {
        let mut matches = Choice::from(0);
        for keyed in &self.0 {
            let digest = keyed.clone().chain_update(body).finalize().into_bytes();
            matches |= digest.as_slice().ct_eq(&signature.0);
        }
        if bool::from(matches) { Ok(()) } else { Err(Refusal::BadSignature) }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
