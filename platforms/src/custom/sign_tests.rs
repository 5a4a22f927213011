//! Signatures over vectors that another tool has made.

use serde::Deserialize;

use super::*;

const NOW: i64 = 1_790_000_000_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The example of the specification, whose signature is published with it.
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const PUBLISHED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const PUBLISHED_AT: i64 = 1_614_265_330_000;

fn keys_of(secrets: &[&str]) -> Keys {
    keys(&secrets.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>())
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn check(secrets: &[&str], headers: &[(&'static str, &str)], body: &[u8], now: i64) -> Result<(), Denied> {
    Signed::of(&map(headers))?.verify(&keys_of(secrets), body, now)
}

#[test]
fn the_published_example_is_taken_and_made() {
    let headers = [("webhook-id", ID), ("webhook-timestamp", "1614265330"), ("webhook-signature", PUBLISHED)];
    assert_eq!(check(&[SECRET], &headers, BODY, PUBLISHED_AT), Ok(()));
    let made = super::headers(&keys_of(&[SECRET]), ID, BODY, PUBLISHED_AT);
    assert_eq!(made.map(|(name, value)| (name, value)), [
        ("webhook-id", ID.to_owned()),
        ("webhook-timestamp", "1614265330".to_owned()),
        ("webhook-signature", PUBLISHED.to_owned()),
    ]);
}

#[test]
fn what_is_wrong_is_denied() {
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let good = |id| super::headers(&keys_of(&[SECRET]), id, BODY, NOW);
    let [(_, id), (_, time), (_, signature)] = good("msg_1");
    let of = |id: &str, time: &str, signature: &str, body: &[u8], now: i64| {
        check(&[SECRET], &[("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)], body, now)
    };
    assert_eq!(of(&id, &time, &signature, BODY, NOW), Ok(()));
    for at in [NOW - 300_000, NOW + 300_999] {
        assert_eq!(of(&id, &time, &signature, BODY, at), Ok(()), "five minutes either way");
    }
    for at in [NOW - 301_000, NOW + 301_000, 0] {
        assert_eq!(of(&id, &time, &signature, BODY, at), Err(Denied::Denied), "older or ahead");
    }
    let later = (NOW / 1_000 + 1).to_string();
    for (case, result) in [
        ("another body", of(&id, &time, &signature, b"{}", NOW)),
        ("another id", of("msg_2", &time, &signature, BODY, NOW)),
        ("another time", of(&id, &later, &signature, BODY, NOW)),
        ("no time", of(&id, "soon", &signature, BODY, NOW)),
        ("no version", of(&id, &time, &signature[3..], BODY, NOW)),
        ("the asymmetric kind", of(&id, &time, &signature.replace("v1,", "v1a,"), BODY, NOW)),
        ("nothing", of(&id, &time, "", BODY, NOW)),
        ("an empty id", of("", &time, &signature, BODY, NOW)),
        ("a full stop in the id", of("msg.1", &time, &signature, BODY, NOW)),
    ] {
        assert_eq!(result, Err(Denied::Denied), "{case}");
    }
    let with_other = super::headers(&keys_of(&[other]), "msg_1", BODY, NOW);
    assert_eq!(of(&id, &time, &with_other[2].1, BODY, NOW), Err(Denied::Denied), "another secret");
    let twice = [("webhook-id", &*id), ("webhook-id", &*id), ("webhook-timestamp", &*time), ("webhook-signature", &*signature)];
    assert_eq!(check(&[SECRET], &twice, BODY, NOW), Err(Denied::Denied), "a header twice");
}

#[test]
fn a_secret_can_be_rotated_on_either_side() {
    let (old, new) = (SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let both = super::headers(&keys_of(&[new, old]), "msg_1", BODY, NOW);
    assert_eq!(both[2].1.split(' ').count(), 2);
    let headers: Vec<(&'static str, &str)> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for receiver in [&[old][..], &[new], &[old, new]] {
        assert_eq!(check(receiver, &headers, BODY, NOW), Ok(()));
    }
    let one = super::headers(&keys_of(&[new]), "msg_1", BODY, NOW);
    let headers: Vec<(&'static str, &str)> = one.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(check(&[old, new], &headers, BODY, NOW), Ok(()));
    assert_eq!(check(&[old], &headers, BODY, NOW), Err(Denied::Denied));
}

#[test]
fn a_secret_is_of_24_to_64_bytes_behind_its_prefix() {
    let of = |text: &str| key(&Secret::new(text)).map(|key| key.len());
    assert_eq!(of(SECRET), Some(24));
    let long = STANDARD.encode([7; 64]);
    assert_eq!(of(&format!("whsec_{long}")), Some(64));
    for bad in [&long, "whsec_", "whsec_AAAA", "whsec_not base64", &format!("whsec_{}", STANDARD.encode([7; 65]))] {
        assert_eq!(of(bad), None, "{bad}");
    }
}

/// A vector of the file that the stand-ins are tested with: another tool has made it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Vector {
    name: String,
    secrets: Vec<String>,
    /// In s.
    now: i64,
    webhook_id: Option<String>,
    webhook_timestamp: Option<String>,
    webhook_signature: Option<String>,
    #[serde(rename = "body_base64")]
    body: String,
    /// Which secret; none where it must be denied.
    #[serde(rename = "signed_by")]
    signed_by: Option<usize>,
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[test]
fn vectors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/standins/tests/standard-webhooks-vectors.json");
    let Vectors { vectors } = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(vectors.len() > 20);
    for vector in vectors {
        let mut map = HeaderMap::new();
        for (name, value) in [
            (super::ID, &vector.webhook_id),
            (TIMESTAMP, &vector.webhook_timestamp),
            (SIGNATURE, &vector.webhook_signature),
        ] {
            if let Some(value) = value {
                map.append(name, value.parse().unwrap());
            }
        }
        let body = STANDARD.decode(&vector.body).unwrap();
        let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
        let result = Signed::of(&map).and_then(|s| s.verify(&keys_of(&secrets), &body, vector.now * 1_000));
        assert_eq!(result.is_ok(), vector.signed_by.is_some(), "{}", vector.name);
    }
}
