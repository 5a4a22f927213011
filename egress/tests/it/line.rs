//! Towards LINE: the retry key, the two kinds of 429, a dead token, unknown persons.

use std::time::Duration;

use schemas::{DeliveryStatus, Reason};
use standins::{Fault, Kind};

use crate::rig::{
    DEADLINE, LINE, Platforms, Rig, address, by_person, config, platforms, rig, settings, until,
};

const PUSH: &str = "/v2/bot/message/push";

fn status(status: u16, message: Option<&str>) -> Kind {
    Kind::Status { status, retry_after: None, message: message.map(Into::into) }
}

async fn start() -> (Platforms, Rig) {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let rig = rig(LINE, &config, settings(&config));
    (platforms, rig)
}

fn pushed(platforms: &Platforms) -> Vec<(String, String)> {
    platforms.standins.line().received().after(0).into_iter().map(|m| (m.user, m.text)).collect()
}

#[tokio::test]
async fn the_retry_key_makes_a_push_single_through_resets() {
    let (platforms, mut rig) = start().await;
    platforms.standins.line().set_faults(vec![
        Fault::share(0.2, 1, PUSH, Kind::ResetAfter),
        Fault::share(0.1, 2, PUSH, Kind::ResetBefore),
        Fault::share(0.1, 3, PUSH, status(500, None)),
        Fault::share(0.1, 4, PUSH, status(429, None)),
    ]);
    let mut sent = Vec::new();
    for n in 0..300 {
        let person = format!("p{}", n % 10);
        rig.put_line("th", &person, &n.to_string());
        sent.push((address(&person), n.to_string()));
    }
    let finals = rig.finished(300).await;
    assert!(finals.iter().all(|d| d.status == DeliveryStatus::Delivered && d.platform_id.is_some()));
    assert_eq!(by_person(pushed(&platforms)), by_person(sent), "each once, in order");
    assert!(platforms.standins.line().stats().repeated_keys > 0, "some were answered 409");
    until("the commit", DEADLINE, || rig.committable() == 300).await;
}

#[tokio::test]
async fn no_quota_is_final_and_too_fast_is_not() {
    let (platforms, mut rig) = start().await;
    platforms.standins.line().set_faults(vec![Fault::next(
        1,
        PUSH,
        status(429, Some("You have reached your monthly limit.")),
    )]);
    rig.put_line("th", "p", "1");
    let delivery = rig.finished(1).await.remove(0);
    assert_eq!((delivery.status, delivery.http_status), (DeliveryStatus::Refused, Some(429)));
    let dead = rig.results.with(|c| c.dead[0].clone());
    assert_eq!((dead.1, dead.2.as_str()), (Reason::Refused, "status 429: monthly limit reached"));
    platforms.standins.line().set_faults(vec![Fault::next(1, PUSH, status(429, None))]);
    rig.put_line("th", "p", "2");
    rig.finished(2).await;
    assert_eq!(pushed(&platforms), [(address("p"), "2".to_owned())]);
}

#[tokio::test]
async fn a_dead_token_stops_its_account_and_no_other_and_drops_nothing() {
    let (platforms, mut rig) = start().await;
    // As many refusals as probes go by before somebody has replaced the token.
    platforms.standins.line().set_faults(vec![Fault::next(3, PUSH, status(401, None))]);
    rig.put_line("th", "p0", "1");
    until("the refusal", DEADLINE, || platforms.standins.line().stats().by_status.contains_key(&401)).await;
    for n in 0..10 {
        rig.put_line("th", &format!("p{n}"), "2");
    }
    rig.put_line("jp", "jp1", "other account");
    rig.finished(1).await;
    assert_eq!(pushed(&platforms), [(address("jp1"), "other account".to_owned())]);
    rig.finished(12).await;
    let stats = platforms.standins.line().stats();
    assert_eq!(stats.by_status[&401], 3, "one lane tries, the others wait");
    assert_eq!(pushed(&platforms).len(), 12);
    let p0: Vec<_> = pushed(&platforms)
        .into_iter()
        .filter(|(user, _)| *user == address("p0"))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(p0, ["1", "2"]);
    assert!(rig.results.with(|c| c.dead.is_empty()));
}

#[tokio::test]
async fn a_person_without_an_address_is_a_dead_letter() {
    let (platforms, mut rig) = start().await;
    rig.put_line("th", "unknown-1", "1");
    rig.put_line("gone", "p", "1");
    let finals = rig.finished(2).await;
    let mut reasons: Vec<_> = finals.iter().map(|d| d.reason.clone().unwrap()).collect();
    reasons.sort();
    assert_eq!(reasons, ["unknown_account", "unknown_person"]);
    assert!(pushed(&platforms).is_empty());
}

#[tokio::test]
async fn calls_that_do_not_end_in_time_are_aborted_at_a_revocation() {
    let (platforms, mut rig) = start().await;
    platforms.standins.line().set_faults(vec![Fault::next(1, PUSH, Kind::DelayAfterMs { ms: 4_000 })]);
    rig.put_line("th", "p", "1");
    until("the push", DEADLINE, || platforms.standins.line().received().len() == 1).await;
    let before = std::time::Instant::now();
    rig.revoke().await;
    assert!(before.elapsed() < Duration::from_secs(2));
    assert_eq!(rig.committable(), 0, "its outcome is unknown, so it stays with the next owner");
}

#[tokio::test]
async fn another_owner_uses_the_same_retry_key() {
    let (platforms, mut first) = start().await;
    first.put_line("th", "p", "1");
    first.finished(1).await;
    // The same outbox record, read again by a process that knows nothing of the first one.
    let config = config(platforms.address);
    let mut second = rig(LINE, &config, settings(&config));
    second.put_line("th", "p", "1");
    let delivery = second.finished(1).await.remove(0);
    assert_eq!((delivery.status, delivery.http_status), (DeliveryStatus::Delivered, Some(409)));
    assert_eq!(pushed(&platforms), [(address("p"), "1".to_owned())]);
}
