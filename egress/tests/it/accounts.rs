//! Accounts of several platforms: nothing of one is mixed up with another of the same name. Signed calls, and persons
//! who have gone.

use std::sync::Arc;
use std::time::Duration;

use egress::settings::Settings;
use platforms::{Account, Feeds, Platform, Rate};
use runtime::config::Config;
use schemas::{AccountRef, Delivery, DeliveryStatus, Reason};

use crate::rig::{
    DEADLINE, GENESYS, INTEGRATION, LINE, Rig, address, config, endpoint, identity, message, platforms, rig,
    rig_after, settings, until,
};
use crate::web::{self, Server, WEB};

/// Between tries of a stopped account in these tests, ms, less what clocks may differ by.
const PROBE_MS: i64 = 90;

/// A configuration with the account `th` of two platforms; the one of [`WEB`] feeds `client`.
fn with_web(config: &mut Config, client: &str) {
    let feeds = Feeds { client: client.into(), integration: INTEGRATION.into(), webhook_secrets: Vec::new() };
    let account = AccountRef::new(WEB.name, "th");
    config.platforms.accounts.push(Account { account, feeds, attributes: Arc::default() });
}

/// A rig that sends to the platform's own server.
async fn web(script: &[u16]) -> (Server, Rig) {
    web_with(script, |_| {}).await
}

async fn web_with(script: &[u16], change: impl FnOnce(&mut Settings)) -> (Server, Rig) {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    let server = Server::start(script).await;
    with_web(&mut config, "main");
    config.platforms.endpoints.push(web::endpoint("th", &server));
    let mut settings = settings(&config);
    change(&mut settings);
    (server, rig(&WEB, &config, settings))
}

fn reasons(rig: &Rig) -> Vec<(Reason, String)> {
    rig.results.with(|c| c.dead.iter().map(|(_, reason, detail)| (*reason, detail.clone())).collect())
}

#[tokio::test]
async fn two_accounts_of_one_name_keep_their_own_client_and_limit() {
    let now = runtime::clock::now_ms();
    // An earlier owner has just made the one call that a client may make in a minute. Its record names no platform where
    // it was written before records did.
    let earlier = |platform: Option<&Platform>| Delivery {
        status: DeliveryStatus::Delivered,
        attempt: 1,
        at: now,
        ..egress::delivery::new(GENESYS.name, &identity(99), platform.map(|p| p.name), "th", "p")
    };
    for (written, waits, goes) in
        [(earlier(None), LINE, &WEB), (earlier(Some(LINE)), LINE, &WEB), (earlier(Some(&WEB)), &WEB, LINE)]
    {
        let (first, second) = (platforms(|_| {}).await, platforms(|_| {}).await);
        let mut config = config(first.address);
        endpoint(&mut config, GENESYS, "main").rate = Rate { calls: 1, window: Duration::from_secs(60) };
        let mut other = endpoint(&mut config, GENESYS, "main").clone();
        (other.name, other.api_url) = ("second".into(), format!("http://{}", second.address));
        if let platforms::Authorization::Client(credentials) = &mut other.authorization {
            credentials.login_url.clone_from(&other.api_url);
        }
        config.platforms.endpoints.push(other);
        with_web(&mut config, "second");
        let mut rig = rig_after(GENESYS, &config, settings(&config), &[written]);
        rig.put_message(&message(0, waits.name, "th", "p1", "waits"));
        rig.put_message(&message(1, goes.name, "th", "p2", "goes"));
        let delivery = rig.finished(1).await.remove(0);
        assert_eq!((delivery.platform.as_deref(), delivery.account.as_str()), (Some(goes.name), "th"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let texts = |standins: &crate::rig::Platforms| {
            let received = standins.standins.genesys().received().after(0);
            received.into_iter().map(|message| message.text).collect::<Vec<_>>()
        };
        let (idle, busy) = if goes == LINE { (&second, &first) } else { (&first, &second) };
        assert_eq!((texts(idle), texts(busy)), (vec![], vec!["goes".to_owned()]), "{goes:?}");
    }
}

#[tokio::test]
async fn two_accounts_of_one_name_keep_their_own_endpoint_and_address() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    let server = Server::start(&[]).await;
    with_web(&mut config, "main");
    config.platforms.endpoints.push(web::endpoint("th", &server));
    let (mut web, mut line) = (rig(&WEB, &config, settings(&config)), rig(LINE, &config, settings(&config)));
    for rig in [&mut web, &mut line] {
        // The address of `p` is known to LINE's account, that of `web-p` to the other one.
        for (n, (platform, person)) in (0..).zip([(LINE, "p"), (&WEB, "web-p"), (LINE, "web-p"), (&WEB, "p")])
        {
            rig.put_message(&message(n, platform.name, "th", person, person));
        }
        let finals = rig.finished(4).await;
        let delivered = finals.iter().filter(|d| d.status == DeliveryStatus::Delivered).count();
        assert_eq!(delivered, 1);
        let mut reasons = reasons(rig);
        reasons.sort();
        let reasons: Vec<_> = reasons.into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(reasons, [Reason::UnknownAccount, Reason::UnknownAccount, Reason::UnknownPerson]);
    }
    assert_eq!(server.recipients(), [address("web-p")]);
    let pushed = platforms.standins.line().received().after(0);
    assert_eq!(pushed.into_iter().map(|m| m.user).collect::<Vec<_>>(), [address("p")]);
}

#[tokio::test]
async fn a_person_who_has_gone_is_a_dead_letter_and_the_lane_goes_on() {
    let (server, mut rig) = web(&[410]).await;
    for n in 0..2 {
        rig.put_message(&message(n, WEB.name, "th", "web-p", "x"));
    }
    let finals = rig.finished(2).await;
    assert_eq!((finals[0].status, finals[0].reason.as_deref()), (DeliveryStatus::Refused, Some("gone")));
    assert_eq!((finals[0].http_status, finals[0].attempt), (Some(410), 1));
    assert_eq!(finals[1].status, DeliveryStatus::Delivered);
    assert_eq!(reasons(&rig), [(Reason::Gone, "status 410".to_owned())]);
    assert_eq!(server.arrived().len(), 2);
}

#[tokio::test]
async fn a_signed_call_has_no_authorization_and_names_the_time_of_its_try() {
    let (server, mut rig) = web(&[503, 503]).await;
    rig.put_message(&message(0, WEB.name, "th", "web-p", "x"));
    let delivery = rig.finished(1).await.remove(0);
    assert_eq!((delivery.status, delivery.attempt), (DeliveryStatus::Delivered, 3));
    assert_eq!(delivery.platform_id.as_deref(), Some("c3"));
    assert_eq!(delivery.correlation_id, delivery.platform_id, "by the platform's own header");
    let arrived = server.arrived();
    let times: Vec<i64> = arrived.iter().map(|call| call.headers["x-time"].parse().unwrap()).collect();
    assert!(times[1] - times[0] >= 20 && times[2] - times[1] >= 40, "each try has its own: {times:?}");
    for call in arrived {
        assert_eq!(call.headers["x-signature"], "s1+s2");
        assert!(!call.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn what_can_be_repeated_safely_is_announced_once() {
    // Longer than an announcement reaches ahead: elsewhere the second call would have one of its own.
    let delays = vec![Duration::from_millis(2_200)];
    let (_server, mut rig) = web_with(&[503], |settings| settings.schedule.delays = delays).await;
    rig.put_message(&message(0, WEB.name, "th", "web-p", "x"));
    assert_eq!(rig.finished(1).await.remove(0).attempt, 2);
    assert_eq!(rig.results.with(|c| c.deliveries.len()), 2, "an announcement and an end");
}

#[tokio::test]
async fn a_refused_signature_stops_the_account_and_drops_nothing() {
    // 403 is this platform's own word for it: there, the status alone does not say so.
    for status in [401, 403] {
        let (server, mut rig) = web(&[status; 3]).await;
        rig.put_message(&message(0, WEB.name, "th", "web-0", "x"));
        until("the refusal", DEADLINE, || !server.arrived().is_empty()).await;
        for n in 1..10 {
            rig.put_message(&message(n, WEB.name, "th", &format!("web-{n}"), "x"));
        }
        let finals = rig.finished(10).await;
        assert!(finals.iter().all(|delivery| delivery.status == DeliveryStatus::Delivered));
        let arrived = server.arrived();
        assert_eq!(arrived.len(), 10 + 3, "one lane tries, the others wait");
        let times = arrived.iter().map(|call| call.headers["x-time"].parse().unwrap());
        let times: Vec<i64> = times.take(4).collect();
        let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            gaps.iter().all(|gap| *gap >= PROBE_MS),
            "the time between tries of a stopped account: {gaps:?}"
        );
    }
}
