//! The signatures against vectors that another tool (`openssl`) made.

use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_MS: u64 = 1_790_000_000_000;

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}

fn map(headers: &[(&'static str, String)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(pair).collect()
}

#[test]
fn every_vector_is_judged_as_its_maker_does() {
    let file = include_str!("../../tests/standard-webhooks-vectors.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let secrets = vector["secrets"].as_array().unwrap().iter();
        let secrets: Vec<Secret> =
            secrets.map(|text| Secret::parse(text.as_str().unwrap()).unwrap()).collect();
        let headers = map(&[ID, TIMESTAMP, SIGNATURE].map(|name| (name, text(vector, name).to_owned())));
        let body = STANDARD.decode(text(vector, "body_base64")).unwrap();
        let now_ms = vector["now"].as_u64().unwrap() * 1_000;
        let result = verify(&secrets, &headers, &body, now_ms);
        let expected = vector["signed_by"].as_u64().map(|place| usize::try_from(place).unwrap());
        assert_eq!(result.ok(), expected, "{}: {result:?}", vector["name"]);
        let Some(place) = expected else {
            refused += 1;
            continue;
        };
        accepted += 1;
        let timestamp = text(vector, TIMESTAMP).parse().unwrap();
        let made = secrets[place].sign(text(vector, ID), timestamp, &body);
        assert!(text(vector, SIGNATURE).split(' ').any(|one| one == made), "{}", vector["name"]);
    }
    assert!(accepted >= 10 && refused >= 20, "{accepted} accepted, {refused} refused");
}

#[test]
fn what_is_signed_here_is_accepted_here() {
    let secrets =
        [SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="].map(|s| Secret::parse(s).unwrap());
    let signed = map(&headers(&secrets, "msg_1", b"{}", NOW_MS));
    for (place, secret) in secrets.iter().enumerate() {
        assert_eq!(verify(std::slice::from_ref(secret), &signed, b"{}", NOW_MS), Ok(0), "secret {place}");
    }
    // The tolerance is in whole seconds.
    assert!(verify(&secrets, &signed, b"{}", NOW_MS + 300_999).is_ok());
    assert!(verify(&secrets, &signed, b"{}", NOW_MS + 301_000).is_err());
}

#[test]
fn each_header_must_be_there_once() {
    let secrets = [Secret::parse(SECRET).unwrap()];
    let signed = map(&headers(&secrets, "msg_1", b"{}", NOW_MS));
    for name in [ID, TIMESTAMP, SIGNATURE] {
        let mut without = signed.clone();
        without.remove(name);
        assert!(verify(&secrets, &without, b"{}", NOW_MS).is_err(), "{name} is missing");
        let mut twice = signed.clone();
        twice.append(name, signed[name].clone());
        assert!(verify(&secrets, &twice, b"{}", NOW_MS).is_err(), "{name} is there twice");
    }
}

#[test]
fn a_secret_has_its_prefix_and_24_to_64_bytes() {
    let encoded = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for (bytes, fits) in [(23, false), (24, true), (64, true), (65, false)] {
        assert_eq!(Secret::parse(&encoded(bytes)).is_some(), fits, "{bytes} bytes");
    }
    for text in [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_***",
        "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        assert_eq!(Secret::parse(text), None, "{text}");
    }
    assert_eq!(format!("{:?}", Secret::parse(SECRET).unwrap()), "***");
}
