//! What a seed decides before anything runs: how the world is made, which faults it has, and what people write.

use runtime::config::Guarantee;
use streams::{Limits, Millis};

use super::random::Random;

pub(super) const HOLD: Millis = 2_000;
/// The hold while records come out of spools. Shorter than in production, so that a run ends soon.
pub(super) const DETOUR_HOLD: Millis = 4_000;
/// How long time stands still after a broker has come back, which was away from all.
pub(super) const RETURNED: Millis = 2_000;
/// How long the client of ingress tries to write a record, though its request has gone to the spool.
const TRIED_FOR: Millis = 2_000;
pub(super) const DAY: Millis = 24 * 60 * 60 * 1000;
const HOUR: Millis = 60 * 60 * 1000;
/// When every run begins, ms since 1970.
pub(super) const BEGIN: i64 = 20_000 * DAY;
/// Partitions of the outbox.
pub(super) const OUTBOXES: usize = 2;

pub(super) const LIMITS: Limits = Limits {
    dedupe_retention: 30 * DAY,
    source_retention: 7 * DAY,
    too_old: "too_old",
    too_far_in_future: "too_far_in_future",
};

/// The faults of a seed, in parts of a hundred thousand steps, but where it says otherwise.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) kill: u64,
    /// The process stands still and goes on later.
    pub(super) stop: u64,
    /// The process works on and hears nothing of its group.
    pub(super) deaf: u64,
    /// The process ends in good order.
    pub(super) end: u64,
    /// Of the requests to decide a transaction: never arrives. At least once, of those to commit offsets, and of the
    /// looks at what was written.
    pub(super) lost_request: u64,
    /// Of the same: arrives, its answer does not.
    pub(super) lost_answer: u64,
    /// Of the kills: the local state loses its last writes.
    pub(super) damage: u64,
    /// Of the kills: the local state is gone.
    pub(super) loss: u64,
    /// All stop, and the positions are set back.
    pub(super) rewind: u64,
    /// The whole world stands still.
    pub(super) jump: u64,
}

/// A seed's world.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) guarantee: Guarantee,
    /// Whether a conversation's burst leaves in one go.
    pub(super) together: bool,
    pub(super) partitions: usize,
    pub(super) instances: usize,
    /// The client knows at once what the broker has, so that task time never runs over an unread record.
    pub(super) exact: bool,
    /// By how much the broker's clock may step back, in ms.
    pub(super) skew: i64,
    pub(super) commit_interval: i64,
    pub(super) write_back: i64,
    pub(super) hold_bytes: usize,
    /// Whether the broker is away for a time, and two spools are drained when it is back.
    outage: bool,
    /// From when to when it was away from the processors too: where it was, nothing moves time in between.
    pub(super) away: Option<(i64, i64)>,
    /// Whether gaps of hours and days are among the records.
    pub(super) days: bool,
    pub(super) faults: Faults,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Filtered,
    Unreadable,
}

/// An event of a platform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) id: u32,
    pub(super) kind: Kind,
    pub(super) conversation: u8,
    pub(super) time: i64,
    /// When ingress took this copy of it in; `None` where that is when it is appended.
    pub(super) received: Option<i64>,
    /// Whether this copy of it came out of a spool.
    pub(super) spooled: bool,
}

/// An event that arrives.
pub(super) struct Arrival {
    pub(super) at: i64,
    pub(super) event: Event,
}

impl Event {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(23);
        bytes.push(match self.kind {
            Kind::Message => 0,
            Kind::Filtered => 1,
            Kind::Unreadable => 2,
        });
        bytes.push(self.conversation);
        bytes.push(u8::from(self.spooled));
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.time.to_be_bytes());
        bytes.extend_from_slice(&self.received.unwrap_or(i64::MAX).to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Self {
        let (head, received) = bytes.split_last_chunk().expect("written by encode");
        let (head, time) = head.split_last_chunk().expect("written by encode");
        let (head, id) = head.split_last_chunk().expect("written by encode");
        Self {
            id: u32::from_be_bytes(*id),
            kind: match head[0] {
                0 => Kind::Message,
                1 => Kind::Filtered,
                _ => Kind::Unreadable,
            },
            conversation: head[1],
            time: i64::from_be_bytes(*time),
            received: Some(i64::from_be_bytes(*received)).filter(|received| *received < i64::MAX),
            spooled: head[2] == 1,
        }
    }

    /// Its dedupe key. The lowest 32 bits are free, for the defects.
    pub(super) fn key(&self) -> u128 {
        (u128::from(self.id) + 1) * 0x9E37_79B9_7F4A_7C15_0000_0000
    }
}

impl Settings {
    pub(super) fn new(guarantee: Guarantee, together: bool, random: &mut Random) -> Self {
        let exact = random.chance(50_000);
        // Each seed has some of the faults: where all come at once they hide each other.
        let mut some = |rates: &[u64]| random.pick(rates);
        let faults = Faults {
            kill: some(&[0, 0, 100, 300]),
            stop: some(&[0, 0, 100, 300]),
            deaf: some(&[0, 0, 100, 300]),
            end: some(&[0, 0, 100, 200]),
            lost_request: some(&[0, 0, 2_000, 10_000]),
            lost_answer: some(&[0, 0, 2_000, 10_000]),
            damage: some(&[0, 30_000, 80_000]),
            loss: some(&[0, 0, 20_000, 50_000]),
            rewind: some(&[0, 0, 0, 60, 150]),
            jump: some(&[0, 0, 50, 200]),
        };
        Self {
            guarantee,
            together,
            partitions: 2 + random.below(3),
            instances: 2 + random.below(2),
            exact,
            skew: if exact { 0 } else { random.pick(&[0, 0, 60]) },
            commit_interval: random.between(50, 400),
            write_back: random.between(300, 3_000),
            hold_bytes: random.pick(&[usize::MAX, usize::MAX, usize::MAX, 500, 1_500]),
            outage: random.chance(25_000),
            away: None,
            days: random.chance(15_000),
            faults,
        }
    }

    /// What arrives, in order of time.
    pub(super) fn arrivals(&mut self, random: &mut Random) -> Vec<Arrival> {
        let count = 50 + random.below(110);
        let conversations = self.partitions * (1 + random.below(3));
        let mut events: Vec<Event> = Vec::with_capacity(count);
        let mut at = BEGIN + random.between(0, 100_000);
        let mut arrivals = Vec::with_capacity(count);
        for _ in 0..count {
            at += self.gap(random);
            let event = if !events.is_empty() && random.chance(15_000) {
                let recent = events.len().saturating_sub(if random.chance(70_000) { 8 } else { usize::MAX });
                events[recent + random.below(events.len() - recent)]
            } else {
                let event = Event {
                    id: u32::try_from(events.len()).expect("few"),
                    kind: match random.below(20) {
                        0 => Kind::Filtered,
                        1 => Kind::Unreadable,
                        _ => Kind::Message,
                    },
                    conversation: u8::try_from(random.below(conversations)).expect("few"),
                    time: event_time(at, random),
                    received: None,
                    spooled: false,
                };
                events.push(event);
                event
            };
            arrivals.push(Arrival { at, event });
        }
        if self.outage {
            let outage = spool(&mut arrivals, random);
            self.away = random.chance(60_000).then_some(outage);
        }
        arrivals
    }

    fn gap(&self, random: &mut Random) -> i64 {
        match random.below(100) {
            0..40 => random.between(0, 15),
            40..95 => random.between(10, 120),
            95..98 => random.between(500, 2_500),
            98 => random.between(1_500, 6_000),
            _ if self.days => random.between(HOUR, 6 * DAY),
            _ => 0,
        }
    }
}

/// What arrives in a stretch of time lies in two spools, which are drained in order, each at its own pace. Of some the
/// client that first tried to write it still does so when the broker is back. Says from when to when it was away.
fn spool(arrivals: &mut Vec<Arrival>, random: &mut Random) -> (i64, i64) {
    let first = random.below(arrivals.len() / 2);
    let from = arrivals[first].at;
    let back = from + random.between(1_000, 6_000);
    let mut free = [back, back + random.between(0, 1_500)];
    let pace = [random.between(5, 60), random.between(5, 60)];
    let mut tried = Vec::new();
    for arrival in &mut arrivals[first..] {
        let instance = random.below(2);
        // A spool that is not empty takes everything.
        if arrival.at < free[instance] {
            arrival.event.received = Some(arrival.at);
            if arrival.at < back && back < arrival.at + TRIED_FOR && random.chance(40_000) {
                tried.push(Arrival { at: back + random.between(0, 100), event: arrival.event });
            }
            arrival.at = free[instance];
            arrival.event.spooled = true;
            free[instance] += pace[instance];
        }
    }
    arrivals.extend(tried);
    arrivals.sort_by_key(|arrival| arrival.at);
    (from, back)
}

fn event_time(at: i64, random: &mut Random) -> i64 {
    match random.below(100) {
        0..70 => at - random.between(0, 1_400),
        70..80 => at - random.between(0, 5_000),
        80..86 => at - random.between(2_000, 60_000),
        86..90 => at + random.between(0, 3_000),
        90..92 => at + random.between(0, 20 * HOUR),
        92..94 => at - random.between(HOUR, 21 * DAY),
        94 => at - 22 * DAY + random.between(-10, 10),
        95 => at + DAY + random.between(-10, 10),
        96 => at - random.between(23 * DAY, 400 * DAY),
        97 => at + random.between(2 * DAY, 400 * DAY),
        // The same millisecond for several.
        _ => at - at.rem_euclid(500),
    }
}
