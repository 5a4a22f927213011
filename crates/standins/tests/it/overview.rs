//! The stand-ins as a whole: counts, ledgers, and one message by its platform's id.

use serde_json::json;
use standins::{Seen, Setup};

use crate::bench::{BRIDGES_SECRET, Bench, USER, custom_text, open_text, push_text, setup};

#[tokio::test]
async fn a_message_is_found_by_the_id_that_its_platform_gave_it() {
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    let inbound = bench.inbound(&token, &open_text("g", "1", "สวัสดี")).await.unwrap();
    let push =
        json!({"to": USER, "messages": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
    let pushed = bench.push(None, &push).await.unwrap();

    let id = inbound.body["id"].as_str().unwrap();
    let seen =
        Seen { text: "สวัสดี".into(), event_time: Some(1_790_910_245_678), place: "Genesys" };
    assert_eq!(bench.standins.seen("genesys", id), Some(seen));
    let id = pushed.body["sentMessages"][1]["id"].as_str().unwrap();
    let seen = Seen { text: "b".into(), event_time: None, place: "LINE" };
    assert_eq!(bench.standins.seen("line", id), Some(seen));
    bench.post(BRIDGES_SECRET, "msg_1", &custom_text("visitor-1", "m-1", "ยินดีค่ะ")).await.unwrap();
    let seen = Seen {
        text: "ยินดีค่ะ".into(), event_time: Some(1_790_910_245_678), place: "Custom"
    };
    for id in ["m-1", "msg_1"] {
        assert_eq!(bench.standins.seen("custom", id), Some(seen.clone()), "{id}");
    }
    for (destination, id) in [("genesys", id), ("line", "1"), ("custom", "m-2"), ("pigeon", id)] {
        assert_eq!(bench.standins.seen(destination, id), None, "{destination} {id}");
    }
}

#[tokio::test]
async fn counts_and_ledgers_are_those_of_the_platforms_that_are_set_up() {
    let bench = Bench::start(setup()).await;
    for text in ["a", "b"] {
        bench.push(None, &push_text(USER, text)).await.unwrap();
    }
    bench.post(BRIDGES_SECRET, "msg_1", &custom_text("visitor-1", "m-1", "c")).await.unwrap();
    let closed = json!({
        "type": "session.closed", "timestamp": "2026-10-02T03:04:05.678Z",
        "data": {"id": "s-1", "person": "visitor-1"},
    });
    assert_eq!(bench.post(BRIDGES_SECRET, "msg_2", &closed).await.unwrap().status, 200);
    // The end of a session arrived, but is no message.
    assert_eq!(bench.standins.custom().received().len(), 2);
    assert_eq!(bench.standins.counts(), [("Genesys", 0), ("LINE", 2), ("Custom", 1)]);
    assert_eq!(
        bench.standins.ledgers(),
        ["/_standins/genesys/received", "/_standins/line/received", "/_standins/custom/received"]
    );
    for ledger in bench.standins.ledgers() {
        assert!(bench.get(&ledger).await.is_array());
    }

    let bench = Bench::start(Setup { line: setup().line, ..Setup::default() }).await;
    assert_eq!(bench.standins.counts(), [("LINE", 0)]);
    assert_eq!(bench.standins.ledgers(), ["/_standins/line/received"]);
}

#[tokio::test]
async fn an_account_without_a_token_cannot_be_called() {
    let mut setup = setup();
    setup.line.channels[0].access_token = String::new();
    let bench = Bench::start(setup).await;
    for headers in [&[][..], &[("authorization", "Bearer ")], &[("authorization", "Bearer")]] {
        let got = bench.call(hyper::Method::GET, "/v2/bot/info", headers, "").await.unwrap();
        assert_eq!(got.status, 401, "{headers:?}");
    }
}
