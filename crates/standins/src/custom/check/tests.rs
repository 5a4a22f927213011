//! What a bridge may post, and what not.

use serde_json::{Value, json};

use super::*;

/// A good event with that content, changed by setting one pointer (or removing it, where the value is none).
fn read(content: &Value, pointer: &str, value: Option<Value>) -> Result<Event, String> {
    let mut event = json!({
        "type": "message", "timestamp": "2026-10-02T03:04:05.678Z",
        "data": {"id": "m-1", "person": "visitor-1", "sequence": 17, "content": content},
    });
    if let Some((parent, name)) = pointer.rsplit_once('/') {
        let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name)),
        }
    }
    Event::read(event.to_string().as_bytes())
}

/// Good contents, with what each is in words.
fn contents() -> [(Value, &'static str); 8] {
    let media =
        json!({"type": "media", "kind": "image", "url": "https://x/y.png", "name": "y.png", "caption": "ดูนี่"});
    let location = json!({
        "type": "location", "latitude": 13.7, "longitude": 100.5, "title": "Siam", "address": "Rama I",
        "url": "https://maps/siam",
    });
    let choices = json!({
        "type": "choices", "text": "Which?",
        "options": [{"text": "A", "value": "a"}, {"text": "B"}, {"text": "C", "url": "https://x/c"}],
    });
    [
        (json!({"type": "text", "text": "ยินดีค่ะ"}), "ยินดีค่ะ"),
        (media, "ดูนี่"),
        (json!({"type": "media", "kind": "file", "url": "https://x/y.pdf", "name": "y.pdf"}), "y.pdf"),
        (json!({"type": "media", "kind": "audio", "url": "http://x/y"}), "[media]"),
        (location, "Siam"),
        (json!({"type": "location", "latitude": -90, "longitude": 180, "address": "Pole"}), "Pole"),
        (json!({"type": "location", "latitude": 0.5, "longitude": 0.5}), "[location]"),
        (choices, "Which?"),
    ]
}

#[test]
fn good_events_are_read_and_written_the_same() {
    for (content, words) in contents() {
        let event = read(&content, "", None).unwrap_or_else(|reason| panic!("{content}: {reason}"));
        let message = event.message().unwrap();
        assert_eq!(message.content.words(), words);
        let written = serde_json::to_value(&event).unwrap();
        let fields = |content: &Value| content.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&written["data"]["content"]), fields(&content));
        assert_eq!(Event::read(written.to_string().as_bytes()), Ok(event));
    }
    for kind in ["session.opened", "session.closed"] {
        let text = format!(
            r#"{{"type":"{kind}","timestamp":"2026-10-02T03:04:05.678Z","data":{{"id":"s-1","person":"visitor-1"}}}}"#
        );
        let event = Event::read(text.as_bytes()).unwrap();
        assert_eq!((event.kind(), event.id(), event.person()), (kind, "s-1", "visitor-1"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), serde_json::to_value(&event).unwrap());
    }
}

#[test]
fn what_is_let_pass() {
    let text = json!({"type": "text", "text": "x"});
    for (pointer, value) in [
        ("/data/sequence", None),
        ("/data/sequence", Some(json!(0))),
        ("/timestamp", Some(json!("2026-10-02T03:04:05Z"))),
        ("/unknown", Some(json!([1]))),
        ("/data/unknown", Some(json!({}))),
        ("/data/content/unknown", Some(json!(null))),
    ] {
        assert!(read(&text, pointer, value.clone()).is_ok(), "{pointer} {value:?}");
    }
}

#[test]
fn every_refusal_names_what_is_wrong() {
    let [(text, _), (media, _), .., (location, _), _, _, (choices, _)] = contents();
    for (content, pointer, value, reason) in [
        (&text, "/type", None, "type"),
        (&text, "/type", Some(json!("receipt")), "receipt"),
        (&text, "/timestamp", None, "timestamp"),
        (&text, "/timestamp", Some(json!(1_790_910_245_678_u64)), "string"),
        (&text, "/timestamp", Some(json!("2026-10-02T03:04:05+07:00")), "timestamp"),
        (&text, "/data", None, "data"),
        (&text, "/data/id", None, "id"),
        (&text, "/data/id", Some(json!("")), "data.id"),
        (&text, "/data/person", None, "person"),
        (&text, "/data/person", Some(json!("")), "data.person"),
        (&text, "/data/person", Some(json!(7)), "string"),
        (&text, "/data/sequence", Some(json!(-1)), "-1"),
        (&text, "/data/sequence", Some(json!("17")), "u64"),
        (&text, "/data/content", None, "content"),
        (&text, "/data/content/type", Some(json!("sticker")), "sticker"),
        (&text, "/data/content/text", None, "text"),
        (&text, "/data/content/text", Some(json!("")), "data.content.text"),
        (&media, "/data/content/kind", None, "kind"),
        (&media, "/data/content/kind", Some(json!("sticker")), "sticker"),
        (&media, "/data/content/url", None, "url"),
        (&media, "/data/content/url", Some(json!("/y.png")), "data.content.url"),
        (&media, "/data/content/url", Some(json!("https://")), "data.content.url"),
        (&media, "/data/content/caption", Some(json!(7)), "string"),
        (&location, "/data/content/latitude", Some(json!(90.1)), "latitude"),
        (&location, "/data/content/longitude", Some(json!(-180.1)), "longitude"),
        (&location, "/data/content/longitude", Some(json!("100.5")), "f64"),
        (&location, "/data/content/url", Some(json!("maps")), "data.content.url"),
        (&choices, "/data/content/text", Some(json!("")), "data.content.text"),
        (&choices, "/data/content/options", None, "options"),
        (&choices, "/data/content/options", Some(json!([])), "data.content.options"),
        (&choices, "/data/content/options", Some(json!([{"text": ""}])), "options.text"),
        (&choices, "/data/content/options", Some(json!([{"value": "a"}])), "text"),
        (&choices, "/data/content/options", Some(json!([{"text": "a", "url": "x"}])), "options.url"),
        (&choices, "/data/content", Some(json!({"type": "choice", "text": "A"})), "people only"),
    ] {
        let error = read(content, pointer, value.clone()).unwrap_err();
        assert!(error.contains(reason), "{pointer} {value:?}: {error}");
    }
    assert!(Event::read(b"{").is_err());
    assert!(Event::read(b"[]").is_err());
}
