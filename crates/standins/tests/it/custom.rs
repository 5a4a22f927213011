//! The custom channel's endpoint by the contract.

use std::time::Duration;

use hyper::Method;
use serde_json::json;
use standins::{CustomAccount, Fault, Kind, NoAnswer};

use crate::bench::{BRIDGES_SECRET, Bench, Hand, PEOPLES_SECRET, START_MS, custom_text, setup};

const OLDER_SECRET: &str = "whsec_/////////////////////////////////////////w==";

#[tokio::test]
async fn a_message_is_accepted_once_a_webhook_id() {
    let mut setup = setup();
    setup.custom.accounts[0].endpoint_secrets.push(OLDER_SECRET.into());
    let bench = Bench::start(setup).await;
    let body = custom_text("visitor-1", "m-1", "ยินดีค่ะ");
    // Again, and again with the secret that is being replaced.
    for secret in [BRIDGES_SECRET, BRIDGES_SECRET, OLDER_SECRET] {
        let got = bench.post(secret, "msg_1", &body).await.unwrap();
        assert_eq!((got.status, got.body), (200, json!({})));
    }
    let ledger = bench.get("/_standins/custom/received").await;
    assert_eq!(
        ledger,
        json!([{
            "seq": 1, "account": "shop", "person": "visitor-1", "text": "ยินดีค่ะ", "webhook_id": "msg_1", "event": body,
            "secret": 0, "time": ledger[0]["time"],
        }])
    );
    assert!(ledger[0]["time"].as_u64().unwrap() >= START_MS);
    // Another id is another message, whatever it says; this one is signed with the second secret.
    assert_eq!(bench.post(OLDER_SECRET, "msg_2", &body).await.unwrap().status, 200);
    assert_eq!(bench.standins.custom().received().after(1)[0].secret, 1);
    let stats = bench.get("/_standins/custom/stats").await;
    assert_eq!(
        (&stats["accepted"], &stats["repeated"], &stats["calls"], &stats["by_status"]),
        (&json!(2), &json!(2), &json!(4), &json!({"200": 4}))
    );
}

#[tokio::test]
async fn two_tries_with_one_id_at_once_are_one_message() {
    let bench = Bench::start(setup()).await;
    let body = custom_text("visitor-1", "m-1", "x");
    let (one, other) =
        tokio::join!(bench.post(BRIDGES_SECRET, "msg_1", &body), bench.post(BRIDGES_SECRET, "msg_1", &body));
    assert_eq!((one.unwrap().status, other.unwrap().status), (200, 200));
    assert_eq!(bench.standins.custom().received().len(), 1);
    assert_eq!(bench.standins.custom().stats().repeated, 1);
}

#[tokio::test]
async fn every_refusal_says_why_and_keeps_nothing() {
    let mut setup = setup();
    setup.custom.max_body = 1_000;
    setup.custom.gone_people.insert("gone".into());
    setup.custom.gone_accounts.insert("closed".into());
    let account = |name: &str, secrets: &[&str]| CustomAccount {
        account: name.into(),
        endpoint_secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        ..CustomAccount::default()
    };
    setup.custom.accounts.push(account("closed", &[BRIDGES_SECRET]));
    setup.custom.accounts.push(account("deaf", &[]));
    let hand = Hand::new();
    let bench = Bench::with_clock(setup, hand.clock()).await;
    let signed = |secret: &str, body: &str, at_ms: u64| {
        let secret = standins::standard_webhooks::Secret::parse(secret).unwrap();
        standins::standard_webhooks::headers(&[secret], "msg_1", body.as_bytes(), at_ms)
    };
    let good = custom_text("visitor-1", "m-1", "x").to_string();
    let gone = custom_text("gone", "m-1", "x").to_string();
    let long = custom_text("visitor-1", "m-1", &"x".repeat(1_000)).to_string();
    let choice = good.replace(r#""type":"text""#, r#""type":"choice""#);
    let (post, get, json) = (Method::POST, Method::GET, "application/json");
    let here = "/custom/shop/messages";
    for (method, path, kind, secret, body, at_ms, status, message) in [
        (&get, here, json, BRIDGES_SECRET, &good, START_MS, 405, "method"),
        (&post, "/custom/nobody/messages", json, BRIDGES_SECRET, &good, START_MS, 404, "no such account"),
        (&post, "/custom/shop", json, BRIDGES_SECRET, &good, START_MS, 404, "no such account"),
        (&post, here, json, PEOPLES_SECRET, &good, START_MS, 401, "no signature"),
        (&post, here, json, BRIDGES_SECRET, &good, START_MS - 301_000, 401, "five minutes"),
        (&post, here, json, BRIDGES_SECRET, &good, START_MS + 301_000, 401, "five minutes"),
        (&post, "/custom/deaf/messages", json, BRIDGES_SECRET, &good, START_MS, 401, "no signature"),
        (&post, "/custom/closed/messages", json, BRIDGES_SECRET, &good, START_MS, 410, "account is gone"),
        (&post, here, json, BRIDGES_SECRET, &gone, START_MS, 410, "person is gone"),
        (&post, here, json, BRIDGES_SECRET, &long, START_MS, 413, "too large"),
        (&post, here, "text/plain", BRIDGES_SECRET, &good, START_MS, 415, "application/json"),
        (&post, here, json, BRIDGES_SECRET, &"{".to_owned(), START_MS, 400, "EOF"),
        (&post, here, json, BRIDGES_SECRET, &choice, START_MS, 400, "people only"),
    ] {
        let signed = signed(secret, body, at_ms);
        let mut headers = vec![("content-type", kind)];
        headers.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
        let got = bench.call(method.clone(), path, &headers, body.clone()).await.unwrap();
        assert_eq!(got.status, status, "{path} {message}: {}", got.body);
        assert!(got.body["message"].as_str().unwrap().contains(message), "{}", got.body);
    }
    // A body that was changed on the way, and one without any signature.
    let headers = signed(BRIDGES_SECRET, &good, START_MS);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let changed = good.replace("visitor-1", "visitor-2");
    assert_eq!(bench.call(post.clone(), here, &headers, changed).await.unwrap().status, 401);
    assert_eq!(bench.call(post, here, &[("content-type", json)], good).await.unwrap().status, 401);
    assert!(bench.standins.custom().received().is_empty());

    // What was refused under an id has not used it up.
    let body = custom_text("visitor-1", "m-1", "x");
    assert_eq!(bench.post(BRIDGES_SECRET, "msg_1", &body).await.unwrap().status, 200);
    assert_eq!(bench.standins.custom().received().len(), 1);
}

#[tokio::test]
async fn the_limit_says_when_to_come_again() {
    let mut setup = setup();
    setup.custom.calls_per_second = 2;
    let hand = Hand::new();
    let bench = Bench::with_clock(setup, hand.clock()).await;
    let post = async |id: &str| {
        let got = bench.post(BRIDGES_SECRET, id, &custom_text("visitor-1", id, "x")).await.unwrap();
        (got.status, got.header("retry-after").to_owned())
    };
    let passed = (200, String::new());
    let refused = (429, "1".to_owned());
    assert_eq!(post("msg_1").await, passed);
    hand.turn(400);
    assert_eq!(post("msg_2").await, passed);
    assert_eq!(post("msg_3").await, refused);
    hand.turn(599);
    assert_eq!(post("msg_3").await, refused);
    hand.turn(1);
    assert_eq!(post("msg_3").await, passed);
    assert_eq!(post("msg_4").await, refused);
    // Without a signature a call takes no place.
    let headers = [("content-type", "application/json")];
    bench.call(Method::POST, "/custom/shop/messages", &headers, "{}").await.unwrap();
    let stats = bench.standins.custom().stats();
    assert_eq!((stats.refused, stats.limit, stats.window_ms, stats.accepted), (3, 2, 1_000, 3));
    assert_eq!(stats.max_in_window, 5);
}

#[tokio::test]
async fn faults_fail_delay_and_cut() {
    let bench = Bench::start(setup()).await;
    let custom = bench.standins.custom();
    let post = async |id: &str| bench.post(BRIDGES_SECRET, id, &custom_text("visitor-1", id, "x")).await;

    let faults =
        json!([{"kind": "status", "status": 429, "retry_after": 7, "path": "/custom/shop", "next": 1}]);
    assert_eq!(bench.control("/_standins/custom/faults", faults).await.status, 200);
    let got = post("msg_1").await.unwrap();
    assert_eq!((got.status, got.header("retry-after")), (429, "7"));
    assert!(custom.received().is_empty());
    assert_eq!(bench.get("/_standins/custom/faults").await[0]["hits"], 1);

    for (status, message) in [(500, None), (410, Some("moved out")), (503, None)] {
        let kind = Kind::Status { status, retry_after: None, message: message.map(str::to_owned) };
        custom.set_faults(vec![Fault::next(1, "/messages", kind)]);
        let got = post("msg_1").await.unwrap();
        assert_eq!((got.status, got.header("retry-after")), (status, ""));
        assert!(message.is_none_or(|message| got.body["message"] == message), "{}", got.body);
        assert_eq!(custom.faults_hit(), 1);
    }
    custom.set_faults(vec![Fault::next(1, "/messages", Kind::ResetBefore)]);
    assert_eq!(post("msg_1").await.unwrap_err(), NoAnswer::Connection);
    assert!(custom.received().is_empty());
    // The work is done, the answer is lost: the next try is the one that is repeated.
    custom.set_faults(vec![Fault::next(1, "/messages", Kind::ResetAfter)]);
    assert_eq!(post("msg_1").await.unwrap_err(), NoAnswer::Connection);
    assert_eq!(post("msg_1").await.unwrap().status, 200);
    assert_eq!((custom.received().len(), custom.stats().repeated), (1, 1));

    custom.set_faults(vec![Fault::next(1, "/messages", Kind::DelayMs { ms: 120 })]);
    let begun = tokio::time::Instant::now();
    assert_eq!(post("msg_2").await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(120));
}
