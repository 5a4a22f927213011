//! Towards Genesys: order through faults, one refresh for all, lanes that do not hold each other, refusals, shutdown.

use std::time::Duration;

use egress::seam::Earlier;
use egress::settings::Settings;
use schemas::{DeliveryStatus, Reason};
use standins::{Fault, Kind};

use crate::rig::{DEADLINE, GENESYS, Platforms, Rig, by_person, config, platforms, rig, settings, until};

const INBOUND: &str = "/inbound/open/message";

fn status(status: u16, retry_after: Option<u64>) -> Kind {
    Kind::Status { status, retry_after, message: None }
}

async fn start() -> (Platforms, Rig) {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let rig = rig(GENESYS, &config, settings(&config));
    (platforms, rig)
}

fn received(platforms: &Platforms) -> Vec<(String, String)> {
    let ledger = platforms.standins.genesys().received();
    ledger.after(0).into_iter().map(|m| (m.conversation, m.text)).collect()
}

#[tokio::test]
async fn a_message_arrives_with_its_record_of_delivery() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("p1", "สวัสดี 🙏");
    let delivery = rig.finished(1).await.remove(0);
    let arrived = platforms.standins.genesys().received().after(0).remove(0);
    assert_eq!((arrived.conversation.as_str(), arrived.text.as_str()), ("p1", "สวัสดี 🙏"));
    assert_eq!(arrived.message_id.as_deref(), Some("461230966842064897"));
    assert_eq!(arrived.attributes, serde_json::json!({"market": "Thailand"}));
    assert_eq!(delivery.status, DeliveryStatus::Delivered);
    assert_eq!((delivery.attempt, delivery.http_status), (1, Some(202)));
    assert_eq!(delivery.platform_id.as_ref(), Some(&arrived.id));
    assert!(
        delivery.correlation_id.is_some() && delivery.ours_ms.is_some() && delivery.platform_ms.is_some()
    );
    until("the commit", DEADLINE, || rig.committable() == 1).await;
    let started = rig.results.with(|c| c.deliveries[0].1.clone());
    assert_eq!(started.status, DeliveryStatus::Started, "announced before the call");
}

#[tokio::test]
async fn order_holds_in_every_lane_through_all_faults() {
    let (platforms, mut rig) = start().await;
    platforms.standins.genesys().set_faults(vec![
        Fault::share(0.08, 1, INBOUND, status(429, Some(0))),
        Fault::share(0.05, 2, INBOUND, status(500, None)),
        Fault::share(0.05, 3, INBOUND, status(401, None)),
        Fault::share(0.05, 4, INBOUND, Kind::ResetBefore),
        Fault::share(0.20, 5, INBOUND, Kind::DelayMs { ms: 15 }),
    ]);
    let mut sent = Vec::new();
    for n in 0..400 {
        let person = format!("p{}", n % 20);
        rig.put_genesys(&person, &n.to_string());
        sent.push((person, n.to_string()));
    }
    rig.finished(400).await;
    assert_eq!(by_person(received(&platforms)), by_person(sent));
    until("the commit", DEADLINE, || rig.committable() == 400).await;
    assert!(rig.results.with(|c| c.dead.is_empty()));
}

#[tokio::test]
async fn a_hundred_lanes_that_are_refused_ask_for_one_token() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("warm-up", "x");
    rig.finished(1).await;
    let genesys = platforms.standins.genesys();
    assert_eq!(genesys.stats().tokens, 1);
    genesys.revoke_tokens();
    // All hundred calls are on their way before the first one is refused.
    genesys.set_faults(vec![Fault::next(100, INBOUND, Kind::DelayMs { ms: 300 })]);
    for n in 0..100 {
        rig.put_genesys(&format!("p{n}"), "y");
    }
    rig.finished(101).await;
    let stats = genesys.stats();
    assert_eq!(stats.by_status[&401], 100, "every lane was refused");
    assert_eq!(stats.tokens, 2, "and one token was asked for");
    assert_eq!(genesys.received().len(), 101);
}

#[tokio::test]
async fn a_lane_that_waits_holds_only_itself() {
    let (platforms, mut rig) = start().await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, status(503, Some(2)))]);
    rig.put_genesys("slow", "1");
    until("the first call", DEADLINE, || platforms.standins.genesys().stats().by_status.contains_key(&503))
        .await;
    rig.put_genesys("slow", "2");
    for n in 0..50 {
        rig.put_genesys(&format!("p{n}"), "x");
    }
    rig.finished(50).await;
    assert!(received(&platforms).iter().all(|(person, _)| person != "slow"), "it still waits");
    assert_eq!(rig.committable(), 0, "and nothing is committed over it");
    assert_eq!(rig.progress.committable(0).unwrap().note.parked, 1);
    rig.finished(52).await;
    let order: Vec<_> =
        received(&platforms).into_iter().filter(|(p, _)| p == "slow").map(|(_, t)| t).collect();
    assert_eq!(order, ["1", "2"]);
    until("the commit", DEADLINE, || rig.committable() == 52).await;
}

#[tokio::test]
async fn what_is_refused_permanently_is_a_dead_letter_and_the_lane_goes_on() {
    let (platforms, mut rig) = start().await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, status(400, None))]);
    let refused = rig.put_genesys("p", "1");
    let unreadable = rig.put("p", Some(b"not avro".to_vec()), None);
    rig.put_genesys("p", "2");
    let finals = rig.finished(3).await;
    let statuses: Vec<_> = finals.iter().map(|d| (d.status, d.reason.as_deref())).collect();
    let expected = [
        (DeliveryStatus::Refused, Some("refused")),
        (DeliveryStatus::Failed, Some("undecodable")),
        (DeliveryStatus::Delivered, None),
    ];
    assert_eq!(statuses, expected);
    let dead = rig.results.with(|c| std::mem::take(&mut c.dead));
    assert_eq!((dead[0].0, dead[0].1), (refused, Reason::Refused));
    assert!(dead[0].2.starts_with("status 400"), "{}", dead[0].2);
    assert_eq!((dead[1].0, dead[1].1), (unreadable, Reason::Undecodable));
    assert_eq!(received(&platforms).len(), 1);
}

#[tokio::test]
async fn a_message_that_is_too_old_to_be_tried_again_is_expired() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    config.egress.give_up_after = Duration::from_millis(100);
    let mut rig = rig(GENESYS, &config, settings(&config));
    platforms.standins.genesys().set_faults(vec![Fault::next(9, INBOUND, status(429, None))]);
    rig.put_genesys("p", "1");
    let delivery = rig.finished(1).await.remove(0);
    assert_eq!((delivery.status, delivery.reason.as_deref()), (DeliveryStatus::Failed, Some("expired")));
    assert_eq!(received(&platforms).len(), 0);
}

#[tokio::test]
async fn what_an_earlier_owner_finished_is_not_sent_again() {
    let (platforms, mut rig) = start().await;
    let payload = crate::rig::to_genesys(0, "p", "1");
    rig.put("p", Some(payload), Some(Earlier::Finished));
    rig.put_genesys("p", "2");
    rig.finished(1).await;
    assert_eq!(received(&platforms), [("p".to_owned(), "2".to_owned())]);
    until("the commit", DEADLINE, || rig.committable() == 2).await;
}

#[tokio::test]
async fn a_result_that_cannot_be_written_holds_the_commit_and_nothing_is_sent_twice() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    until("the first commit", DEADLINE, || rig.committable() == 1).await;
    rig.results.with(|c| c.failures = 1);
    rig.put_genesys("p", "2");
    until("the refused record", DEADLINE, || rig.results.with(|c| c.failures == 0)).await;
    assert_eq!(rig.committable(), 1, "delivered, but nothing says so yet");
    rig.finished(2).await;
    until("the commit", DEADLINE, || rig.committable() == 2).await;
    assert_eq!(received(&platforms).len(), 2);
}

#[tokio::test]
async fn giving_up_a_partition_loses_nothing_and_starts_no_call() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("warm-up", "x");
    rig.finished(1).await;
    let genesys = platforms.standins.genesys();
    genesys.set_faults(vec![
        Fault::next(5, INBOUND, Kind::DelayMs { ms: 150 }),
        Fault::share(1.0, 0, INBOUND, Kind::DelayMs { ms: 1 }),
    ]);
    for n in 0..5 {
        rig.put_genesys(&format!("p{n}"), "1");
        rig.put_genesys(&format!("p{n}"), "2");
    }
    until("five calls", DEADLINE, || genesys.stats().calls >= 2 || in_flight(&rig) == 5).await;
    rig.revoke().await;
    let arrived = received(&platforms);
    let after = rig.results.finals().len();
    assert_eq!(arrived.len(), after, "what arrived is recorded: the calls were let to end");
    assert!(arrived.iter().all(|(_, text)| text != "2"), "no new call after the revocation");
    // The committed offset covers exactly what is finished in order; the rest is read again by the next owner.
    let first_unfinished = rig.committable();
    assert!(first_unfinished <= 2, "offset 2 is the second message of p0: unfinished");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(received(&platforms).len(), after, "and nothing comes later");
}

#[tokio::test]
async fn lanes_that_wait_do_not_hold_up_a_revocation() {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let settings = Settings { grace: DEADLINE, ..settings(&config) };
    let mut rig = rig(GENESYS, &config, settings);
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, status(429, Some(20)))]);
    rig.put_genesys("p", "1");
    until("a lane that waits", DEADLINE, || rig.progress.committable(0).is_some_and(|c| c.note.parked == 1))
        .await;
    let before = std::time::Instant::now();
    rig.revoke().await;
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    assert_eq!((rig.committable(), received(&platforms).len()), (0, 0));
}

fn in_flight(rig: &Rig) -> usize {
    let (started, ended) = rig.results.with(|c| {
        let started = c.deliveries.iter().filter(|d| d.1.status == DeliveryStatus::Started).count();
        (started, c.deliveries.len() - started)
    });
    started - ended
}
