//! Faults that are switched on over HTTP.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use standins::{Client, Clock, Fault, Kind, NoAnswer, Standins};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::bench::{Bench, PATIENCE, START_MS, USER, open_text, push_text, setup};

const KEY: &str = "123e4567-e89b-42d3-a456-426614174000";

#[tokio::test]
async fn a_reset_after_the_work_leaves_the_work_done() {
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    for platform in ["genesys", "line"] {
        let set = bench
            .control(&format!("/_standins/{platform}/faults"), json!([{"kind": "reset_after", "next": 1}]))
            .await;
        assert_eq!((set.status, &set.body["faults"]), (200, &json!(1)));
    }
    let cut = bench.inbound(&token, &open_text("g", "1", "x")).await;
    assert_eq!(cut.unwrap_err(), NoAnswer::Connection);
    assert_eq!(bench.standins.genesys().received().len(), 1);
    assert_eq!(bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap().status, 202);
    assert_eq!(bench.standins.genesys().received().len(), 2, "Genesys does not dedupe");
    assert_eq!(bench.standins.genesys().cut_answers(), ["1"]);

    let cut = bench.push(Some(KEY), &push_text(USER, "x")).await;
    assert_eq!(cut.unwrap_err(), NoAnswer::Connection);
    assert_eq!(bench.standins.line().received().len(), 1);
    assert_eq!(bench.push(Some(KEY), &push_text(USER, "x")).await.unwrap().status, 409);
    assert_eq!(bench.standins.line().received().len(), 1);
    let shown = bench.get("/_standins/line/faults").await;
    assert_eq!(
        (&shown[0]["kind"], &shown[0]["hits"], &shown[0]["seen"]),
        (&json!("reset_after"), &json!(1), &json!(2))
    );
}

#[tokio::test]
async fn a_reset_before_the_work_leaves_nothing_done() {
    let bench = Bench::start(setup()).await;
    bench.standins.line().set_faults(vec![Fault::next(1, "/push", Kind::ResetBefore)]);
    let cut = bench.push(Some(KEY), &push_text(USER, "x")).await;
    assert_eq!(cut.unwrap_err(), NoAnswer::Connection);
    assert!(bench.standins.line().received().is_empty());
    assert_eq!(bench.push(Some(KEY), &push_text(USER, "x")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_status_is_answered_in_the_platforms_own_words() {
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    let faults = json!([
        {"kind": "status", "status": 429, "retry_after": 2, "path": "/inbound/", "next": 1},
        {"kind": "status", "status": 500, "path": "/oauth/", "next": 1}
    ]);
    assert_eq!(bench.control("/_standins/genesys/faults", faults).await.status, 200);
    let got = bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap();
    assert_eq!((got.status, got.header("retry-after")), (429, "2"));
    assert_eq!(got.body["code"], "too.many.requests");
    let got = bench.call(hyper::Method::POST, "/oauth/token", &[], "").await.unwrap();
    assert_eq!((got.status, &got.body["code"]), (500, &json!("internal.server.error")));
    assert!(bench.standins.genesys().received().is_empty());
    assert_eq!(bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap().status, 202);

    let quota = json!([{"kind": "status", "status": 429, "message": "You have reached your monthly limit."},
                       {"kind": "status", "status": 401, "path": "/info"}]);
    assert_eq!(bench.control("/_standins/line/faults", quota).await.status, 200);
    let got = bench.push(None, &push_text(USER, "x")).await.unwrap();
    assert_eq!((got.status, &got.body["message"]), (429, &json!("You have reached your monthly limit.")));
    let got = bench.call(hyper::Method::GET, "/v2/bot/info", &[], "").await.unwrap();
    assert_eq!(got.status, 401);
    assert_eq!(bench.control("/_standins/line/faults", json!([])).await.status, 200);
    assert_eq!(bench.push(None, &push_text(USER, "x")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_delay_holds_the_answer_and_the_work_is_done_without_the_caller() {
    let bench = Bench::start(setup()).await;
    bench.standins.line().set_faults(vec![Fault::next(1, "/push", Kind::DelayMs { ms: 120 })]);
    let begun = Instant::now();
    assert_eq!(bench.push(None, &push_text(USER, "x")).await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(120));

    // The caller gives up; the platform has the message all the same.
    let delay = Kind::DelayMs { ms: 300 };
    bench.standins.line().set_faults(vec![Fault::next(1, "/push", delay)]);
    assert!(timeout(Duration::from_millis(100), bench.push(Some(KEY), &push_text(USER, "y"))).await.is_err());
    let entries = timeout(PATIENCE, bench.standins.line().received().beyond(1)).await.unwrap();
    assert_eq!(entries[0].text, "y");
    bench.standins.line().set_faults(vec![Fault::next(1, "/push", Kind::DelayAfterMs { ms: 60_000 })]);
    let slow = timeout(Duration::from_millis(100), bench.push(None, &push_text(USER, "z"))).await;
    assert!(slow.is_err());
    assert_eq!(timeout(PATIENCE, bench.standins.line().received().beyond(2)).await.unwrap()[0].text, "z");
}

#[tokio::test]
async fn what_is_not_a_list_of_faults_changes_nothing() {
    let bench = Bench::start(setup()).await;
    bench.standins.line().set_faults(vec![Fault::next(1, "/push", Kind::ResetBefore)]);
    for body in [json!({}), json!([{"kind": "fire"}]), json!([{"next": 1}])] {
        assert_eq!(bench.control("/_standins/line/faults", body).await.status, 400);
    }
    assert_eq!(bench.get("/_standins/line/faults").await.as_array().unwrap().len(), 1);
    let got = bench.call(hyper::Method::GET, "/_standins/nothing", &[], "").await.unwrap();
    assert_eq!(got.status, 404);
    let got = bench.call(hyper::Method::GET, "/elsewhere", &[], "").await.unwrap();
    assert_eq!(got.status, 404);
}

#[tokio::test]
async fn the_server_ends_with_idle_connections_and_with_a_call_that_a_fault_holds() {
    let standins = Standins::new(setup(), Clock::starting_at(START_MS));
    for held in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/_standins/line/stats", listener.local_addr().unwrap());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(standins.clone().serve(listener, async {
            let _ = ended.await;
        }));
        // The client keeps its connection open.
        let client = Client::default();
        client.call(hyper::Method::GET, &url, &[], Bytes::new(), PATIENCE).await.unwrap();
        let mut calls = tokio::task::JoinSet::new();
        if held {
            standins.line().set_faults(vec![Fault::next(1, "/push", Kind::DelayMs { ms: 600_000 })]);
            let url = url.replace("/_standins/line/stats", "/v2/bot/message/push");
            let client = client.clone();
            calls.spawn(async move {
                client.call(hyper::Method::POST, &url, &[], Bytes::new(), PATIENCE).await.is_ok()
            });
            let deadline = Instant::now() + PATIENCE;
            while standins.line().faults_hit() == 0 {
                assert!(Instant::now() < deadline, "the call never came");
                tokio::task::yield_now().await;
            }
        }
        drop(end);
        timeout(Duration::from_secs(5), served).await.expect("ends in time").unwrap().unwrap();
    }
}
