//! The traffic and the audit against a small bridge that can be made to misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use standins::{Client, DriveSettings, PlanSettings, Report, arrivals, audit, drive, plan, settled, sign};
use tokio::net::TcpListener;

use crate::bench::{
    Bench, GENESYS_SECRET, Hooked, INTEGRATION, LINE_SECRET, LINE_TOKEN, PATIENCE, open_text, push_text,
    quick, serve, setup,
};

/// The hold of the test's bridge.
const HOLD_MS: u64 = 2_000;

/// What the bridge does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Sin {
    None,
    /// Forgets every 40th.
    Loses,
    /// Sends every 40th twice, under another key.
    Doubles,
    /// Sends at once, in the order in which it came.
    Hurries,
    /// Tells one person's message to another every 40th time.
    MixesUp,
}

/// A bridge in the test: verifies, dedupes, waits, sorts, sends. One task a person and direction.
#[derive(Clone)]
struct Bridge {
    client: Client,
    api: String,
    token: String,
    sin: Sin,
    lanes: Arc<Mutex<BTreeMap<String, Lane>>>,
}

#[derive(Default)]
struct Lane {
    held: BTreeMap<(u64, String), String>,
    seen: BTreeSet<String>,
    /// One message of a lane at a time is on its way.
    sending: Arc<tokio::sync::Mutex<()>>,
}

impl Bridge {
    fn take(&self, hooked: &Hooked) -> u16 {
        let body: Value = hooked.json();
        if let Some(signature) = hooked.headers.get("x-line-signature") {
            assert_eq!(*signature, sign::line(LINE_SECRET, &hooked.body));
            for event in body["events"].as_array().unwrap() {
                let user = event["source"]["userId"].as_str().unwrap();
                let text = event["message"]["text"].as_str().unwrap();
                let id = event["webhookEventId"].as_str().unwrap();
                self.hold(&format!("G{user}"), event["timestamp"].as_u64().unwrap(), id, text);
            }
        } else {
            assert_eq!(hooked.headers["x-hub-signature-256"], sign::genesys(GENESYS_SECRET, &hooked.body));
            let guid = body["channel"]["to"]["id"].as_str().unwrap();
            let time = standins::parse_iso(body["channel"]["time"].as_str().unwrap()).unwrap();
            let user = guid.trim_start_matches("guid-");
            self.hold(
                &format!("L{user}"),
                time,
                body["id"].as_str().unwrap(),
                body["text"].as_str().unwrap(),
            );
        }
        200
    }

    fn hold(&self, lane: &str, time: u64, id: &str, text: &str) {
        let mut lanes = self.lanes.lock().unwrap();
        let entry = lanes.entry(lane.to_owned()).or_default();
        if !entry.seen.insert(id.to_owned()) {
            return;
        }
        let place = entry.held.len() as u64;
        let time = if self.sin == Sin::Hurries { place } else { time };
        entry.held.insert((time, id.to_owned()), text.to_owned());
        let (bridge, lane, id) = (self.clone(), lane.to_owned(), id.to_owned());
        tokio::spawn(async move {
            if bridge.sin != Sin::Hurries {
                tokio::time::sleep(Duration::from_millis(HOLD_MS)).await;
            }
            bridge.release(&lane, time, &id).await;
        });
    }

    /// Sends a message and every held one that sorts before it, one after the other.
    async fn release(&self, lane: &str, time: u64, id: &str) {
        let sending = self.lanes.lock().unwrap().get(lane).unwrap().sending.clone();
        let _turn = sending.lock().await;
        loop {
            let due = {
                let mut lanes = self.lanes.lock().unwrap();
                let held = &mut lanes.get_mut(lane).unwrap().held;
                let first = held.keys().next().cloned().filter(|key| *key <= (time, id.to_owned()));
                first.and_then(|key| held.remove(&key))
            };
            let Some(text) = due else { break };
            self.send(lane, &text).await;
        }
    }

    async fn send(&self, lane: &str, text: &str) {
        let number = standins::marked(text).unwrap();
        let odd = number % 40 == 39;
        if odd && self.sin == Sin::Loses {
            return;
        }
        let times = if odd && self.sin == Sin::Doubles { 2 } else { 1 };
        let (way, user) = lane.split_at(1);
        let mixed = if odd && self.sin == Sin::MixesUp { "U99999999999999999999999999999999" } else { user };
        for _ in 0..times {
            let (path, token, body) = if way == "G" {
                let body = open_text(&format!("guid-{mixed}"), &number.to_string(), text);
                (
                    format!("/api/v2/conversations/messages/{INTEGRATION}/inbound/open/message"),
                    self.token.as_str(),
                    body,
                )
            } else {
                ("/v2/bot/message/push".to_owned(), LINE_TOKEN, push_text(mixed, text))
            };
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
            let url = format!("{}{path}", self.api);
            let body = Bytes::from(body.to_string());
            let (status, _, _) =
                self.client.call(Method::POST, &url, &headers, body, PATIENCE).await.unwrap();
            assert!(status == 200 || status == 202, "{status}");
        }
    }
}

/// Runs a plan over a bridge with that fault; the report, and the bench with its ledgers.
async fn run(sin: Sin, messages: u32) -> (Bench, Report) {
    let mut setup = setup();
    setup.genesys.calls_per_minute = 1_000_000;
    setup.line.webhook = quick(2_000, 2, 50);
    let bench = Bench::start(setup).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    bench.standins.line().set_webhook("th", &url);
    bench.standins.genesys().set_webhook(INTEGRATION, &url);
    let bridge = Bridge {
        client: Client::default(),
        api: bench.url.clone(),
        token: bench.token().await,
        sin,
        lanes: Arc::default(),
    };
    serve(listener, move |hooked| {
        let status = bridge.take(&hooked);
        async move { status }
    });
    let settings = PlanSettings {
        messages,
        people: 10,
        rate: 100.0,
        swapped: 0.2,
        first_answer_ms: 2_500,
        ..PlanSettings::default()
    };
    let how =
        DriveSettings { seed: settings.seed, account: "th".into(), in_flight: 64, known_within: PATIENCE };
    let report = drive(&bench.standins, &plan(&settings), how).await;
    let within = if sin == Sin::Loses { Duration::from_secs(3) } else { PATIENCE };
    assert_eq!(settled(&bench.standins, &report.messages, within).await, sin != Sin::Loses);
    (bench, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_bridge_has_a_clean_account() {
    let (bench, report) = run(Sin::None, 600).await;
    assert!(report.never_sent.is_empty());
    assert_eq!(report.messages.len(), 600);
    let result = audit(&report.messages, &arrivals(&bench.standins), HOLD_MS);
    assert!(result.is_clean(), "{result:?}");
    assert!(result.to_line.sent > 50, "{}", result.to_line);
    assert_eq!(result.to_genesys.arrived + result.to_line.arrived, 600);
    assert_eq!(report.tries.keys().collect::<Vec<_>>(), [&200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_bridge_is_found_out() {
    let (lost, doubled, hurried, mixed) = tokio::join!(
        run(Sin::Loses, 500),
        run(Sin::Doubles, 500),
        run(Sin::Hurries, 500),
        run(Sin::MixesUp, 500)
    );
    let judge =
        |(bench, report): &(Bench, Report)| audit(&report.messages, &arrivals(&bench.standins), HOLD_MS);
    let numbers = |every: &[u32]| every.iter().all(|number| number % 40 == 39);
    let both = |account: fn(&standins::Account) -> Vec<u32>, result: &standins::Audit| {
        [account(&result.to_genesys), account(&result.to_line)].concat()
    };
    let result = judge(&lost);
    let found = both(|account| account.lost.clone(), &result);
    assert!(found.len() == 12 && numbers(&found), "{found:?}");
    let result = judge(&doubled);
    let found = both(|account| account.twice.clone(), &result);
    assert!(found.len() == 12 && numbers(&found), "{found:?}");
    let result = judge(&hurried);
    assert!(result.to_genesys.out_of_order.len() > 10, "{}", result.to_genesys);
    let result = judge(&mixed);
    let found = both(|account| account.misdirected.clone(), &result);
    assert!(found.len() >= 11 && numbers(&found), "{found:?}");
    assert!(![lost, doubled, hurried, mixed].iter().any(|one| judge(one).is_clean()));
}

#[tokio::test]
async fn the_ledgers_are_json_arrays_from_the_start() {
    let bench = Bench::start(setup()).await;
    for platform in ["genesys", "line"] {
        assert_eq!(bench.get(&format!("/_standins/{platform}/received")).await, json!([]));
    }
}
