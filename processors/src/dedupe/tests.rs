//! Dedupe keys: what is one event and what is two.

use proptest::prelude::*;

use super::*;

const EVENT: &str = r#"{"type":"message","timestamp":5,"deliveryContext":{"isRedelivery":false},"message":{"type":"text","text":"a"}}"#;
const AGAIN: &str = r#"{"type":"message","timestamp":5,"deliveryContext":{"isRedelivery":true},"message":{"type":"text","text":"a"}}"#;
const OTHER: &str = r#"{"type":"message","timestamp":5,"deliveryContext":{"isRedelivery":false},"message":{"type":"text","text":"b"}}"#;

fn key(conversation: &str, timestamp: i64, key: &EventKey<'_>) -> u128 {
    event_hash(conversation.as_bytes(), timestamp, key)
}

#[test]
fn a_redelivery_is_the_same_event_and_all_else_is_another() {
    use EventKey::Id;
    let message_id = |kind: &'static str, id: &'static str| EventKey::MessageId(kind.into(), id.into());
    let content = |kind: &'static str, json: &'static str| EventKey::Content {
        kind: kind.into(),
        json,
        without: "deliveryContext",
    };
    let first = || ("th:U1", 5, Id("01FZ"));
    let cases = [
        ("the same again", first(), first(), true),
        ("another event in the same millisecond", first(), ("th:U1", 5, Id("01FY")), false),
        ("another person", first(), ("th:U2", 5, Id("01FZ")), false),
        ("another account", first(), ("jp:U1", 5, Id("01FZ")), false),
        ("another time", first(), ("th:U1", 6, Id("01FZ")), false),
        ("a field that moved its border", ("th:U1", 5, Id("1a")), ("th:U11", 5, Id("a")), false),
        ("an id is no message id", first(), ("th:U1", 5, message_id("message", "01FZ")), false),
        (
            "old shape, same message",
            ("c", 5, message_id("message", "1")),
            ("c", 5, message_id("message", "1")),
            true,
        ),
        (
            "old shape, another message",
            ("c", 5, message_id("message", "1")),
            ("c", 5, message_id("message", "2")),
            false,
        ),
        (
            "old shape, another type",
            ("c", 5, message_id("message", "1")),
            ("c", 5, message_id("unsend", "1")),
            false,
        ),
        (
            "no id, redelivered",
            ("c", 5, content("message", EVENT)),
            ("c", 5, content("message", AGAIN)),
            true,
        ),
        (
            "no id, another text",
            ("c", 5, content("message", EVENT)),
            ("c", 5, content("message", OTHER)),
            false,
        ),
        ("no id, another type", ("c", 5, content("message", EVENT)), ("c", 5, content("x", EVENT)), false),
        ("no id, no JSON", ("c", 5, content("", "a")), ("c", 5, content("", "b")), false),
    ];
    for (case, a, b, same) in cases {
        assert_eq!(key(a.0, a.1, &a.2) == key(b.0, b.1, &b.2), same, "{case}");
    }
}

/// A change here makes every event in every changelog unknown: each would be sent again after a replay. The
/// expected values were computed with another implementation of SipHash-1-3.
#[test]
fn the_hash_is_the_same_for_ever() {
    let id = key(
        "line-th:U11111111111111111111111111111111",
        1_790_000_000_000,
        &EventKey::Id("01FZ74A0TDDPYRVKNK77XKC3ZR"),
    );
    assert_eq!(identity_text(id), "7abe018ac6389c3b051afc1dca78783f");
    let content = key(
        "line-th:U1",
        5,
        &EventKey::Content { kind: "message".into(), json: EVENT, without: "deliveryContext" },
    );
    assert_eq!(identity_text(content), "d5fd63ced5ab95688fc314aac8bac816");
    assert_eq!(identity_text(derived_identity(id, 1)), "7b6f10a2801c539cb684d9442a4a5ddd");
    assert_eq!(identity_text(conversation_hash(b"line-th:U1")), "9c7a248aa61509811c0fb64356f66444");
}

#[test]
fn identities_are_32_hex_digits() {
    assert_eq!(identity_text(0), "0".repeat(32));
    assert_eq!(identity_text(0x0123_4567_89ab_cdef), "00000000000000000123456789abcdef");
    assert_eq!(derived_identity(7, 0), 7);
    assert_ne!(derived_identity(7, 1), derived_identity(7, 2));
}

fn encoded(conversation: &[u8], timestamp: i64, key: &EventKey<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(conversation, timestamp, key, &mut |part| bytes.extend_from_slice(part));
    bytes
}

/// Short strings over a small alphabet, so that borders between fields are likely to coincide.
fn short() -> impl Strategy<Value = String> {
    "[ab:\\x00]{0,4}"
}

proptest! {
    #[test]
    fn different_triples_have_different_encodings(
        a in (short(), 0i64..3, short(), short(), 0usize..2),
        b in (short(), 0i64..3, short(), short(), 0usize..2),
    ) {
        let of = |(conversation, time, kind, id, which): &(String, i64, String, String, usize)| {
            let key = match which {
                0 => EventKey::Id(id),
                _ => EventKey::MessageId(kind.into(), id.into()),
            };
            encoded(conversation.as_bytes(), *time, &key)
        };
        let same = a.0 == b.0 && a.1 == b.1 && a.3 == b.3 && a.4 == b.4 && (a.4 == 0 || a.2 == b.2);
        prop_assert_eq!(of(&a) == of(&b), same);
    }

    /// The hash is fed in pieces; it must be the hash of the whole.
    #[test]
    fn the_hash_is_that_of_the_encoding(conversation in short(), time: i64, id in "\\PC{0,40}") {
        let key = EventKey::Id(&id);
        let whole = encoded(conversation.as_bytes(), time, &key);
        let (k0, k1) = EVENT_KEYS;
        let expected = SipHasher13::new_with_keys(k0, k1).hash(&whole).as_u128();
        prop_assert_eq!(event_hash(conversation.as_bytes(), time, &key), expected);
    }
}
