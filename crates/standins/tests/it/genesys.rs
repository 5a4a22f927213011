//! Genesys's calls by the contract.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use standins::AgentMessage;

use crate::bench::{Bench, Hand, INTEGRATION, open_text, setup};

const GUID: &str = "6f1c0d6e-3f7b-8c55-9a34-2f0b8f2f6f10";

fn is_hex32(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[tokio::test]
async fn a_token_is_given_for_client_credentials_only() {
    let bench = Bench::start(setup()).await;
    let good = "Basic Y2xpZW50OnMrZSBjcmV0";
    for (authorization, form, status, error) in [
        (Some(good), "grant_type=client_credentials", 200, ""),
        (None, "grant_type=client_credentials&client_id=client&client_secret=s%2Be%20cret", 200, ""),
        (Some("Basic Y2xpZW50Ong="), "grant_type=client_credentials", 401, "invalid_client"),
        (Some("Basic %%%"), "grant_type=client_credentials", 401, "invalid_client"),
        (None, "grant_type=client_credentials&client_id=client&client_secret=x", 400, "invalid_client"),
        (None, "grant_type=client_credentials", 400, "invalid_client"),
        (Some(good), "grant_type=password", 400, "unsupported_grant_type"),
        (Some(good), "", 400, "unsupported_grant_type"),
    ] {
        let headers: Vec<(&str, &str)> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        let got = bench.call(Method::POST, "/oauth/token", &headers, form).await.unwrap();
        assert_eq!(got.status, status, "{form}");
        if status == 200 {
            assert_eq!(
                (&got.body["token_type"], &got.body["expires_in"]),
                (&json!("bearer"), &json!(86_399))
            );
            assert!(!got.body["access_token"].as_str().unwrap().is_empty());
        } else {
            assert_eq!(got.body["error"], error, "{form}");
            assert!(got.body["description"].is_string() && got.body["error_description"].is_string());
        }
    }
    assert_eq!(bench.standins.genesys().stats().tokens, 2);
}

#[tokio::test]
async fn a_message_is_accepted_and_kept_each_time() {
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    let mut body = open_text(GUID, "610000000000000001", "สวัสดี 🙏");
    body["channel"]["metadata"] = json!({"customAttributes": {"market": "Thailand", "brand": "Retail_Thai"}});
    let first = bench.inbound(&token, &body).await.unwrap();
    assert_eq!(first.status, 202);
    assert!(is_hex32(&first.body["id"]), "{:?}", first.body);
    assert_eq!(first.body["channel"]["id"], INTEGRATION);
    assert_eq!(first.body["text"], "สวัสดี 🙏");
    assert!(!first.header("inin-correlation-id").is_empty());
    assert_eq!((first.header("inin-ratelimit-allowed"), first.header("inin-ratelimit-count")), ("300", "1"));
    assert_eq!(first.header("inin-ratelimit-reset"), "60");

    // The same messageId again: nothing in the contract says that it is dropped.
    let again = bench.inbound(&token, &body).await.unwrap();
    assert_eq!(again.status, 202);
    assert_ne!(again.body["id"], first.body["id"]);
    assert_eq!(again.body["conversationId"], first.body["conversationId"]);
    let other = bench.inbound(&token, &open_text("another", "2", "x")).await.unwrap();
    assert_ne!(other.body["conversationId"], first.body["conversationId"]);

    let ledger = bench.get("/_standins/genesys/received").await;
    assert_eq!(ledger.as_array().unwrap().len(), 3);
    let entry = &ledger[1];
    assert_eq!(entry["conversation"], GUID);
    assert_eq!(entry["text"], "สวัสดี 🙏");
    assert_eq!(entry["message_id"], "610000000000000001");
    assert_eq!(entry["attributes"]["market"], "Thailand");
    assert!(entry["time"].as_u64().unwrap() >= crate::bench::START_MS);
    let page = bench.get("/_standins/genesys/received?after=2").await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert_eq!(page[0]["conversation"], "another");
}

#[tokio::test]
async fn the_conversation_id_is_there_only_when_asked_for() {
    let bench = Bench::start(setup()).await;
    let bearer = format!("bearer {}", bench.token().await);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json; charset=utf-8")];
    let path = format!("/api/v2/conversations/messages/{INTEGRATION}/inbound/open/message");
    for (query, expected) in
        [("", false), ("?prefetchConversationId=false", false), ("?prefetchConversationId=true", true)]
    {
        let url = format!("{path}{query}");
        let body = open_text(GUID, "1", "x").to_string();
        let got = bench.call(Method::POST, &url, &headers, body).await.unwrap();
        assert_eq!(got.body.get("conversationId").is_some(), expected, "{query}");
    }
}

#[tokio::test]
async fn every_refusal_has_the_error_body() {
    let mut setup = setup();
    setup.genesys.max_body = 2_000;
    let bench = Bench::start(setup).await;
    let bearer = format!("Bearer {}", bench.token().await);
    let good = open_text(GUID, "1", "x").to_string();
    let mut dateless = open_text(GUID, "1", "x");
    dateless["channel"].as_object_mut().unwrap().remove("time");
    let mut misdated = open_text(GUID, "1", "x");
    misdated["channel"]["time"] = json!("yesterday");
    let mut wordless = open_text(GUID, "1", "x");
    wordless.as_object_mut().unwrap().remove("text");
    let long = open_text(GUID, "1", &"x".repeat(2_000)).to_string();
    let inbound = format!("/api/v2/conversations/messages/{INTEGRATION}/inbound/open/message");
    let elsewhere =
        "/api/v2/conversations/messages/11111111-1111-4111-8111-111111111111/inbound/open/message";
    let json = "application/json";
    for (method, path, authorization, kind, body, status, code) in [
        (Method::POST, inbound.as_str(), "", json, good.clone(), 401, "authentication.required"),
        (Method::POST, &inbound, "Basic eDp5", json, good.clone(), 401, "authentication.required"),
        (Method::POST, &inbound, "Bearer no-such-token", json, good.clone(), 401, "bad.credentials"),
        (Method::POST, &inbound, &bearer, json, dateless.to_string(), 400, "missing.open.channel.date"),
        (Method::POST, &inbound, &bearer, json, misdated.to_string(), 400, "invalid.date"),
        (Method::POST, &inbound, &bearer, json, wordless.to_string(), 400, "bad.request"),
        (Method::POST, &inbound, &bearer, json, "{".to_owned(), 400, "bad.request"),
        (Method::POST, &inbound, &bearer, json, long, 413, "request.entity.too.large"),
        (Method::POST, &inbound, &bearer, "text/plain", good.clone(), 415, "unsupported.media.type"),
        (Method::GET, &inbound, &bearer, json, String::new(), 405, "method.not.allowed"),
        (Method::POST, elsewhere, &bearer, json, good.clone(), 404, "not.found"),
        (Method::GET, "/api/v2/conversations/messages/none", &bearer, json, String::new(), 404, "not.found"),
        (
            Method::GET,
            "/api/v2/conversations/messages/none/details",
            &bearer,
            json,
            String::new(),
            404,
            "not.found",
        ),
        (
            Method::POST,
            "/api/v2/conversations/messages/none/messages/bulk",
            &bearer,
            json,
            "[]".into(),
            404,
            "not.found",
        ),
        (Method::GET, "/api/v2/ipranges", &bearer, json, String::new(), 404, "not.found"),
    ] {
        let headers: Vec<(&str, &str)> = [("authorization", authorization), ("content-type", kind)]
            .into_iter()
            .filter(|h| !h.1.is_empty())
            .collect();
        let got = bench.call(method, path, &headers, body).await.unwrap();
        assert_eq!((got.status, &got.body["code"]), (status, &json!(code)), "{path}");
        assert_eq!(got.body["status"], status);
        for (field, empty) in [("messageParams", json!({})), ("details", json!([])), ("errors", json!([]))] {
            assert_eq!(got.body[field], empty);
        }
        assert!(got.body["message"].is_string() && got.body["contextId"].is_string());
        assert!(!got.header("inin-correlation-id").is_empty());
    }
    assert!(bench.standins.genesys().received().is_empty());
}

#[tokio::test]
async fn a_token_ends_with_its_life_and_when_revoked() {
    let hand = Hand::new();
    let mut setup = setup();
    setup.genesys.token_life = Duration::from_secs(300);
    let bench = Bench::with_clock(setup, hand.clock()).await;
    let token = bench.token().await;
    for (wait_ms, status) in [(0, 202), (299_999, 202), (1, 401)] {
        hand.turn(wait_ms);
        let got = bench.inbound(&token, &open_text(GUID, "1", "x")).await.unwrap();
        assert_eq!(got.status, status, "{wait_ms}");
        assert!(status == 202 || got.body["code"] == "bad.credentials");
    }
    let token = bench.token().await;
    assert_eq!(bench.inbound(&token, &open_text(GUID, "1", "x")).await.unwrap().status, 202);
    assert_eq!(bench.control("/_standins/genesys/revoke", json!({})).await.status, 200);
    assert_eq!(bench.inbound(&token, &open_text(GUID, "1", "x")).await.unwrap().status, 401);
    let token = bench.token().await;
    assert_eq!(bench.inbound(&token, &open_text(GUID, "1", "x")).await.unwrap().status, 202);
}

#[tokio::test]
async fn the_real_limit_is_exact_and_says_when_to_come_again() {
    let hand = Hand::new();
    let bench = Bench::with_clock(setup(), hand.clock()).await;
    let token = bench.token().await;
    // 300 calls, 100 ms apart: the last comes at 29,900 ms.
    for count in 1..=300 {
        let got = bench.inbound(&token, &open_text(GUID, "n", "x")).await.unwrap();
        assert_eq!((got.status, got.header("inin-ratelimit-count")), (202, count.to_string().as_str()));
        hand.turn(100);
    }
    for (wait_ms, status, retry_after) in
        [(0, 429, "30"), (29_999, 429, "1"), (1, 202, ""), (0, 429, "1"), (100, 202, "")]
    {
        hand.turn(wait_ms);
        let got = bench.inbound(&token, &open_text(GUID, "n", "x")).await.unwrap();
        assert_eq!((got.status, got.header("retry-after")), (status, retry_after), "{wait_ms}");
        if status == 429 {
            assert_eq!(got.body["code"], "too.many.requests.retry.after");
            assert_eq!(got.header("inin-ratelimit-reset"), retry_after);
            assert_eq!(got.header("inin-ratelimit-allowed"), "300");
        }
    }
    // Another token has a window of its own.
    let token = bench.token().await;
    assert_eq!(bench.inbound(&token, &open_text(GUID, "n", "x")).await.unwrap().status, 202);
    let stats = bench.get("/_standins/genesys/stats").await;
    assert_eq!(
        (&stats["refused"], &stats["max_in_window"], &stats["limit"]),
        (&json!(3), &json!(303), &json!(300))
    );
    assert_eq!(
        (&stats["accepted"], &stats["by_status"]["202"], &stats["tokens"]),
        (&json!(303), &json!(303), &json!(2))
    );
}

#[tokio::test]
async fn conversations_can_be_read() {
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    let first = bench.inbound(&token, &open_text(GUID, "line-1", "one")).await.unwrap().body;
    let second = bench.inbound(&token, &open_text(GUID, "line-2", "two")).await.unwrap().body;
    let foreign = bench.inbound(&token, &open_text("another", "line-3", "three")).await.unwrap().body;
    let agent =
        AgentMessage { integration: INTEGRATION.into(), to: GUID.into(), text: "yes?".into(), time_ms: None };
    let outbound = bench.standins.genesys().compose(&agent).unwrap();
    let conversation = first["conversationId"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];

    let path = format!("/api/v2/conversations/messages/{conversation}");
    let view = bench.call(Method::GET, &path, &headers, "").await.unwrap().body;
    assert_eq!((&view["id"], &view["selfUri"]), (&json!(conversation), &json!(path)));
    let legs: Vec<(&str, usize)> = view["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["purpose"].as_str().unwrap(), p["messages"].as_array().unwrap().len()))
        .collect();
    assert_eq!(legs, [("customer", 2), ("agent", 1)]);
    assert_eq!(view["participants"][0]["messages"][1]["messageId"], second["id"]);

    // One call for a whole conversation; what belongs to another is not in it.
    let ids = json!([first["id"], second["id"], foreign["id"], "none", outbound.id]).to_string();
    let bulk = bench.call(Method::POST, &format!("{path}/messages/bulk"), &headers, ids).await.unwrap();
    assert_eq!(bulk.status, 200);
    let provider: Vec<&Value> =
        bulk.body["entities"].as_array().unwrap().iter().map(|entity| &entity["providerMessageId"]).collect();
    assert_eq!(provider, [&json!("line-1"), &json!("line-2"), &Value::Null]);
    let bad = bench.call(Method::POST, &format!("{path}/messages/bulk"), &headers, "{}").await.unwrap();
    assert_eq!((bad.status, &bad.body["code"]), (400, &json!("bad.request")));

    let path = format!(
        "/api/v2/conversations/messages/{}/details?useNormalizedMessage=true",
        second["id"].as_str().unwrap()
    );
    let details = bench.call(Method::GET, &path, &headers, "").await.unwrap().body;
    assert_eq!(details["providerMessageId"], "line-2");
    assert_eq!((&details["textBody"], &details["direction"]), (&json!("two"), &json!("inbound")));
    assert_eq!((&details["fromAddress"], &details["toAddress"]), (&json!(GUID), &json!(INTEGRATION)));
    assert_eq!(details["normalizedMessage"]["channel"]["messageId"], "line-2");
    assert_eq!(details["conversationId"], conversation);
}

#[tokio::test]
async fn analytics_shows_a_conversation_after_its_lag_and_only_to_a_query_that_fits() {
    let hand = Hand::new();
    let mut setup = setup();
    setup.genesys.analytics_lag = Duration::from_secs(3);
    let bench = Bench::with_clock(setup, hand.clock()).await;
    let token = bench.token().await;
    let first = bench.inbound(&token, &open_text(GUID, "1", "x")).await.unwrap();
    bench.inbound(&token, &open_text("another", "2", "x")).await.unwrap();
    let bearer = format!("Bearer {token}");
    let ask = async |predicates: Value, interval: &str| {
        let body = json!({
            "interval": interval, "order": "desc", "orderBy": "conversationStart",
            "segmentFilters": [
                {"type": "and", "predicates": [{"dimension": "messageType", "value": "open"}]},
                {"type": "or", "predicates": predicates},
            ],
            "paging": {"pageSize": 25, "pageNumber": 1},
        });
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let path = "/api/v2/analytics/conversations/details/query";
        bench.call(Method::POST, path, &headers, body.to_string()).await.unwrap()
    };
    let day = standins::parse_iso("2026-10-02T00:00:00.000Z").unwrap();
    let start = crate::bench::START_MS;
    let around = format!("{}/{}", standins::iso(start - 1_000), standins::iso(start + 60_000));
    let her = json!([{"dimension": "remote", "value": GUID}, {"dimension": "addressFrom", "value": GUID}]);
    assert_eq!(ask(her.clone(), &around).await.body, json!({}), "it lags");
    hand.turn(3_000);
    let got = ask(her.clone(), &around).await;
    assert_eq!((got.status, &got.body["totalHits"]), (200, &json!(1)));
    let shown = &got.body["conversations"][0];
    assert_eq!(shown["conversationId"], first.body["conversationId"]);
    let session = &shown["participants"][0]["sessions"][0];
    assert_eq!((&session["addressFrom"], &session["addressTo"]), (&json!(GUID), &json!(INTEGRATION)));
    let nobody = json!([{"dimension": "remote", "value": "nobody"}]);
    assert_eq!(ask(nobody, &around).await.body, json!({}));
    let long_ago = format!("{}/{}", standins::iso(day - 9 * 86_400_000), standins::iso(day - 8 * 86_400_000));
    assert_eq!(ask(her.clone(), &long_ago).await.body, json!({}));
    assert_eq!(ask(her.clone(), "yesterday").await.status, 400);
    assert_eq!(ask(json!([{"dimension": "mood", "value": "x"}]), &around).await.status, 400);
}

#[tokio::test]
async fn after_the_end_of_a_conversation_the_next_message_begins_another() {
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    let first = bench.inbound(&token, &open_text(GUID, "1", "x")).await.unwrap().body;
    assert!(bench.standins.genesys().end_conversation(INTEGRATION, GUID));
    assert!(!bench.standins.genesys().end_conversation(INTEGRATION, GUID), "it has ended");
    let second = bench.inbound(&token, &open_text(GUID, "2", "y")).await.unwrap().body;
    assert_ne!(first["conversationId"], second["conversationId"]);
    let bearer = format!("Bearer {token}");
    for (conversation, state) in [(first, "disconnected"), (second, "connected")] {
        let path =
            format!("/api/v2/conversations/messages/{}", conversation["conversationId"].as_str().unwrap());
        let got = bench.call(Method::GET, &path, &[("authorization", &bearer)], "").await.unwrap();
        assert_eq!(got.body["participants"][0]["state"], state);
    }
}
