//! Events that are read, and those that are not.

use serde_json::{Value, json};

use super::super::schema_tests::is_valid;
use super::*;

fn event(kind: &str, data: &Value) -> Value {
    json!({"type": kind, "timestamp": "2026-10-02T03:04:05.678Z", "data": data})
}

fn message(content: &Value) -> Value {
    event("message", &json!({"id": "m-1", "person": "p", "content": content}))
}

fn read_value(value: &Value) -> Result<(Event, u64), Refusal> {
    let json = value.to_string();
    let record = RawRecord { account: "web", key: b"web:p", id: Some("m-1"), kind: value["type"].as_str(), json: &json };
    read(&record).map(|read| {
        assert!(matches!(read.event, Event::Ignored(_)) || read.key == EventKey::MessageId(format!("custom.{}", value["type"].as_str().unwrap()).into(), "m-1".into()));
        (read.event, read.sequence)
    })
}

fn contents(value: &Value) -> Vec<Content> {
    match read_value(value).map_err(|(_, detail)| detail).unwrap().0 {
        Event::Message(message) => {
            assert!(matches!(&message.party, Party::Customer { address, speaker: Speaker::Alone } if address == "p"));
            assert_eq!(message.id, None);
            message.contents
        }
        _ => panic!("not a message: {value}"),
    }
}

#[test]
fn every_content_of_the_schema_is_read() {
    let media = |kind| json!({"type": "media", "kind": kind, "url": "https://x.example/a", "name": "n", "caption": "c"});
    let expected_media = |kind| Content::Media {
        kind,
        url: "https://x.example/a".into(),
        name: "n".into(),
        size: String::new(),
        caption: "c".into(),
    };
    for (content, expected) in [
        (json!({"type": "text", "text": "สวัสดี 🙏"}), Content::Text { text: "สวัสดี 🙏".into() }),
        (media("image"), expected_media(MediaKind::Image)),
        (media("video"), expected_media(MediaKind::Video)),
        (media("audio"), expected_media(MediaKind::Audio)),
        (media("file"), expected_media(MediaKind::File)),
        (
            json!({"type": "location", "latitude": 13.7563, "longitude": -100.5, "title": "t"}),
            Content::Location {
                title: "t".into(),
                address: String::new(),
                latitude: "13.7563".into(),
                longitude: "-100.5".into(),
                url: String::new(),
            },
        ),
        (
            json!({"type": "choice", "text": "Yes", "value": "y"}),
            Content::Choice { text: "Yes".into(), value: "y".into() },
        ),
    ] {
        let value = message(&content);
        assert!(is_valid(&value), "{value}");
        assert!(contents(&value) == [expected], "{value}");
    }
    let later = message(&json!({"type": "hologram", "shape": 1}));
    assert!(contents(&later) == [Content::Unsupported { name: "hologram".into() }]);
}

#[test]
fn sessions_and_unknown_types_are_no_messages() {
    for (kind, session) in [("session.opened", Session::Opened), ("session.closed", Session::Closed)] {
        let value = event(kind, &json!({"id": "m-1", "person": "p"}));
        assert!(is_valid(&value));
        assert!(matches!(read_value(&value), Ok((Event::Session(read), 0)) if read == session), "{kind}");
    }
    let value = event("reaction", &json!({"id": "m-1", "person": "p"}));
    assert!(matches!(read_value(&value), Ok((Event::Ignored(Reason::EventType), _))));
}

#[test]
fn what_the_schema_forbids_is_refused_with_its_place() {
    let of = |data: Value| event("message", &data);
    for (value, detail) in [
        (of(json!({"id": "m-1", "person": "p"})), "data.content"),
        (of(json!({"person": "p", "content": {"type": "text", "text": "a"}})), "data.id"),
        (message(&json!({"text": "a"})), "data.content.type"),
        (event("", &json!({"id": "m-1", "person": "p", "content": {"type": "text", "text": "a"}})), "type"),
        (message(&json!({"type": "text"})), "data.content.text"),
        (message(&json!({"type": "media", "kind": "image"})), "data.content.url"),
        (message(&json!({"type": "media", "kind": "image", "url": "javascript:alert(1)"})), "data.content.url"),
        (message(&json!({"type": "media", "kind": "image", "url": "https://a b"})), "data.content.url"),
        (message(&json!({"type": "location", "latitude": "north", "longitude": 1})), "data.content.latitude"),
        (message(&json!({"type": "location", "latitude": 1})), "data.content.longitude"),
        (message(&json!({"type": "choice", "value": "y"})), "data.content.text"),
        (
            of(json!({"id": "m-1", "person": "p", "sequence": -1, "content": {"type": "text", "text": "a"}})),
            "data.sequence is not a whole number from 0 on",
        ),
    ] {
        assert!(!is_valid(&value), "{value}");
        let Err((reason, refused)) = read_value(&value) else { panic!("read: {value}") };
        assert_eq!((reason, &*refused), (Reason::MissingField, detail), "{value}");
    }
}

#[test]
fn a_blank_text_says_nothing_and_a_sequence_orders() {
    assert!(matches!(read_value(&message(&json!({"type": "text", "text": " \n"}))), Ok((Event::Ignored(_), _))));
    for (sequence, read) in [("17", Some(17)), ("17.0", Some(17)), ("1.7e1", Some(17)), ("-0", Some(0)), ("-0.0", Some(0)),
        ("9007199254740991", Some(9_007_199_254_740_991)), ("18446744073709551616", None), ("1e400", None), ("0.5", None),
        ("-1", None), ("\"1\"", None), ("true", None)] {
        let json = format!(
            r#"{{"type":"message","data":{{"id":"m-1","person":"p","sequence":{sequence},"content":{{"type":"text","text":"a"}}}}}}"#
        );
        let record = RawRecord { account: "web", key: b"web:p", id: Some("m-1"), kind: Some("message"), json: &json };
        assert_eq!(super::read(&record).ok().map(|read| read.sequence), read, "{sequence}");
    }
}

#[test]
fn fields_that_nobody_knows_are_kept_for_the_report() {
    let mut value = message(&json!({"type": "text", "text": "a", "tone": "warm"}));
    value["mood"] = json!(1);
    value["data"]["device"] = json!({"os": "x"});
    let Ok((Event::Message(message), _)) = read_value(&value) else { panic!("read") };
    let fields: Vec<&str> = message.unknown.iter().map(|unknown| unknown.field.as_str()).collect();
    assert_eq!(fields, ["mood", "data.device", "data.content.tone"]);
}
