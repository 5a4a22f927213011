//! One rule for all tries: what fails is tried again when the schedule says so, and never in between.

use std::time::Duration;

use egress::retry::Schedule;
use egress::settings::Settings;
use futures_util::future::join_all;
use platforms::Platform;
use schemas::{Delivery, DeliveryStatus};
use standins::{Fault, Kind};
use tokio::time::{Instant, sleep};

use crate::rig::{DEADLINE, GENESYS, LINE, Platforms, Rig, config, platforms, rig, settings};

const PUSH: &str = "/v2/bot/message/push";
const INBOUND: &str = "/inbound/open/message";
const TOKEN: &str = "/oauth/token";
const QUESTION: &str = "/messages/bulk";

/// Calls that fail in each case; the next one is served.
const FAILURES: u64 = 3;
/// For a call; short, so that what is never answered fails soon.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// Before each of the two questions about a message that may have arrived.
const ASK_AFTER: Duration = Duration::from_millis(50);
/// How much sooner than it may a call can seem to come: the one before was seen late.
const SEEN_LATE: Duration = Duration::from_millis(250);
/// How much later a call may come on a busy machine.
const BUSY: Duration = Duration::from_millis(750);
/// How long after the last call another one would have come.
const QUIET: Duration = Duration::from_millis(1_500);

/// The delays that users get.
fn schedule() -> Schedule {
    let s = Duration::from_secs;
    Schedule { delays: vec![s(2), s(4), s(8)], cap: s(60), give_up_after: s(23 * 3600) }
}

/// Which calls fail, and how.
struct Case {
    name: &'static str,
    destination: &'static Platform,
    /// Part of the path of the calls.
    path: &'static str,
    kind: Kind,
    /// What passes between a call and the delay that follows it: until it is given up, or has been asked about.
    before: Duration,
}

fn cases() -> Vec<Case> {
    let status = |status| Kind::Status { status, retry_after: None, message: None };
    let never = || Kind::DelayMs { ms: 600_000 };
    let (at_once, asked) = (Duration::ZERO, 2 * ASK_AFTER);
    let case = |name, destination, path, kind, before| Case { name, destination, path, kind, before };
    vec![
        case("LINE: 500", LINE, PUSH, status(500), at_once),
        case("LINE: 429", LINE, PUSH, status(429), at_once),
        case("LINE: reset", LINE, PUSH, Kind::ResetBefore, at_once),
        case("LINE: no answer", LINE, PUSH, never(), CALL_TIMEOUT),
        case("Genesys: 500", GENESYS, INBOUND, status(500), asked),
        case("Genesys: 429", GENESYS, INBOUND, status(429), at_once),
        case("Genesys: reset", GENESYS, INBOUND, Kind::ResetBefore, asked),
        case("Genesys: no answer", GENESYS, INBOUND, never(), CALL_TIMEOUT + asked),
        case("token: 500", GENESYS, TOKEN, status(500), at_once),
        case("token: reset", GENESYS, TOKEN, Kind::ResetBefore, at_once),
        case("token: no answer", GENESYS, TOKEN, never(), CALL_TIMEOUT),
        case("question: 500", GENESYS, QUESTION, status(500), at_once),
        case("question: reset", GENESYS, QUESTION, Kind::ResetBefore, at_once),
    ]
}

impl Case {
    /// Both stand-ins, with the faults of the case, and the message on its way.
    async fn start(&self) -> (Platforms, Rig) {
        let platforms = platforms(|_| {}).await;
        let config = config(platforms.address);
        let (schedule, call_timeout, ask_after) = (schedule(), CALL_TIMEOUT, ASK_AFTER);
        let settings = Settings { schedule, call_timeout, ask_after, ..settings(&config) };
        let mut rig = rig(self.destination, &config, settings);
        if self.has_talked() {
            rig.put_genesys("p", "before");
            rig.finished(1).await;
        }
        let mut faults = vec![
            // Does nothing but count.
            Fault::share(1.0, 0, self.path, Kind::DelayMs { ms: 0 }),
            Fault::next(FAILURES, self.path, self.kind.clone()),
        ];
        if self.path == QUESTION {
            faults.push(Fault::next(1, INBOUND, Kind::ResetAfter));
        }
        if self.destination == GENESYS {
            platforms.standins.genesys().set_faults(faults);
            rig.put_genesys("p", "text");
        } else {
            platforms.standins.line().set_faults(faults);
            rig.put_line("th", "p", "text");
        }
        (platforms, rig)
    }

    /// Whether the person has written before: in a conversation that is known, two questions settle a doubt.
    fn has_talked(&self) -> bool {
        matches!(self.path, INBOUND | QUESTION)
    }

    /// The calls so far. One that fails has met two faults.
    fn calls(&self, platforms: &Platforms) -> usize {
        let standins = &platforms.standins;
        let hits = if self.destination == GENESYS {
            standins.genesys().faults_hit()
        } else {
            standins.line().faults_hit()
        };
        let hits = hits.saturating_sub(u64::from(self.path == QUESTION));
        usize::try_from((hits / 2).min(FAILURES) + hits.saturating_sub(2 * FAILURES)).unwrap()
    }

    /// When each call came until the message was finished and for a while after, and what became of the message.
    async fn watch(&self) -> (Vec<Instant>, Delivery) {
        let (platforms, rig) = self.start().await;
        let mut arrivals: Vec<Instant> = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        let mut end = deadline;
        while Instant::now() < end {
            arrivals.resize(self.calls(&platforms), Instant::now());
            if end == deadline && rig.results.finals().len() > usize::from(self.has_talked()) {
                end = Instant::now() + QUIET;
            }
            sleep(Duration::from_millis(5)).await;
        }
        let last = rig.results.finals().pop().unwrap_or_else(|| panic!("{}: not finished", self.name));
        (arrivals, last)
    }

    fn check(&self, arrivals: &[Instant], delivery: &Delivery) {
        let (name, schedule) = (self.name, schedule());
        let gaps: Vec<Duration> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(
            gaps.len(),
            schedule.delays.len(),
            "{name}: one call for each delay, and the first: {gaps:?}"
        );
        for (retry, gap) in (0..).zip(&gaps) {
            let delay = |chance| self.before + schedule.delay(retry, chance, None);
            let range = delay(0.0) - SEEN_LATE..=delay(1.0) + BUSY;
            assert!(range.contains(gap), "{name}: retry {retry} after {gap:?}, not in {range:?}");
        }
        assert_eq!(delivery.status, DeliveryStatus::Delivered, "{name}");
        let carries_it = matches!(self.path, PUSH | INBOUND);
        assert_eq!(delivery.attempt, if carries_it { 4 } else { 1 }, "{name}");
    }
}

#[tokio::test]
async fn no_second_retry_loop_has_its_own_rule() {
    let cases = cases();
    let watched = join_all(cases.iter().map(Case::watch)).await;
    for (case, (arrivals, delivery)) in cases.iter().zip(&watched) {
        case.check(arrivals, delivery);
    }
}
