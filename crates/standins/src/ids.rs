//! Ids in the platforms' own forms, made from a seed so that a run can be repeated.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

/// The alphabet of a ULID.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A well-mixed number for a seed and a counter (splitmix64).
pub(crate) fn mix(seed: u64, counter: u64) -> u64 {
    let mut z =
        seed.wrapping_mul(0xD6E8_FEB8_6659_FD93).wrapping_add(counter.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// 16 bytes that hang on nothing but the parts.
pub(crate) fn digest(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes
}

/// 32 hex digits.
pub(crate) fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// A UUID of version 4's form.
pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Whether the text is a UUID in hexadecimal with dashes.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// A ULID: 48 bits of time, 80 of `bytes`.
pub(crate) fn ulid(ms: u64, bytes: [u8; 16]) -> String {
    let value = (u128::from(ms) << 80) | (u128::from_be_bytes(bytes) >> 48);
    (0..26).rev().map(|place| char::from(CROCKFORD[((value >> (place * 5)) & 31) as usize])).collect()
}

/// A LINE user id: `U` and 32 hex digits.
pub(crate) fn line_user(bytes: [u8; 16]) -> String {
    format!("U{}", hex(bytes))
}

/// A LINE message id: a decimal number beyond 2^53, as text.
pub(crate) fn line_message(bytes: [u8; 16]) -> String {
    let low =
        u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
    (400_000_000_000_000_000 + low % 500_000_000_000_000_000).to_string()
}

/// A supply of ids, each new, the same sequence for the same seed.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: String,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new(seed: u64, what: &str) -> Self {
        Self { seed: format!("{what}{seed}"), next: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> [u8; 16] {
        digest(&[&self.seed, &self.next.fetch_add(1, Ordering::Relaxed).to_string()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_contracts_forms() {
        let bytes = digest(&["a", "b"]);
        assert_ne!(bytes, digest(&["ab", ""]));
        let ulid = ulid(1_790_000_000_000, bytes);
        assert_eq!(ulid.len(), 26);
        assert!(ulid.starts_with("01"), "{ulid}");
        assert_eq!(line_user(bytes).len(), 33);
        assert!(line_message(bytes).parse::<u64>().unwrap() > 1 << 53);
        assert!(is_uuid(&uuid(bytes)));
        assert!(!is_uuid(&hex(bytes)));
        assert!(!is_uuid("not-a-key"));
        let ids = Ids::new(1, "x");
        assert_ne!(ids.next(), ids.next());
    }
}
