//! LINE's calls by the contract.

use hyper::Method;
use serde_json::json;

use crate::bench::{Bench, Hand, LINE_TOKEN, USER, push_text, setup};

const KEY: &str = "123e4567-e89b-42d3-a456-426614174000";

#[tokio::test]
async fn a_push_is_accepted_once_a_retry_key() {
    let bench = Bench::start(setup()).await;
    let body =
        json!({"to": USER, "messages": [{"type": "text", "text": "ยินดีค่ะ"}, {"type": "text", "text": "2"}]});
    let first = bench.push(Some(KEY), &body).await.unwrap();
    assert_eq!(first.status, 200);
    let sent = first.body["sentMessages"].as_array().unwrap();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|message| message["id"].is_string() && message["quoteToken"].is_string()));
    let request_id = first.header("x-line-request-id");
    assert!(!request_id.is_empty());

    // The same key in other letters is the same key.
    for key in [KEY.to_owned(), KEY.to_uppercase()] {
        let again = bench.push(Some(&key), &body).await.unwrap();
        assert_eq!(again.status, 409);
        assert_eq!(again.body["message"], "The retry key is already accepted");
        assert_eq!(again.body["sentMessages"], first.body["sentMessages"]);
        assert_eq!(again.header("x-line-accepted-request-id"), request_id);
        assert_ne!(again.header("x-line-request-id"), request_id);
    }
    let ledger = bench.get("/_standins/line/received").await;
    assert_eq!(ledger.as_array().unwrap().len(), 2);
    assert_eq!((&ledger[0]["user"], &ledger[0]["text"]), (&json!(USER), &json!("ยินดีค่ะ")));
    assert_eq!((&ledger[0]["message_id"], &ledger[0]["retry_key"]), (&sent[0]["id"], &json!(KEY)));
    assert_eq!((&ledger[1]["part"], &ledger[1]["account"]), (&json!(1), &json!("th")));

    // Without a key every push is sent.
    for _ in 0..2 {
        assert_eq!(bench.push(None, &push_text(USER, "x")).await.unwrap().status, 200);
    }
    let stats = bench.get("/_standins/line/stats").await;
    assert_eq!(
        (&stats["accepted"], &stats["repeated_keys"], &stats["calls"]),
        (&json!(4), &json!(2), &json!(5))
    );
}

#[tokio::test]
async fn a_retry_key_is_remembered_for_a_day() {
    let hand = Hand::new();
    let bench = Bench::with_clock(setup(), hand.clock()).await;
    for (wait_ms, status) in [(0, 200), (86_399_999, 409), (1, 200), (1, 409)] {
        hand.turn(wait_ms);
        assert_eq!(bench.push(Some(KEY), &push_text(USER, "x")).await.unwrap().status, status, "{wait_ms}");
    }
    assert_eq!(bench.standins.line().received().len(), 2);
}

#[tokio::test]
async fn a_refused_push_uses_up_no_key() {
    let bench = Bench::start(setup()).await;
    assert_eq!(bench.push(Some(KEY), &push_text(USER, "")).await.unwrap().status, 400);
    assert_eq!(bench.push(Some(KEY), &push_text(USER, "x")).await.unwrap().status, 200);
}

#[tokio::test]
async fn two_tries_with_one_key_at_once_send_once() {
    let bench = Bench::start(setup()).await;
    let body = push_text(USER, "x");
    let tries: Vec<_> = (0..16).map(|_| bench.push(Some(KEY), &body)).collect();
    let mut statuses = Vec::new();
    for one in futures(tries).await {
        statuses.push(one.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    assert_eq!(bench.standins.line().received().len(), 1);
}

/// Runs futures together on this task.
async fn futures<F: Future>(list: Vec<F>) -> Vec<F::Output> {
    let mut list: Vec<_> = list.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut list {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if list.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    list.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn every_refusal_has_the_error_body() {
    let mut setup = setup();
    setup.line.unknown_people.insert("U22222222222222222222222222222222".into());
    let bench = Bench::start(setup).await;
    let good = push_text(USER, "x").to_string();
    let bearer = format!("Bearer {LINE_TOKEN}");
    let auth = Some(bearer.as_str());
    let push = "/v2/bot/message/push";
    let big = push_text(USER, &"x".repeat(2 << 20)).to_string();
    let nobody = push_text("U22222222222222222222222222222222", "x").to_string();
    for (method, path, authorization, key, body, status, said) in [
        (Method::POST, push, None, None, good.clone(), 401, "Authentication failed due to"),
        (Method::POST, push, Some("Bearer other"), None, good.clone(), 401, "Authentication failed due to"),
        (Method::POST, push, auth, Some("not-a-uuid"), good.clone(), 400, "retry key"),
        (Method::POST, push, auth, Some("123e4567e89b42d3a456426614174000"), good.clone(), 400, "retry key"),
        (
            Method::POST,
            push,
            auth,
            None,
            push_text(USER, "").to_string(),
            400,
            "The request body has 1 error(s)",
        ),
        (Method::POST, push, auth, None, push_text("U1", "x").to_string(), 400, "The property, 'to',"),
        (Method::POST, push, auth, None, "{".into(), 400, "line: 1"),
        (Method::POST, push, auth, None, nobody, 400, "Failed to send messages"),
        (Method::POST, push, auth, None, big, 413, "too large"),
        (Method::GET, push, auth, None, String::new(), 405, "not allowed"),
        (
            Method::GET,
            "/v2/bot/profile/U22222222222222222222222222222222",
            auth,
            None,
            String::new(),
            404,
            "Not found",
        ),
        (Method::GET, "/v2/bot/profile/x", auth, None, String::new(), 404, "Not found"),
        (Method::GET, "/v2/bot/other", auth, None, String::new(), 404, "Not found"),
    ] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        headers.extend(key.map(|value| ("x-line-retry-key", value)));
        let got = bench.call(method, path, &headers, body).await.unwrap();
        assert_eq!(got.status, status, "{path} {said}");
        assert!(got.body["message"].as_str().unwrap().contains(said), "{said}: {}", got.body);
        assert!(!got.header("x-line-request-id").is_empty());
    }
    let empty = bench.push(None, &push_text(USER, "")).await.unwrap().body;
    assert_eq!(empty["details"], json!([{"message": "May not be empty", "property": "messages[0].text"}]));
    assert!(bench.standins.line().received().is_empty());
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let mut setup = setup();
    let body = push_text(USER, "x").to_string();
    setup.line.max_body = body.len();
    let bench = Bench::start(setup).await;
    assert_eq!(bench.push(None, &push_text(USER, "x")).await.unwrap().status, 200);
    assert_eq!(bench.push(None, &push_text(USER, "xy")).await.unwrap().status, 413);
}

#[tokio::test]
async fn both_kinds_of_429() {
    let hand = Hand::new();
    let mut limited = setup();
    limited.line.calls_per_second = 2;
    let bench = Bench::with_clock(limited, hand.clock()).await;
    for (wait_ms, status) in [(0, 200), (400, 200), (599, 429), (1, 200), (399, 429), (1, 200)] {
        hand.turn(wait_ms);
        let got = bench.push(None, &push_text(USER, "x")).await.unwrap();
        assert_eq!(got.status, status, "{wait_ms}");
        if status == 429 {
            assert_eq!(got.body["message"], "The API rate limit has been exceeded. Try again later.");
        }
    }
    assert_eq!(bench.standins.line().stats().refused, 2);

    let mut quota = setup();
    quota.line.quota = Some(1);
    let bench = Bench::start(quota).await;
    assert_eq!(bench.push(None, &push_text(USER, "x")).await.unwrap().status, 200);
    let got = bench.push(Some(KEY), &push_text(USER, "x")).await.unwrap();
    assert_eq!((got.status, &got.body["message"]), (429, &json!("You have reached your monthly limit.")));
    assert_eq!(bench.standins.line().received().len(), 1);
}

#[tokio::test]
async fn info_and_profile() {
    let bench = Bench::start(setup()).await;
    let bearer = format!("Bearer {LINE_TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let info = bench.call(Method::GET, "/v2/bot/info", &headers, "").await.unwrap();
    assert_eq!((info.status, &info.body["userId"]), (200, &json!("U00000000000000000000000000000000")));
    let profile = bench.call(Method::GET, &format!("/v2/bot/profile/{USER}"), &headers, "").await.unwrap();
    assert_eq!((profile.status, &profile.body["userId"]), (200, &json!(USER)));
}
