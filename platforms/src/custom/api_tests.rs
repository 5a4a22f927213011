//! The call of a message, and what its outcome means.

use std::time::Duration;

use config::Secret;
use http::HeaderMap;
use serde_json::{Value, json};

use super::super::schema_tests::is_valid;
use super::super::sign::Signed;
use super::*;
use crate::api::tests::answer;

const NOW: i64 = 1_790_000_000_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn record(contents: Vec<Content>) -> Outbox {
    Outbox {
        identity: "0f".repeat(16),
        platform: "custom".into(),
        account: "web".into(),
        integration: "i".into(),
        person: "6f4a0c1e-0000-8000-8000-000000000001".into(),
        message_id: "36e4".into(),
        event_time: 1_790_910_245_678,
        received: 1_790_910_245_700,
        late_by: 0,
        contents,
        attributes: std::sync::Arc::default(),
        tokens: Vec::new(),
    }
}

fn call(contents: Vec<Content>, now: i64) -> Call {
    let authorization = &Authorization::Signed(vec![Secret::new(SECRET)]);
    CustomApi.call(&Dispatch { record: &record(contents), address: Some("visitor-77"), authorization, now })
}

fn content(contents: Vec<Content>) -> Value {
    let body: Value = serde_json::from_slice(&call(contents, NOW).body.unwrap()).unwrap();
    assert!(is_valid(&body), "{body}");
    assert_eq!(body["type"], "message");
    assert_eq!(body["timestamp"], "2026-10-02T03:04:05.678Z");
    assert_eq!((&body["data"]["person"], &body["data"]["id"]), (&json!("visitor-77"), &json!("0f".repeat(16))));
    body["data"]["content"].clone()
}

#[test]
fn every_shape_is_the_schemas() {
    let text = |text: &str| Content::Text { text: text.into() };
    let option = ChoiceOption { text: "10:00".into(), detail: "(30 min)".into(), value: "t1".into(), url: String::new() };
    for (contents, expected) in [
        (text("ยินดีค่ะ 🙏"), json!({"type": "text", "text": "ยินดีค่ะ 🙏"})),
        (
            Content::Media {
                kind: MediaKind::Link,
                url: "https://x/a".into(),
                name: String::new(),
                size: String::new(),
                caption: "c".into(),
            },
            json!({"type": "media", "kind": "file", "url": "https://x/a", "caption": "c"}),
        ),
        (
            Content::Location {
                title: "Shop".into(),
                address: String::new(),
                latitude: "13.5".into(),
                longitude: "100.25".into(),
                url: String::new(),
            },
            json!({"type": "location", "title": "Shop", "latitude": 13.5, "longitude": 100.25}),
        ),
        (
            Content::Choices { title: "When?".into(), subtitle: "Today".into(), options: vec![option] },
            json!({"type": "choices", "text": "When?\nToday", "options": [{"text": "10:00 (30 min)", "value": "t1"}]}),
        ),
        (Content::Sticker { text: "wave".into(), keywords: Vec::new() }, json!({"type": "text", "text": "[sticker] wave"})),
    ] {
        assert_eq!(content(vec![contents]), expected);
    }
    assert_eq!(content(vec![text("a"), text("b")]), json!({"type": "text", "text": "a\nb"}));
}

#[test]
fn a_call_is_signed_and_the_same_on_every_try_but_for_its_time() {
    let (first, later) = (call(vec![], NOW), call(vec![], NOW + 3_600_000));
    assert!(first.body == later.body && first.path.is_empty());
    for (call, now) in [(&first, NOW), (&later, NOW + 3_600_000)] {
        let mut headers = HeaderMap::new();
        for (name, value) in &call.headers {
            headers.append(*name, value.parse().unwrap());
        }
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["webhook-id"], format!("msg_{}", "0f".repeat(16)).as_str());
        let signed = Signed::of(&headers).unwrap();
        let keys = sign::keys(&[Secret::new(SECRET)]);
        assert_eq!(signed.verify(&keys, call.body.as_deref().unwrap(), now), Ok(()));
    }
}

#[test]
fn verdicts() {
    use Verdict::{Delivered, Reauthorise, RetryAfter};
    let taken = Delivered { platform_id: None, conversation: None };
    for (name, outcome, expected) in [
        ("200", answer(200, &[], ""), taken.clone()),
        ("204", answer(204, &[], ""), taken),
        ("400", answer(400, &[], "{}"), Verdict::Refused("status 400".into())),
        ("401", answer(401, &[], ""), Reauthorise),
        ("404", answer(404, &[], ""), Verdict::Refused("status 404".into())),
        ("410", answer(410, &[], ""), Verdict::Gone("status 410".into())),
        ("429", answer(429, &[("retry-after", "7")], ""), RetryAfter(Some(Duration::from_secs(7)))),
        ("503", answer(503, &[], ""), RetryAfter(None)),
        ("not sent", Err(Transport::NotSent), RetryAfter(None)),
        ("the id makes it safe", Err(Transport::Unknown), RetryAfter(None)),
    ] {
        assert_eq!(CustomApi.verdict(&outcome, false), expected, "{name}");
    }
}
