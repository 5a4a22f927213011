//! The signatures that LINE and Genesys put on their webhooks, and the check values of the stand-ins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Header of LINE's signature; names are compared without case.
pub const LINE_SIGNATURE: &str = "x-line-signature";
/// Header of Genesys's signature.
pub const GENESYS_SIGNATURE: &str = "x-hub-signature-256";

/// Base64 of the HMAC-SHA256 of the raw body: the value of `x-line-signature`.
///
/// The channel secret is used as text, not decoded from its hex form.
#[must_use]
pub fn line(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The value of `X-Hub-Signature-256`: base64 (not hex) after a literal `sha256=`.
#[must_use]
pub fn genesys(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", line(secret, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every vector of a file: what the signer makes equals the header exactly where the vector is valid.
    fn vectors(text: &str, sign: fn(&str, &[u8]) -> String) -> (usize, usize) {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for vector in file["vectors"].as_array().unwrap() {
            let body = STANDARD.decode(vector["body_base64"].as_str().unwrap()).unwrap();
            let made = sign(vector["secret"].as_str().unwrap(), &body);
            let expected = vector["valid"].as_bool().unwrap();
            assert_eq!(made == vector["header"].as_str().unwrap(), expected, "{}", vector["name"]);
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
        (valid, invalid)
    }

    #[test]
    fn the_signers_reproduce_every_vector() {
        let (valid, invalid) = vectors(include_str!("../tests/line-signature-vectors.json"), line);
        assert!(valid >= 2 && invalid >= 5, "{valid} valid, {invalid} invalid");
        let (valid, invalid) = vectors(include_str!("../tests/genesys-signature-vectors.json"), genesys);
        assert!(valid >= 1 && invalid >= 5, "{valid} valid, {invalid} invalid");
    }

    #[test]
    fn an_empty_object_under_a_short_secret() {
        assert_eq!(line("SECRET", b"{}"), "3q8QXTAGaey18yL8FWTqdVlbMr6hcuNvM4tefa0o9nA=");
    }
}
