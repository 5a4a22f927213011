//! The traffic and the audit against a small bridge that can be made to misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use standins::{
    Client, DriveSettings, EndpointPeer, PlanSettings, Report, Setup, WebhookPeer, arrivals, audit, drive,
    plan, settled, sign, user_id,
};
use tokio::net::TcpListener;

use crate::bench::{
    Bench, GENESYS_SECRET, Hooked, LINE_SECRET, PATIENCE, open_text, push_text, quick, serve, setup,
};

/// The hold of the test's bridge.
const HOLD_MS: u64 = 2_000;

/// The seed of the plan.
const SEED: u64 = 1;

/// An account, and the integration over which its people reach an agent.
struct Route {
    account: &'static str,
    token: &'static str,
    integration: &'static str,
}

const ROUTES: [Route; 2] = [
    Route { account: "th", token: "token-th", integration: "a2171742-7359-41cf-aa68-ad5049250801" },
    Route { account: "jp", token: "token-jp", integration: "a2171742-7359-41cf-aa68-ad5049250802" },
];

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
    /// Sends one person's message to another every 40th time.
    MixesUp,
}

/// A bridge in the test: verifies, dedupes, waits, sorts, sends. One task a person and direction.
#[derive(Clone)]
struct Bridge {
    client: Client,
    api: String,
    token: String,
    sin: Sin,
    lanes: Arc<Mutex<BTreeMap<LaneKey, Lane>>>,
}

/// Which way, over which of the routes, and who.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LaneKey {
    inbound: bool,
    route: usize,
    user: String,
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
        let name = hooked.path.rsplit('/').next().unwrap();
        let route =
            ROUTES.iter().position(|route| [route.account, route.integration].contains(&name)).unwrap();
        if hooked.path.starts_with("/webhooks/line/") {
            assert_eq!(hooked.headers["x-line-signature"], sign::line(LINE_SECRET, &hooked.body));
            for event in body["events"].as_array().unwrap() {
                let user = event["source"]["userId"].as_str().unwrap().to_owned();
                let text = event["message"]["text"].as_str().unwrap();
                let id = event["webhookEventId"].as_str().unwrap();
                let lane = LaneKey { inbound: true, route, user };
                self.hold(&lane, event["timestamp"].as_u64().unwrap(), id, text);
            }
        } else {
            assert_eq!(hooked.headers["x-hub-signature-256"], sign::genesys(GENESYS_SECRET, &hooked.body));
            let guid = body["channel"]["to"]["id"].as_str().unwrap();
            let time = standins::parse_iso(body["channel"]["time"].as_str().unwrap()).unwrap();
            let user = guid.trim_start_matches("guid-").to_owned();
            let lane = LaneKey { inbound: false, route, user };
            self.hold(&lane, time, body["id"].as_str().unwrap(), body["text"].as_str().unwrap());
        }
        200
    }

    fn hold(&self, lane: &LaneKey, time: u64, id: &str, text: &str) {
        let mut lanes = self.lanes.lock().unwrap();
        let entry = lanes.entry(lane.clone()).or_default();
        if !entry.seen.insert(id.to_owned()) {
            return;
        }
        let place = entry.held.len() as u64;
        let time = if self.sin == Sin::Hurries { place } else { time };
        entry.held.insert((time, id.to_owned()), text.to_owned());
        let (bridge, lane, id) = (self.clone(), lane.clone(), id.to_owned());
        tokio::spawn(async move {
            if bridge.sin != Sin::Hurries {
                tokio::time::sleep(Duration::from_millis(HOLD_MS)).await;
            }
            bridge.release(&lane, time, &id).await;
        });
    }

    /// Sends a message and every held one that sorts before it, one after the other.
    async fn release(&self, lane: &LaneKey, time: u64, id: &str) {
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

    async fn send(&self, lane: &LaneKey, text: &str) {
        let number = standins::marked(text).unwrap();
        let odd = number % 40 == 39;
        if odd && self.sin == Sin::Loses {
            return;
        }
        let times = if odd && self.sin == Sin::Doubles { 2 } else { 1 };
        let route = &ROUTES[lane.route];
        let mixed = odd && self.sin == Sin::MixesUp;
        let user = if mixed { "U99999999999999999999999999999999" } else { &lane.user };
        for _ in 0..times {
            let (path, token, body) = if lane.inbound {
                let body = open_text(&format!("guid-{user}"), &number.to_string(), text);
                let integration = route.integration;
                let path = format!("/api/v2/conversations/messages/{integration}/inbound/open/message");
                (path, self.token.as_str(), body)
            } else {
                ("/v2/bot/message/push".to_owned(), route.token, push_text(user, text))
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

/// The stand-ins of the routes, whose webhooks go to the bridge.
fn routed(bridge: &str) -> Setup {
    let webhook = |platform: &str, name: &str, secret: &str| WebhookPeer {
        platform: platform.into(),
        name: name.into(),
        secrets: vec![secret.into()],
    };
    let endpoint = |platform: &str, name: &str, secret: &str| EndpointPeer {
        platform: platform.into(),
        name: name.into(),
        id: "client".into(),
        secrets: vec![secret.into()],
        calls: 1_000_000,
    };
    let (mut webhooks, mut endpoints) = (Vec::new(), vec![endpoint("genesys", "main", "s+e cret")]);
    for route in &ROUTES {
        webhooks.push(webhook("line", route.account, LINE_SECRET));
        webhooks.push(webhook("genesys", route.integration, GENESYS_SECRET));
        endpoints.push(endpoint("line", route.account, route.token));
    }
    Setup::of(&webhooks, &endpoints, bridge)
}

/// Runs a plan over a bridge with that fault; the report, and the bench with its ledgers.
async fn run(sin: Sin, messages: u32) -> (Bench, Report) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut setup = routed(&format!("http://{}", listener.local_addr().unwrap()));
    setup.line.webhook = quick(2_000, 2, 50);
    let bench = Bench::start(setup).await;
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
        seed: SEED,
        messages,
        people: 10,
        rate: 100.0,
        swapped: 0.2,
        first_answer_ms: 2_500,
        ..PlanSettings::default()
    };
    let how = DriveSettings { seed: SEED, in_flight: 64, known_within: PATIENCE };
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
    assert!(result.outbound.sent > 50, "{}", result.outbound);
    assert_eq!(result.inbound.arrived + result.outbound.arrived, 600);
    assert_eq!(report.tries.keys().collect::<Vec<_>>(), [&200]);

    // People are spread over the accounts in turn, and are answered on the account that they wrote to.
    let accounts: BTreeMap<String, &str> =
        (0..10).map(|person| (user_id(SEED, person), ROUTES[person as usize % 2].account)).collect();
    let pushed = bench.standins.line().received().after(0);
    assert!(pushed.iter().all(|entry| accounts[&entry.user] == entry.account));
    for route in &ROUTES {
        assert!(pushed.iter().any(|entry| entry.account == route.account), "{}", route.account);
        let received = bench.standins.genesys().received().after(0);
        let over = received.iter().filter(|entry| entry.integration == route.integration);
        let users: BTreeSet<&str> =
            over.map(|entry| entry.conversation.trim_start_matches("guid-")).collect();
        assert_eq!(users.len(), 5);
        assert!(users.iter().all(|user| accounts[*user] == route.account));
    }
}

#[tokio::test]
async fn nobody_writes_where_there_is_no_account() {
    let bench = Bench::start(Setup::default()).await;
    let settings = PlanSettings { messages: 3, people: 3, ..PlanSettings::default() };
    let how = DriveSettings { seed: SEED, in_flight: 1, known_within: PATIENCE };
    let report = drive(&bench.standins, &plan(&settings), how).await;
    assert_eq!((report.messages.len(), report.never_sent), (0, vec![0, 1, 2]));
    assert!(bench.standins.sample("http://ingress", 0).is_empty());
    assert!(bench.standins.counts().is_empty() && bench.standins.ledgers().is_empty());
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
        [account(&result.inbound), account(&result.outbound)].concat()
    };
    let result = judge(&lost);
    let found = both(|account| account.lost.clone(), &result);
    assert!(found.len() == 12 && numbers(&found), "{found:?}");
    let result = judge(&doubled);
    let found = both(|account| account.twice.clone(), &result);
    assert!(found.len() == 12 && numbers(&found), "{found:?}");
    let result = judge(&hurried);
    assert!(result.inbound.out_of_order.len() > 10, "{}", result.inbound);
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
