//! The webhook senders: signatures, bodies, time-outs, retries and redelivery.

use std::time::Duration;

use serde_json::json;
use standins::{AgentMessage, UnknownPerson, redelivered, sign, text_event};

use crate::bench::{
    Bench, GENESYS_SECRET, Hook, INTEGRATION, LINE_SECRET, START_MS, USER, open_text, quick, setup,
};

const EVENT_ID: &str = "01FZ74A0TDDPYRVKNK77XKC3ZR";

fn agent(to: &str) -> AgentMessage {
    AgentMessage {
        integration: INTEGRATION.into(), to: to.into(), text: "ยินดีค่ะ".into(), time_ms: None
    }
}

#[tokio::test]
async fn an_agents_message_has_the_contracts_body_and_signature() {
    let hook = Hook::start(&[]).await;
    let bench = Bench::start(setup()).await;
    let genesys = bench.standins.genesys();
    genesys.set_webhook(INTEGRATION, &hook.url);
    assert_eq!(genesys.compose(&agent("g")).unwrap_err(), UnknownPerson);
    let token = bench.token().await;
    let inbound = bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap();
    let outbound = genesys.compose(&AgentMessage { time_ms: Some(START_MS), ..agent("g") }).unwrap();
    for _ in 0..2 {
        assert!(genesys.deliver(&outbound).await.accepted_ms().is_some());
    }
    let arrived = hook.arrived();
    assert_eq!(arrived[0].body, arrived[1].body, "a second delivery is the same bytes");
    assert_eq!(arrived[0].headers["x-hub-signature-256"], sign::genesys(GENESYS_SECRET, &arrived[0].body));
    assert_eq!(arrived[0].headers["x-bridge"], "line-th");
    assert_eq!(arrived[0].headers["content-type"], "application/json");
    assert_eq!(
        arrived[0].json(),
        json!({
            "id": outbound.id, "type": "Text", "text": "ยินดีค่ะ", "originatingEntity": "Human", "direction": "Outbound",
            "conversationId": inbound.body["conversationId"],
            "channel": {
                "id": INTEGRATION, "platform": "Open", "type": "Private", "messageId": outbound.id,
                "time": "2026-09-21T14:13:20.000Z", "to": {"id": "g", "idType": "Opaque"},
                "from": {"nickname": "LINE TH", "id": INTEGRATION, "idType": "Opaque"}
            }
        })
    );
}

#[tokio::test]
async fn the_conversation_id_can_be_left_out() {
    let mut setup = setup();
    setup.genesys.conversation_id_in_webhooks = false;
    let bench = Bench::start(setup).await;
    let token = bench.token().await;
    bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap();
    let outbound = bench.standins.genesys().compose(&agent("g")).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&outbound.body).unwrap();
    assert_eq!(body.get("conversationId"), None);
}

#[tokio::test]
async fn genesys_tries_again_after_429_5xx_and_a_time_out_only() {
    // 0 is no answer at all.
    for (script, expected) in [
        (&[503, 429, 0, 500, 200][..], vec![Some(503), Some(429), None, Some(500), Some(200)]),
        (&[400, 200], vec![Some(400)]),
        (&[401, 200], vec![Some(401)]),
        (&[500; 9], vec![Some(500); 6]),
    ] {
        let hook = Hook::start(script).await;
        let mut setup = setup();
        setup.genesys.webhook = quick(400, 5, 20);
        let bench = Bench::start(setup).await;
        let token = bench.token().await;
        bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap();
        let genesys = bench.standins.genesys();
        genesys.set_webhook(INTEGRATION, &hook.url);
        let delivery = genesys.deliver(&genesys.compose(&agent("g")).unwrap()).await;
        let statuses: Vec<Option<u16>> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
        assert_eq!(statuses, expected);
        assert_eq!(delivery.accepted_ms().is_some(), expected.last() == Some(&Some(200)));
        let arrived = hook.arrived();
        assert_eq!(arrived.len(), expected.len());
        assert!(arrived.windows(2).all(|two| two[1].at - two[0].at >= Duration::from_millis(20)));
        assert!(arrived.iter().all(|one| one.body == arrived[0].body));
    }
}

/// The contract's own times, on a clock that the test turns: 6 tries, 10 s each, 5 s apart.
#[tokio::test(start_paused = true)]
async fn the_whole_schedule_of_genesys_takes_85_seconds() {
    // A port that accepts and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let bench = Bench::start(setup()).await;
    let token = bench.token().await;
    bench.inbound(&token, &open_text("g", "1", "x")).await.unwrap();
    bench.standins.genesys().set_webhook(INTEGRATION, &url);
    let begun = tokio::time::Instant::now();
    let outbound = bench.standins.genesys().compose(&agent("g")).unwrap();
    let delivery = bench.standins.genesys().deliver(&outbound).await;
    assert_eq!(delivery.attempts.len(), 6);
    assert_eq!(delivery.accepted_ms(), None);
    assert_eq!(begun.elapsed().as_secs(), 85);
}

#[tokio::test]
async fn line_sends_several_events_in_one_signed_body() {
    let hook = Hook::start(&[]).await;
    let bench = Bench::start(setup()).await;
    let line = bench.standins.line();
    line.set_webhook("th", &hook.url);
    let events: Vec<_> =
        (0..3).map(|n| text_event(USER, "สวัสดี", START_MS + n, EVENT_ID, "610000000000000001")).collect();
    let delivery = line.deliver(&line.compose("th", events).unwrap()).await;
    assert!(delivery.accepted_ms().is_some());
    let arrived = &hook.arrived()[0];
    assert_eq!(arrived.headers["x-line-signature"], sign::line(LINE_SECRET, &arrived.body));
    let body = arrived.json();
    assert_eq!(body["destination"], "U00000000000000000000000000000000");
    assert_eq!(body["events"].as_array().unwrap().len(), 3);
    let event = &body["events"][2];
    assert_eq!((&event["type"], &event["timestamp"]), (&json!("message"), &json!(START_MS + 2)));
    assert_eq!(event["source"], json!({"type": "user", "userId": USER}));
    assert_eq!((&event["message"]["text"], &event["webhookEventId"]), (&json!("สวัสดี"), &json!(EVENT_ID)));
    assert!(line.compose("nobody", Vec::new()).is_none());
}

#[tokio::test]
async fn line_redelivers_only_where_it_is_switched_on() {
    for (retries, tries) in [(0, 1), (3, 3)] {
        let hook = Hook::start(&[500, 0]).await;
        let mut setup = setup();
        setup.line.webhook = quick(400, retries, 20);
        let bench = Bench::start(setup).await;
        let line = bench.standins.line();
        line.set_webhook("th", &hook.url);
        let event = text_event(USER, "x", START_MS, EVENT_ID, "1");
        let delivery = line.deliver(&line.compose("th", vec![event.clone()]).unwrap()).await;
        assert_eq!((delivery.attempts.len(), delivery.accepted_ms().is_some()), (tries, retries > 0));
        for (nth, arrived) in hook.arrived().iter().enumerate() {
            assert_eq!(arrived.headers["x-line-signature"], sign::line(LINE_SECRET, &arrived.body));
            let expected = if nth == 0 { event.clone() } else { redelivered(&event) };
            assert_eq!(arrived.json()["events"][0], expected);
            assert_eq!(expected["deliveryContext"]["isRedelivery"], nth > 0);
        }
    }
}

#[tokio::test]
async fn both_sides_can_be_typed_by_hand() {
    let hook = Hook::start(&[]).await;
    let bench = Bench::start(setup()).await;
    bench.standins.line().set_webhook("th", &hook.url);
    bench.standins.genesys().set_webhook(INTEGRATION, &hook.url);
    let said = bench.control("/_standins/line/send", json!({"text": "สวัสดี"})).await;
    assert_eq!((said.status, &said.body["attempts"][0]["status"]), (200, &json!(200)));
    assert_eq!(hook.arrived()[0].json()["events"][0]["message"]["text"], "สวัสดี");

    assert_eq!(bench.control("/_standins/genesys/send", json!({"text": "x"})).await.status, 404);
    let token = bench.token().await;
    bench.inbound(&token, &open_text("g1", "1", "x")).await.unwrap();
    bench.inbound(&token, &open_text("g2", "2", "x")).await.unwrap();
    for (body, to) in [(json!({"text": "a"}), "g2"), (json!({"to": "g1", "text": "b"}), "g1")] {
        assert_eq!(bench.control("/_standins/genesys/send", body).await.status, 200);
        assert_eq!(hook.arrived().last().unwrap().json()["channel"]["to"]["id"], to);
    }
    assert_eq!(bench.control("/_standins/genesys/send", json!({"to": "g9", "text": "b"})).await.status, 404);
    bench.standins.genesys().set_webhook(INTEGRATION, "http://127.0.0.1:9/");
    assert_eq!(bench.control("/_standins/line/send", json!({"words": "b"})).await.status, 400);
}
