//! Signatures after Standard Webhooks 1.0, with symmetric secrets: how a custom channel and the bridge sign what they
//! send to each other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use hyper::HeaderMap;
use sha2::Sha256;

/// Header of the webhook's id, which stays the same when the webhook is sent again.
pub const ID: &str = "webhook-id";
/// Header of the time of the attempt, seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Header of the signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// How far the time of the attempt may be from the receiver's, s.
pub const TOLERANCE_S: u64 = 300;

const PREFIX: &str = "whsec_";
/// Shortest and longest key, bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Marks a signature of this scheme.
const VERSION: &str = "v1,";

/// A symmetric secret: the key that its text encodes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes; `None` for any other form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        KEY_BYTES.contains(&key.len()).then_some(Self(key))
    }

    /// The signature of one attempt: `v1,` and the base64 of the HMAC-SHA256 of `{id}.{timestamp}.{body}`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("{VERSION}{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// The key in hexadecimal, for tools that take it so.
    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The headers of one attempt that begins at `now_ms`, signed with every secret.
#[must_use]
pub fn headers(secrets: &[Secret], id: &str, body: &[u8], now_ms: u64) -> Vec<(&'static str, String)> {
    let timestamp = now_ms / 1_000;
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    vec![(ID, id.to_owned()), (TIMESTAMP, timestamp.to_string()), (SIGNATURE, signatures.join(" "))]
}

/// Checks a request that arrives at `now_ms`; the place of the secret that signed it.
///
/// # Errors
/// What is wrong with it, for a person to read.
pub fn verify(
    secrets: &[Secret],
    headers: &HeaderMap,
    body: &[u8],
    now_ms: u64,
) -> Result<usize, &'static str> {
    let id = only(headers, ID).ok_or("webhook-id is missing or not one text")?;
    if id.is_empty() || id.contains('.') {
        // Full stops separate what is signed: within the id they would let parts of it pass for another part.
        return Err("webhook-id is empty or has a full stop");
    }
    let timestamp = only(headers, TIMESTAMP).ok_or("webhook-timestamp is missing or not one text")?;
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("webhook-timestamp is not a number of seconds");
    }
    let timestamp: u64 = timestamp.parse().map_err(|_| "webhook-timestamp is not a number of seconds")?;
    if (now_ms / 1_000).abs_diff(timestamp) > TOLERANCE_S {
        return Err("webhook-timestamp is more than five minutes away");
    }
    let signatures = only(headers, SIGNATURE).ok_or("webhook-signature is missing or not one text")?;
    secrets
        .iter()
        .position(|secret| {
            let expected = secret.sign(id, timestamp, body);
            signatures.split(' ').any(|signature| signature == expected)
        })
        .ok_or("no signature matches a secret")
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests;
