//! Unknown outcomes at Genesys, which does not drop what it already has: it is asked before anything is sent again.

use std::time::Duration;

use runtime::config::{Config, InDoubt};
use schemas::{Delivery, DeliveryStatus, Reason};
use standins::{Fault, Kind};

use crate::rig::{
    DEADLINE, GENESYS, INTEGRATION, Platforms, Rig, config, platforms, rig, rig_after, settings, until,
};

const INBOUND: &str = "/inbound/open/message";

async fn start() -> (Platforms, Rig) {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let rig = rig(GENESYS, &config, settings(&config));
    (platforms, rig)
}

fn texts(platforms: &Platforms) -> Vec<String> {
    platforms.standins.genesys().received().after(0).into_iter().map(|m| m.text).collect()
}

#[tokio::test]
async fn a_reset_after_the_work_is_settled_by_asking() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::ResetAfter)]);
    rig.put_genesys("p", "2");
    rig.put_genesys("p", "3");
    let finals = rig.finished(3).await;
    assert_eq!(texts(&platforms), ["1", "2", "3"], "each once, in order");
    let arrived = platforms.standins.genesys().received().after(1).remove(0);
    assert_eq!(finals[1].status, DeliveryStatus::Delivered);
    assert_eq!(finals[1].platform_id.as_ref(), Some(&arrived.id), "the id was found by asking");
    assert_eq!(finals[1].attempt, 1);
}

#[tokio::test]
async fn a_reset_before_the_work_is_sent_again_after_two_times_absent() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::ResetBefore)]);
    let before = platforms.standins.genesys().stats().calls;
    rig.put_genesys("p", "2");
    let finals = rig.finished(2).await;
    assert_eq!(texts(&platforms), ["1", "2"]);
    assert_eq!(finals[1].attempt, 2);
    let calls = platforms.standins.genesys().stats().calls - before;
    assert_eq!(
        calls, 5,
        "two questions of two calls each, and the second try; the call that was reset is not counted"
    );
}

#[tokio::test]
async fn a_time_out_is_settled_by_asking() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    config.egress.call_timeout = Duration::from_millis(300);
    let mut rig = rig(GENESYS, &config, settings(&config));
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::DelayAfterMs { ms: 2_000 })]);
    rig.put_genesys("p", "2");
    rig.finished(2).await;
    assert_eq!(texts(&platforms), ["1", "2"]);
}

const ANALYTICS: &str = "/analytics/";

#[tokio::test]
async fn the_first_message_of_a_conversation_is_found_through_analytics() {
    let (platforms, mut rig) = start().await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::ResetAfter)]);
    rig.put_genesys("p", "1");
    rig.put_genesys("p", "2");
    let finals = rig.finished(2).await;
    assert_eq!((finals[0].status, finals[0].attempt), (DeliveryStatus::Delivered, 1));
    assert_eq!(texts(&platforms), ["1", "2"]);
    let arrived = platforms.standins.genesys().received().after(0).remove(0);
    assert_eq!(finals[0].platform_id, Some(arrived.id));
    assert_eq!(finals[0].conversation_id, Some(arrived.conversation_id), "for the next owner");
}

#[tokio::test]
async fn analytics_that_lags_or_is_away_is_asked_again() {
    let platforms = platforms(|setup| setup.genesys.analytics_lag = Duration::from_millis(700)).await;
    let mut config = config(platforms.address);
    config.egress.ask_for = Duration::from_secs(20);
    let mut rig = rig(GENESYS, &config, settings(&config));
    let away = Kind::Status { status: 503, retry_after: None, message: None };
    platforms.standins.genesys().set_faults(vec![
        Fault::next(1, INBOUND, Kind::ResetAfter),
        Fault::next(1, ANALYTICS, away),
        Fault::next(1, "/messages/bulk", Kind::ResetBefore),
    ]);
    rig.put_genesys("p", "1");
    let finals = rig.finished(1).await;
    assert_eq!((finals[0].status, finals[0].attempt), (DeliveryStatus::Delivered, 1));
    assert_eq!(texts(&platforms), ["1"]);
}

/// A first message that arrives without an answer, while analytics knows nothing of it for longer than it is asked.
async fn undecided(in_doubt: InDoubt) -> (Platforms, Rig) {
    let platforms = platforms(|setup| setup.genesys.analytics_lag = Duration::from_secs(600)).await;
    let mut config = config(platforms.address);
    config.egress.in_doubt = in_doubt;
    let mut rig = rig(GENESYS, &config, settings(&config));
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::ResetAfter)]);
    rig.put_genesys("p", "1");
    rig.put_genesys("p", "2");
    rig.finished(2).await;
    (platforms, rig)
}

#[tokio::test]
async fn what_stays_in_doubt_is_sent_again_and_may_be_twice() {
    let (platforms, rig) = undecided(InDoubt::Send).await;
    let finals = rig.results.finals();
    assert_eq!((finals[0].status, finals[0].attempt), (DeliveryStatus::Delivered, 2));
    assert_eq!(texts(&platforms), ["1", "1", "2"], "the window that the documentation names");
}

#[tokio::test]
async fn what_stays_in_doubt_is_held_where_that_is_set() {
    let (platforms, rig) = undecided(InDoubt::Hold).await;
    let finals = rig.results.finals();
    assert_eq!((finals[0].status, finals[0].reason.as_deref()), (DeliveryStatus::Failed, Some("in_doubt")));
    assert_eq!(texts(&platforms), ["1", "2"], "the lane goes on");
    let dead = rig.results.with(|c| c.dead.clone());
    assert_eq!((dead.len(), dead[0].1), (1, Reason::InDoubt));
}

#[tokio::test]
async fn a_client_that_may_not_ask_analytics_leaves_the_doubt_to_the_setting() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    (config.egress.in_doubt, config.egress.ask_for) = (InDoubt::Hold, Duration::from_secs(3600));
    let mut rig = rig(GENESYS, &config, settings(&config));
    let refused = Kind::Status { status: 403, retry_after: None, message: None };
    platforms
        .standins
        .genesys()
        .set_faults(vec![Fault::next(1, INBOUND, Kind::ResetAfter), Fault::next(1, ANALYTICS, refused)]);
    rig.put_genesys("p", "1");
    let finals = rig.finished(1).await;
    assert_eq!(finals[0].reason.as_deref(), Some("in_doubt"), "at once, not after an hour");
}

#[tokio::test]
async fn a_conversation_that_has_ended_does_not_say_that_nothing_arrived() {
    let (platforms, mut rig) = start().await;
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    let genesys = platforms.standins.genesys();
    assert!(genesys.end_conversation(INTEGRATION, "p"));
    genesys.set_faults(vec![Fault::next(1, INBOUND, Kind::ResetAfter)]);
    rig.put_genesys("p", "2");
    let finals = rig.finished(2).await;
    assert_eq!((finals[1].status, finals[1].attempt), (DeliveryStatus::Delivered, 1));
    assert_eq!(texts(&platforms), ["1", "2"], "it began another conversation, and was found there");
    assert_ne!(finals[0].conversation_id, finals[1].conversation_id);
}

/// A platform and a configuration whose calls end after 300 ms.
async fn quick() -> (Platforms, Config) {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    config.egress.call_timeout = Duration::from_millis(300);
    (platforms, config)
}

/// The owner dies between the call and its answer; what it wrote.
async fn dies(
    platforms: &Platforms,
    config: &Config,
    first: &[&str],
    last: &str,
    fault: Kind,
) -> Vec<Delivery> {
    let mut rig = rig(GENESYS, config, settings(config));
    for text in first {
        rig.put_genesys("p", text);
    }
    rig.finished(first.len()).await;
    let genesys = platforms.standins.genesys();
    genesys.set_faults(vec![Fault::next(1, INBOUND, fault)]);
    rig.put_genesys("p", last);
    until("the call", DEADLINE, || genesys.faults_hit() == 1 && in_flight(&rig)).await;
    rig.crash()
}

fn in_flight(rig: &Rig) -> bool {
    rig.results.with(|c| c.deliveries.last().is_some_and(|(_, d)| d.status == DeliveryStatus::Started))
}

#[tokio::test]
async fn what_an_earlier_owner_began_is_asked_about_in_the_conversation_that_it_knew() {
    for (fault, texts_at_the_end) in [(Kind::ResetAfter, 2), (Kind::DelayAfterMs { ms: 5_000 }, 2)] {
        let (platforms, config) = quick().await;
        let written = dies(&platforms, &config, &["1"], "2", fault).await;
        until("the message", DEADLINE, || texts(&platforms).len() == texts_at_the_end).await;
        let begun = written.last().unwrap();
        assert!(begun.conversation_id.is_some(), "the announcement names the conversation");
        // Where the conversation is known, analytics is not needed.
        platforms.standins.genesys().set_faults(vec![Fault::next(99, ANALYTICS, Kind::ResetBefore)]);
        let mut rig = rig_after(GENESYS, &config, settings(&config), &written);
        rig.put_again(1, "p", "2");
        rig.put_again(2, "p", "3");
        let finals = rig.finished(2).await;
        assert!(runtime::clock::now_ms() >= begun.deadline.unwrap(), "not before that call has ended");
        assert_eq!(
            (finals[0].status, finals[0].attempt),
            (DeliveryStatus::Delivered, 0),
            "no call carried it"
        );
        assert_eq!(texts(&platforms), ["1", "2", "3"]);
    }
}

#[tokio::test]
async fn what_an_earlier_owner_began_and_did_not_arrive_is_sent_after_two_times_absent() {
    let (platforms, config) = quick().await;
    let written = dies(&platforms, &config, &["1"], "2", Kind::ResetBefore).await;
    let before = platforms.standins.genesys().stats().calls;
    let mut rig = rig_after(GENESYS, &config, settings(&config), &written);
    rig.put_again(1, "p", "2");
    let finals = rig.finished(1).await;
    assert_eq!((finals[0].status, finals[0].attempt), (DeliveryStatus::Delivered, 1));
    assert_eq!(texts(&platforms), ["1", "2"]);
    let calls = platforms.standins.genesys().stats().calls - before;
    assert_eq!(calls, 6, "a token, two questions of two calls each, and the call");
}

#[tokio::test]
async fn the_first_message_of_a_conversation_is_found_by_the_next_owner() {
    let (platforms, config) = quick().await;
    let written = dies(&platforms, &config, &[], "1", Kind::ResetAfter).await;
    assert_eq!(written.last().unwrap().conversation_id, None);
    let mut rig = rig_after(GENESYS, &config, settings(&config), &written);
    rig.put_again(0, "p", "1");
    rig.put_again(1, "p", "2");
    let finals = rig.finished(2).await;
    assert_eq!((finals[0].status, finals[0].attempt), (DeliveryStatus::Delivered, 0));
    assert_eq!(texts(&platforms), ["1", "2"]);
}

#[tokio::test]
async fn a_late_call_is_announced_again_with_its_own_deadline() {
    let (platforms, config) = quick().await;
    let mut rig = rig(GENESYS, &config, settings(&config));
    let later = Kind::Status { status: 429, retry_after: Some(3), message: None };
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, later)]);
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    let all = rig.results.with(|c| c.deliveries.clone());
    let deadlines: Vec<_> = all.iter().filter_map(|(_, d)| d.deadline).collect();
    assert_eq!(deadlines.len(), 2, "two calls, three seconds apart");
    assert!(deadlines[1] - deadlines[0] >= 3_000, "{deadlines:?}");
    assert_eq!(all.last().unwrap().1.deadline, None, "an end has no deadline");
}
