//! Doubts at Genesys, which does not drop what it already has: it is asked before anything is sent again.

use std::time::Duration;

use egress::outbox::Destination;
use egress::seam::Earlier;
use schemas::DeliveryStatus;
use standins::{Fault, Kind};

use crate::rig::{Platforms, Rig, config, platforms, rig, settings, to_genesys};

const INBOUND: &str = "/inbound/open/message";

async fn start() -> (Platforms, Rig) {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let rig = rig(Destination::Genesys, &config, settings(&config));
    (platforms, rig)
}

fn texts(platforms: &Platforms) -> Vec<String> {
    platforms.standins.genesys().received().after(0).into_iter().map(|m| m.text).collect()
}

#[tokio::test]
async fn a_cut_after_the_work_is_settled_by_asking() {
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
async fn a_cut_before_the_work_is_sent_again_after_two_times_absent() {
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
    assert_eq!(calls, 5, "two questions of two calls each, and the second try; the cut call is not counted");
}

#[tokio::test]
async fn a_time_out_is_settled_by_asking() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    config.egress.call_timeout = Duration::from_millis(300);
    let mut rig = rig(Destination::Genesys, &config, settings(&config));
    rig.put_genesys("p", "1");
    rig.finished(1).await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::DelayAfterMs { ms: 2_000 })]);
    rig.put_genesys("p", "2");
    rig.finished(2).await;
    assert_eq!(texts(&platforms), ["1", "2"]);
}

#[tokio::test]
async fn the_first_message_of_a_conversation_is_sent_again_and_may_be_twice() {
    let (platforms, mut rig) = start().await;
    platforms.standins.genesys().set_faults(vec![Fault::next(1, INBOUND, Kind::ResetAfter)]);
    rig.put_genesys("p", "1");
    let finals = rig.finished(1).await;
    assert_eq!((finals[0].status, finals[0].attempt), (DeliveryStatus::Delivered, 2));
    assert_eq!(texts(&platforms), ["1", "1"], "the window that the documentation names");
}

#[tokio::test]
async fn what_an_earlier_owner_began_is_asked_about_first() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    config.egress.call_timeout = Duration::from_millis(300);
    let mut rig = rig(Destination::Genesys, &config, settings(&config));
    // The earlier owner's call: the message is there, its answer was lost with the process.
    rig.put_genesys("p", "1");
    rig.put_genesys("p", "2");
    rig.finished(2).await;
    let started = runtime::clock::now_ms();
    rig.put("p", Some(to_genesys(1, "p", "2")), Some(Earlier::Started(started)));
    let finals = rig.finished(3).await;
    assert_eq!((finals[2].status, finals[2].attempt), (DeliveryStatus::Delivered, 0), "no call carried it");
    assert!(runtime::clock::now_ms() - started >= 300, "not before that call must have ended");
    assert_eq!(texts(&platforms), ["1", "2"]);
}
