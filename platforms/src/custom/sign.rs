//! Standard Webhooks: `webhook-id`, `webhook-timestamp`, and `webhook-signature` over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::Secret;
use http::HeaderMap;
use http::header::HeaderName;

use crate::Denied;
use crate::signature::{Keys, Signature, only};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What is before a secret, and before a signature of the symmetric kind.
pub(super) const SECRET_PREFIX: &str = "whsec_";
const VERSION: &[u8] = b"v1,";

/// How old or how far ahead a webhook may be, in s (specification, "Webhook timestamp": five minutes).
const TOLERANCE_S: i64 = 300;

/// Signatures of one header that are tried: two secrets of a rotation on both sides make four; the rest is room.
const SIGNATURES: usize = 8;

/// Bytes of a secret (specification, "Signature scheme": 24 to 64).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of a secret: `whsec_` and the base64 of 24 to 64 bytes.
pub(super) fn key(secret: &Secret) -> Option<Vec<u8>> {
    let base64 = secret.reveal().strip_prefix(SECRET_PREFIX)?;
    STANDARD.decode(base64).ok().filter(|key| SECRET_BYTES.contains(&key.len()))
}

/// Keys of secrets that the configuration has checked.
pub(super) fn keys(secrets: &[Secret]) -> Keys {
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(key).collect();
    Keys::new(keys.iter().map(Vec::as_slice))
}

/// The three headers of a webhook.
#[derive(Clone, Copy)]
pub(super) struct Signed<'h> {
    id: &'h [u8],
    timestamp: &'h [u8],
    signatures: &'h [u8],
}

impl<'h> Signed<'h> {
    /// Each must be there once.
    pub(super) fn of(headers: &'h HeaderMap) -> Result<Self, Denied> {
        let signed = Self {
            id: only(headers, &ID)?,
            timestamp: only(headers, &TIMESTAMP)?,
            signatures: only(headers, &SIGNATURE)?,
        };
        // With a full stop in it, id and timestamp could be read in two ways (specification, "Webhook ID").
        let is_id = !signed.id.is_empty() && !signed.id.contains(&b'.');
        if is_id { Ok(signed) } else { Err(Denied::Denied) }
    }

    /// Whether one of `keys` has signed `body` at a time near `now` (ms since 1970).
    pub(super) fn verify(&self, keys: &Keys, body: &[u8], now: i64) -> Result<(), Denied> {
        let digits = std::str::from_utf8(self.timestamp).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let timestamp: i64 = digits.and_then(|digits| digits.parse().ok()).ok_or(Denied::Denied)?;
        if (now.div_euclid(1_000) - timestamp).abs() > TOLERANCE_S {
            return Err(Denied::Denied);
        }
        let signed = [self.id, b".", self.timestamp, b".", body];
        let signatures = self.signatures.split(|b| *b == b' ').filter_map(|one| one.strip_prefix(VERSION));
        let signatures: Vec<Signature> = signatures.filter_map(Signature::read).take(SIGNATURES).collect();
        keys.verify(&signatures, &signed)
    }
}

/// The headers of a webhook of ours at `now` (ms since 1970), signed with all keys: whoever rotates has one of them.
pub(super) fn headers(keys: &Keys, id: &str, body: &[u8], now: i64) -> [(&'static str, String); 3] {
    let timestamp = now.div_euclid(1_000).to_string();
    let signed: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let signatures: Vec<String> = keys.sign(&signed).map(|signature| format!("v1,{signature}")).collect();
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.clone()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
