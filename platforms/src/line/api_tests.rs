//! The push of a message, retry keys, verdicts.

use std::time::Duration;

use config::Secret;
use schemas::Outbox;

use super::*;
use crate::Authorization;
use crate::api::tests::answer;

#[test]
fn the_request_is_the_contracts() {
    let text = |text: &str| Content::Text { text: text.into() };
    let record = Outbox {
        identity: "0123456789abcdef0123456789abcdef".into(),
        platform: "line".into(),
        account: "shop-th".into(),
        integration: "a2171742".into(),
        person: "6f4a0c1e".into(),
        message_id: "36e4d8d9".into(),
        event_time: 1,
        contents: vec![text("ยินดีค่ะ"), text("second")],
        late_by: 0,
        received: 2,
        attributes: Default::default(),
        tokens: Vec::new(),
    };
    let dispatch = Dispatch {
        record: &record,
        address: Some("U11111111111111111111111111111111"),
        authorization: &Authorization::Bearer(Secret::new("t")),
        now: 0,
    };
    let request = LineApi.call(&dispatch);
    assert_eq!((request.method, request.path.as_str()), (Method::POST, "/v2/bot/message/push"));
    assert_eq!(request.headers[0], ("content-type", "application/json".into()));
    assert_eq!(request.headers[1], ("x-line-retry-key", "01234567-89ab-8def-8123-456789abcdef".into()));
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    let expected = json!({
        "to": "U11111111111111111111111111111111",
        "messages": [{"type": "text", "text": "ยินดีค่ะ"}, {"type": "text", "text": "second"}],
    });
    assert_eq!(body, expected);
}

#[test]
fn a_retry_key_is_a_uuid_or_nothing() {
    let key = retry_key(&"ff".repeat(16)).unwrap();
    assert_eq!(key.get_version_num(), 8);
    assert_eq!(key.get_variant(), uuid::Variant::RFC4122);
    assert_eq!(retry_key(&"ff".repeat(16)), Some(key));
    for bad in ["", "ff", "zz".repeat(16).as_str(), "+f".repeat(16).as_str(), "ff".repeat(17).as_str()] {
        assert_eq!(retry_key(bad), None, "{bad}");
    }
}

#[test]
fn verdicts() {
    use Verdict::{Delivered, Reauthorise, RetryAfter};
    let refused = |text: &str| Verdict::Refused(text.into());
    let sent = r#"{"message":"m","sentMessages":[{"id":"461230966842064897","quoteToken":"q"}]}"#;
    let taken = Delivered { platform_id: Some("461230966842064897".into()), conversation: None };
    let property = r#"{"message":"The request body has 1 error(s)","details":[{"message":"May not be empty","property":"messages[0].text"}]}"#;
    let quota = r#"{"message":"You have reached your monthly limit."}"#;
    let rate = r#"{"message":"The API rate limit has been exceeded. Try again later."}"#;
    let rows: [(&str, Outcome, Verdict); 14] = [
        ("200", answer(200, &[], sent), taken.clone()),
        ("200 without body", answer(200, &[], ""), Delivered { platform_id: None, conversation: None }),
        ("409 is a success", answer(409, &[], sent), taken),
        ("400", answer(400, &[], property), refused("status 400: messages[0].text")),
        (
            "400 unknown user",
            answer(400, &[], r#"{"message":"Failed to send messages"}"#),
            refused("status 400: no property named"),
        ),
        ("401", answer(401, &[], ""), Reauthorise),
        ("403", answer(403, &[], ""), refused("status 403: no property named")),
        ("413", answer(413, &[], ""), refused("status 413: no property named")),
        ("429 quota", answer(429, &[], quota), refused("status 429: monthly limit reached")),
        ("429 rate", answer(429, &[], rate), RetryAfter(None)),
        (
            "429 with a time",
            answer(429, &[("retry-after", "3")], rate),
            RetryAfter(Some(Duration::from_secs(3))),
        ),
        ("500", answer(500, &[], ""), RetryAfter(None)),
        ("no connection", Err(Transport::NotSent), RetryAfter(None)),
        ("cut: the key makes it safe", Err(Transport::Unknown), RetryAfter(None)),
    ];
    for (name, outcome, expected) in rows {
        assert_eq!(verdict(&outcome), expected, "{name}");
    }
}
