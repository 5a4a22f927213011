//! The traffic and the audit against a small bridge that can be made to misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use standins::standard_webhooks::{self, Secret, verify};
use standins::{
    Client, DriveSettings, EndpointPeer, PlanSettings, Report, Setup, Standins, WebhookPeer, arrivals, audit,
    drive, plan, settled, sign, user_id, visitor_id,
};
use tokio::net::TcpListener;

use crate::bench::{
    BRIDGES_SECRET, Bench, GENESYS_SECRET, Hooked, LINE_SECRET, PATIENCE, PEOPLES_SECRET, custom_text,
    open_text, push_text, quick, serve, setup,
};

/// The hold of the test's bridge.
const HOLD_MS: u64 = 2_000;

/// As many on each route.
const PEOPLE: u32 = 12;
/// Somebody else.
const OTHER_USER: &str = "U99999999999999999999999999999999";
/// The seed of the plan.
const SEED: u64 = 1;

/// An account of a channel, what lets the bridge call it, and the integration over which its people reach an agent.
struct Route {
    platform: &'static str,
    account: &'static str,
    secret: &'static str,
    integration: &'static str,
}

const ROUTES: [Route; 3] = [
    Route {
        platform: "line",
        account: "th",
        secret: "token-th",
        integration: "a2171742-7359-41cf-aa68-ad5049250801",
    },
    Route {
        platform: "line",
        account: "jp",
        secret: "token-jp",
        integration: "a2171742-7359-41cf-aa68-ad5049250802",
    },
    Route {
        platform: "custom",
        account: "shop",
        secret: BRIDGES_SECRET,
        integration: "a2171742-7359-41cf-aa68-ad5049250803",
    },
];

/// The id of a person at their channel, and their route.
fn route_of(person: u32) -> (String, &'static Route) {
    let route = &ROUTES[person as usize % ROUTES.len()];
    let id = if route.platform == "line" { user_id(SEED, person) } else { visitor_id(SEED, person) };
    (id, route)
}

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
    standins: Standins,
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
        match hooked.path.split('/').nth(2).unwrap() {
            "line" => {
                assert_eq!(hooked.headers["x-line-signature"], sign::line(LINE_SECRET, &hooked.body));
                for event in body["events"].as_array().unwrap() {
                    let user = event["source"]["userId"].as_str().unwrap().to_owned();
                    let text = event["message"]["text"].as_str().unwrap();
                    let id = event["webhookEventId"].as_str().unwrap();
                    let lane = LaneKey { inbound: true, route, user };
                    self.hold(&lane, event["timestamp"].as_u64().unwrap(), id, text);
                }
                200
            }
            "custom" => {
                let secrets = [Secret::parse(PEOPLES_SECRET).unwrap()];
                let now = self.standins.clock().now_ms();
                verify(&secrets, &hooked.headers, &hooked.body, now).unwrap();
                let user = body["data"]["person"].as_str().unwrap().to_owned();
                let time = standins::parse_iso(body["timestamp"].as_str().unwrap()).unwrap();
                let text = body["data"]["content"]["text"].as_str().unwrap();
                let lane = LaneKey { inbound: true, route, user };
                self.hold(&lane, time, hooked.headers["webhook-id"].to_str().unwrap(), text);
                202
            }
            _ => {
                let signature = &hooked.headers["x-hub-signature-256"];
                assert_eq!(*signature, sign::genesys(GENESYS_SECRET, &hooked.body));
                let guid = body["channel"]["to"]["id"].as_str().unwrap();
                let time = standins::parse_iso(body["channel"]["time"].as_str().unwrap()).unwrap();
                let user = guid.trim_start_matches("guid-").to_owned();
                let lane = LaneKey { inbound: false, route, user };
                self.hold(&lane, time, body["id"].as_str().unwrap(), body["text"].as_str().unwrap());
                200
            }
        }
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
        let user = if mixed { OTHER_USER } else { &lane.user };
        for time in 0..times {
            let status = if lane.inbound {
                let body = open_text(&format!("guid-{user}"), &number.to_string(), text);
                let path =
                    format!("/api/v2/conversations/messages/{}/inbound/open/message", route.integration);
                self.call(&path, &[bearer(&self.token)], &body).await
            } else if route.platform == "line" {
                self.call("/v2/bot/message/push", &[bearer(route.secret)], &push_text(user, text)).await
            } else {
                let body = custom_text(user, &format!("m-{number}-{time}"), text);
                let secret = Secret::parse(route.secret).unwrap();
                let (id, now) = (format!("msg_{number}_{time}"), self.standins.clock().now_ms());
                let signed = standard_webhooks::headers(&[secret], &id, body.to_string().as_bytes(), now);
                self.call(&format!("/custom/{}/messages", route.account), &signed, &body).await
            };
            assert!(status == 200 || status == 202, "{status}");
        }
    }

    async fn call(&self, path: &str, headers: &[(&'static str, String)], body: &Value) -> u16 {
        let url = format!("{}{path}", self.api);
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let body = Bytes::from(body.to_string());
        let (status, _, _) = self.client.call(Method::POST, &url, &all, body, PATIENCE).await.unwrap();
        status
    }
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
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
        let secret = if route.platform == "line" { LINE_SECRET } else { PEOPLES_SECRET };
        webhooks.push(webhook(route.platform, route.account, secret));
        webhooks.push(webhook("genesys", route.integration, GENESYS_SECRET));
        endpoints.push(endpoint(route.platform, route.account, route.secret));
    }
    Setup::of(&webhooks, &endpoints, bridge)
}

/// Runs a plan over a bridge with that fault; the report, and the bench with its ledgers.
async fn run(sin: Sin, messages: u32) -> (Bench, Report) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut setup = routed(&format!("http://{}", listener.local_addr().unwrap()));
    setup.line.webhook = quick(2_000, 2, 50);
    setup.custom.webhook = quick(2_000, 2, 50);
    let bench = Bench::start(setup).await;
    let bridge = Bridge {
        client: Client::default(),
        standins: bench.standins.clone(),
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
        people: PEOPLE,
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
    assert_eq!(report.tries.keys().collect::<Vec<_>>(), [&200, &202]);

    // People are spread over the accounts in turn, and are answered on the account that they wrote to.
    let people: BTreeMap<String, &Route> = (0..PEOPLE).map(route_of).collect();
    let pushed =
        bench.standins.line().received().after(0).into_iter().map(|entry| (entry.account, entry.user));
    let posted = bench.standins.custom().received().after(0).into_iter();
    let answered: BTreeSet<(String, String)> =
        pushed.chain(posted.map(|entry| (entry.account, entry.person))).collect();
    assert!(answered.iter().all(|(account, id)| people[id].account == account), "{answered:?}");
    let received = bench.standins.genesys().received().after(0);
    for route in &ROUTES {
        assert!(answered.iter().any(|(account, _)| route.account == account), "{}", route.account);
        let over = received.iter().filter(|entry| entry.integration == route.integration);
        let ids: BTreeSet<&str> = over.map(|entry| entry.conversation.trim_start_matches("guid-")).collect();
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| people[*id].account == route.account));
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
    for platform in ["genesys", "line", "custom"] {
        assert_eq!(bench.get(&format!("/_standins/{platform}/received")).await, json!([]));
    }
}
