//! The call of a message, verdicts, and when a token rests.

use std::collections::BTreeMap;

use config::Secret;
use serde_json::Value;

use super::*;
use crate::Authorization;
use crate::api::tests::answer;

pub(crate) fn record() -> Outbox {
    Outbox {
        identity: "0f".repeat(16),
        platform: "line".into(),
        account: "shop-th".into(),
        integration: "a2171742-7359-41cf-aa68-ad5049250806".into(),
        person: "6f4a0c1e-0000-8000-8000-000000000001".into(),
        message_id: "461230966842064897".into(),
        event_time: 1_790_910_245_678,
        received: 1_790_910_245_700,
        late_by: 0,
        contents: vec![Content::Text { text: "สวัสดี 🙏".into() }],
        attributes: BTreeMap::from([("market".into(), "Thailand".into())]).into(),
        tokens: Vec::new(),
    }
}

fn request(record: &Outbox) -> Call {
    let authorization = &Authorization::Bearer(Secret::new("t"));
    GenesysApi.call(&Dispatch { record, address: None, authorization, now: 0 })
}

#[test]
fn the_request_is_the_contracts() {
    let request = request(&record());
    assert_eq!(request.method, Method::POST);
    assert_eq!(
        request.path,
        "/api/v2/conversations/messages/a2171742-7359-41cf-aa68-ad5049250806/inbound/open/message?prefetchConversationId=true"
    );
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    let expected = json!({
        "channel": {
            "from": {"id": "6f4a0c1e-0000-8000-8000-000000000001", "idType": "Opaque"},
            "time": "2026-10-02T03:04:05.678Z",
            "messageId": "461230966842064897",
            "metadata": {"customAttributes": {"market": "Thailand"}},
        },
        "text": "สวัสดี 🙏",
    });
    assert_eq!(body, expected);
}

#[test]
fn without_attributes_there_is_no_metadata() {
    let request = request(&Outbox { attributes: BTreeMap::new().into(), ..record() });
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert!(body["channel"].get("metadata").is_none());
}

#[test]
fn tokens_go_as_flat_metadata_of_the_message() {
    let token = |kind: &str, token: &str| VaultToken { kind: kind.into(), token: token.into() };
    let tokens = vec![token("phone", "abc"), token("email", "def")];
    let request = request(&Outbox { tokens, ..record() });
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body["metadata"], json!({"naruTokens": "phone:abc email:def"}));
    assert!(body["channel"]["metadata"].get("naruTokens").is_none());
}

#[test]
fn verdicts() {
    use Verdict::{Delivered, InDoubt, Reauthorise, RetryAfter};
    let refused = |text: &str| Verdict::Refused(text.into());
    let taken = |id: Option<&str>, conversation: Option<&str>| Delivered {
        platform_id: id.map(Into::into),
        conversation: conversation.map(Into::into),
    };
    let s = |n| Some(Duration::from_secs(n));
    let body = |text: &'static str| text;
    let rows: [(&str, Outcome, bool, Verdict); 19] = [
        (
            "202",
            answer(202, &[], body(r#"{"id":"ab","conversationId":"c-1"}"#)),
            false,
            taken(Some("ab"), Some("c-1")),
        ),
        ("200, no JSON", answer(200, &[], "<html>"), false, taken(None, None)),
        (
            "2xx that failed",
            answer(200, &[], r#"{"status":"Failed","reasons":[{"code":"RateLimited","message":"m"}]}"#),
            false,
            refused("accepted, then failed: RateLimited"),
        ),
        (
            "prose is not repeated",
            answer(200, &[], r#"{"status":"Failed","reasons":[{"code":"call 010"}]}"#),
            false,
            refused("accepted, then failed: no reason code"),
        ),
        (
            "400",
            answer(400, &[], r#"{"code":"bad.request","message":"สวัสดี"}"#),
            false,
            refused("status 400: bad.request"),
        ),
        ("401", answer(401, &[], r#"{"code":"bad.credentials"}"#), false, Reauthorise),
        (
            "403",
            answer(403, &[], r#"{"code":"missing.permissions"}"#),
            false,
            refused("status 403: missing.permissions"),
        ),
        ("404", answer(404, &[], ""), false, refused("status 404: no code")),
        ("408", answer(408, &[], ""), false, InDoubt(None)),
        ("409 first", answer(409, &[], ""), false, InDoubt(None)),
        ("409 after a doubt", answer(409, &[], ""), true, taken(None, None)),
        (
            "413",
            answer(413, &[], r#"{"code":"request.entity.too.large"}"#),
            false,
            refused("status 413: request.entity.too.large"),
        ),
        ("429", answer(429, &[("retry-after", "7")], ""), false, RetryAfter(s(7))),
        ("429 bare", answer(429, &[], ""), false, RetryAfter(None)),
        ("500", answer(500, &[], ""), false, InDoubt(None)),
        ("503", answer(503, &[("retry-after", "2")], ""), false, InDoubt(s(2))),
        ("redirect", answer(302, &[], ""), false, refused("status 302: no code")),
        ("no connection", Err(Transport::NotSent), false, RetryAfter(None)),
        ("cut or timed out", Err(Transport::Unknown), false, InDoubt(None)),
    ];
    for (name, outcome, doubted, expected) in rows {
        assert_eq!(verdict(&outcome, doubted), expected, "{name}");
    }
}

#[test]
fn the_token_rests_when_nothing_is_left() {
    let s = |n| Some(Duration::from_secs(n));
    let rate = |status, count: &str, reset: &str| {
        answer(
            status,
            &[
                ("inin-ratelimit-count", count),
                ("inin-ratelimit-allowed", "300"),
                ("inin-ratelimit-reset", reset),
            ],
            "",
        )
    };
    let rest = |outcome: Outcome| rest(&outcome.ok().unwrap());
    assert_eq!(rest(rate(202, "299", "40")), None);
    assert_eq!(rest(rate(202, "300", "40")), s(40));
    assert_eq!(rest(answer(429, &[("retry-after", "9")], "")), s(9));
    assert_eq!(rest(answer(202, &[], "")), None);
}

