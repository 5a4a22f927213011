//! The people of the custom channel: what they write, how it is signed, and when it is sent again.

use serde_json::{Value, json};
use standins::custom::{Content, MediaKind};
use standins::standard_webhooks::{Secret, verify};

use crate::bench::{BRIDGES_SECRET, Bench, Hand, Hook, Hooked, PEOPLES_SECRET, START_MS, quick, setup};

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::parse(text).unwrap()).collect()
}

fn is_signed(hooked: &Hooked, now_ms: u64) -> bool {
    verify(&secrets(&[PEOPLES_SECRET]), &hooked.headers, &hooked.body, now_ms).is_ok()
}

#[tokio::test]
async fn everything_that_people_write_has_the_contracts_body() {
    let hook = Hook::start(&[]).await;
    let bench = Bench::with_clock(setup(), Hand::new().clock()).await;
    let custom = bench.standins.custom();
    custom.set_webhook("shop", &hook.url);
    let media = Content::Media {
        kind: MediaKind::Image,
        url: "https://x/y.png".into(),
        name: Some("y.png".into()),
        caption: None,
    };
    let location = Content::Location {
        latitude: Some(13.7),
        longitude: Some(100.5),
        title: Some("Siam".into()),
        address: None,
        url: None,
    };
    let choice = Content::Choice { text: "A".into(), value: Some("a".into()) };
    let webhooks = [
        custom.compose_text("shop", "visitor-1", "สวัสดี").unwrap(),
        custom.compose_message("shop", "visitor-1", media).unwrap(),
        custom.compose_message("shop", "visitor-1", location).unwrap(),
        custom.compose_message("shop", "visitor-1", choice).unwrap(),
        custom.compose_session("shop", "visitor-1", true).unwrap(),
        custom.compose_session("shop", "visitor-1", false).unwrap(),
    ];
    for webhook in &webhooks {
        assert!(custom.deliver(webhook).await.accepted_ms().is_some());
    }
    let arrived = hook.arrived();
    let message = |content: Value| ("message", Some(content));
    let expected = [
        message(json!({"type": "text", "text": "สวัสดี"})),
        message(json!({"type": "media", "kind": "image", "url": "https://x/y.png", "name": "y.png"})),
        message(json!({"type": "location", "latitude": 13.7, "longitude": 100.5, "title": "Siam"})),
        message(json!({"type": "choice", "text": "A", "value": "a"})),
        ("session.opened", None),
        ("session.closed", None),
    ];
    for ((hooked, webhook), (kind, content)) in arrived.iter().zip(&webhooks).zip(expected) {
        assert!(is_signed(hooked, START_MS));
        assert_eq!(hooked.headers["content-type"], "application/json");
        assert_eq!(hooked.headers["webhook-id"], *webhook.id);
        assert!(!webhook.id.contains('.'));
        let body = hooked.json();
        let mut data = json!({"id": body["data"]["id"], "person": "visitor-1"});
        if let Some(content) = content {
            data["content"] = content;
        }
        assert_eq!(body, json!({"type": kind, "timestamp": "2026-09-21T14:13:20.000Z", "data": data}));
    }
    let ids: std::collections::BTreeSet<_> = webhooks.iter().map(|webhook| &webhook.id).collect();
    assert_eq!((arrived.len(), ids.len()), (6, 6));
    assert!(custom.compose_text("nobody", "visitor-1", "x").is_none());
}

#[tokio::test]
async fn a_webhook_is_sent_again_with_its_id_and_signed_at_its_time() {
    // 0 is no answer at all.
    for (script, expected) in [
        (&[503, 429, 0, 500, 202][..], vec![Some(503), Some(429), None, Some(500), Some(202)]),
        (&[400, 202], vec![Some(400)]),
        (&[401, 202], vec![Some(401)]),
        (&[410, 202], vec![Some(410)]),
        (&[500; 9], vec![Some(500); 6]),
    ] {
        let hook = Hook::start(script).await;
        let mut setup = setup();
        setup.custom.webhook = quick(400, 5, 20);
        let bench = Bench::start(setup).await;
        let custom = bench.standins.custom();
        custom.set_webhook("shop", &hook.url);
        let webhook = custom.compose_text("shop", "visitor-1", "x").unwrap();
        let delivery = custom.deliver(&webhook).await;
        let statuses: Vec<Option<u16>> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
        assert_eq!(statuses, expected);
        let arrived = hook.arrived();
        assert_eq!(arrived.len(), expected.len());
        for (hooked, attempt) in arrived.iter().zip(&delivery.attempts) {
            assert_eq!(hooked.body, webhook.body);
            assert_eq!(hooked.headers["webhook-id"], *webhook.id);
            let timestamp = (attempt.sent_ms / 1_000).to_string();
            assert_eq!(hooked.headers["webhook-timestamp"], *timestamp);
            assert!(is_signed(hooked, attempt.sent_ms));
        }
    }
}

#[tokio::test]
async fn the_same_webhook_later_is_signed_for_its_time() {
    let hook = Hook::start(&[]).await;
    let hand = Hand::new();
    let bench = Bench::with_clock(setup(), hand.clock()).await;
    let custom = bench.standins.custom();
    custom.set_webhook("shop", &hook.url);
    let webhook = custom.compose_text("shop", "visitor-1", "x").unwrap();
    custom.deliver(&webhook).await;
    hand.turn(3_600_000);
    custom.deliver(&webhook).await;
    let [first, second] = &hook.arrived()[..] else { panic!("two were sent") };
    assert_eq!((&first.body, &first.headers["webhook-id"]), (&second.body, &second.headers["webhook-id"]));
    let now = START_MS + 3_600_000;
    assert!(is_signed(second, now) && !is_signed(first, now));
}

#[tokio::test]
async fn what_a_bridge_must_refuse_can_be_sent() {
    let hook = Hook::start(&[]).await;
    let bench = Bench::with_clock(setup(), Hand::new().clock()).await;
    let custom = bench.standins.custom();
    custom.set_webhook("shop", &hook.url);
    let good = custom.compose_text("shop", "visitor-1", "x").unwrap();
    for (webhook, is_good) in [
        (good.clone(), true),
        (good.clone().with_id("msg_other"), true),
        (good.clone().signed_with(&[BRIDGES_SECRET]), false),
        (good.clone().signed_with(&[BRIDGES_SECRET, PEOPLES_SECRET]), true),
        (good.clone().signed_with(&[]), false),
        (good.clone().signed_at(START_MS - 300_000), true),
        (good.clone().signed_at(START_MS - 301_000), false),
        (good.clone().signed_at(START_MS + 301_000), false),
    ] {
        custom.deliver(&webhook).await;
        let hooked = hook.arrived().pop().unwrap();
        assert_eq!(is_signed(&hooked, START_MS), is_good, "{webhook:?} {:?}", hooked.headers);
        assert_eq!(hooked.body, good.body);
        assert_eq!(hooked.headers["webhook-id"], *webhook.id);
    }
}

#[tokio::test]
async fn people_can_be_typed_by_hand() {
    let hook = Hook::start(&[]).await;
    let bench = Bench::start(setup()).await;
    bench.standins.custom().set_webhook("shop", &hook.url);
    let location = json!({"type": "location", "latitude": 13.7, "longitude": 100.5});
    for (body, person, content) in [
        (json!({"text": "สวัสดี"}), "somebody", json!({"type": "text", "text": "สวัสดี"})),
        (json!({"account": "shop", "person": "p", "content": location}), "p", location.clone()),
    ] {
        let got = bench.control("/_standins/custom/send", body).await;
        assert_eq!((got.status, &got.body["attempts"][0]["status"]), (200, &json!(200)));
        let hooked = hook.arrived().pop().unwrap();
        assert_eq!(hooked.headers["webhook-id"], *got.body["id"].as_str().unwrap());
        assert_eq!(
            (&hooked.json()["data"]["person"], &hooked.json()["data"]["content"]),
            (&json!(person), &content)
        );
    }
    for (body, status) in [
        (json!({}), 400),
        (json!({"text": "x", "content": location}), 400),
        (json!({"content": {"type": "sticker"}}), 400),
        (json!({"account": "nobody", "text": "x"}), 404),
    ] {
        assert_eq!(bench.control("/_standins/custom/send", body.clone()).await.status, status, "{body}");
    }
}
