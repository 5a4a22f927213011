//! Carries out the timeline on the running product, and notes what was done to whom.

use std::time::Duration;

use e2e::{Broker, Outcome, wait};
use runtime::clock::now_ms;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::blows::{Blow, Timeline, name};
use crate::fleet::Fleet;
use crate::ownership::Part;
use crate::say;

/// Between two turns of whoever looks after the processes.
const TURN: Duration = Duration::from_millis(100);
/// Between two looks at the metrics.
const LOOKS: Duration = Duration::from_secs(1);
/// For both instances of a service to run again before the next blow.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// A blow that was dealt.
#[derive(Debug)]
pub(crate) struct Struck {
    pub(crate) blow: Blow,
    /// When, ms since 1970.
    pub(crate) at_ms: u64,
    /// Until the broker answered again; of the other blows it is the same as `at_ms`.
    pub(crate) until_ms: u64,
    /// What the victim owned.
    pub(crate) owned: Vec<Part>,
}

pub(crate) fn now() -> u64 {
    u64::try_from(now_ms()).unwrap_or_default()
}

/// Deals every blow at its time, and looks after the processes until `is_over`.
pub(crate) async fn strike(
    fleet: &mut Fleet,
    broker: &mut Broker,
    timeline: &Timeline,
    is_over: impl Fn() -> bool,
) -> Outcome<Vec<Struck>> {
    let start = Instant::now();
    let mut struck = Vec::new();
    for (at, blow) in &timeline.blows {
        tend_until(fleet, || start.elapsed() >= *at).await?;
        let deadline = Instant::now() + UP_WITHIN;
        while !fleet.all_of_service_up(*blow) && Instant::now() < deadline {
            fleet.tend()?;
            sleep(TURN).await;
        }
        let at = start.elapsed();
        let done = deal(fleet, broker, *blow).await?;
        say(&format!("{:>7.1} s  {}", at.as_secs_f64(), told(*blow, &done)));
        struck.push(done);
    }
    tend_until(fleet, || is_over() && start.elapsed() >= timeline.length).await?;
    Ok(struck)
}

async fn tend_until(fleet: &mut Fleet, is_over: impl Fn() -> bool) -> Outcome {
    let mut next_look = Instant::now();
    while !is_over() {
        fleet.tend()?;
        if Instant::now() >= next_look {
            fleet.look().await;
            next_look = Instant::now() + LOOKS;
        }
        sleep(TURN).await;
    }
    Ok(())
}

async fn deal(fleet: &mut Fleet, broker: &mut Broker, blow: Blow) -> Outcome<Struck> {
    let mut owned = match blow {
        Blow::Kill { service, instance, .. } | Blow::Pause { service, instance, .. } => {
            fleet.owned_by(service, instance)
        }
        Blow::Broker { .. } => Part::all(),
    };
    owned.sort();
    let at_ms = now();
    match blow {
        Blow::Kill { service, instance, in_order, back } => {
            fleet.end(service, instance, in_order, back).await?;
        }
        Blow::Pause { service, instance, time } => fleet.pause(service, instance, time)?,
        Blow::Broker { away } => block_in_place(|| {
            broker.kill9()?;
            let end = std::time::Instant::now() + away;
            let waited = wait::until_blocking("the time without a broker", away * 2, || {
                (std::time::Instant::now() >= end).then_some(())
            });
            waited.and_then(|()| broker.restart())
        })?,
    }
    let until_ms = if matches!(blow, Blow::Broker { .. }) { now() } else { at_ms };
    Ok(Struck { blow, at_ms, until_ms, owned })
}

fn told(blow: Blow, done: &Struck) -> String {
    let owned = done.owned.len();
    match blow {
        Blow::Kill { service, instance, in_order, back } => {
            let signal = if in_order { "SIGTERM" } else { "SIGKILL" };
            format!(
                "{signal} to {}-{instance}, back {back:?} after its end; it owned {owned} partitions",
                name(service)
            )
        }
        Blow::Pause { service, instance, time } => {
            format!(
                "SIGSTOP to {}-{instance}, SIGCONT after {time:?}; it owned {owned} partitions",
                name(service)
            )
        }
        Blow::Broker { .. } => {
            format!("the broker was killed and answered again after {} ms", done.until_ms - done.at_ms)
        }
    }
}
