//! What is done to the product and when: the timeline of a run, made from its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::Service;

use crate::dice::Dice;

/// Before the first blow: everybody has found their partitions.
const WARM_UP: Duration = Duration::from_secs(12);
/// Between two blows, at least; a random time below the second is added.
const APART: Duration = Duration::from_secs(15);
const APART_MORE_MS: u64 = 4_000;
/// A killed process is started again after this time,
const SOON: Duration = Duration::from_secs(2);
/// or left to its sibling for this time.
const LEFT: Duration = Duration::from_secs(30);
/// How long a process is stopped: longer than the session time-out, so that it comes back as a zombie.
const PAUSED: Duration = Duration::from_secs(20);
/// How long a killed broker is away before it is started again, in ms.
const BROKER_AWAY_MS: (u64, u64) = (2_000, 8_000);
/// For a broker that was killed to be itself again, registered when its old session has ended, and for everybody to
/// have found it and their partitions.
const BROKER_BACK: Duration = Duration::from_secs(35);
/// For a process that was started again or goes on to have its partitions.
const SETTLED: Duration = Duration::from_secs(12);
/// After the last blow is over.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// Share of the kills that are a SIGTERM, and of those that are left to the sibling.
const IN_ORDER: f64 = 0.35;
const LEFT_ALONE: f64 = 0.5;
/// Whom the kills go to, in turn: those who own partitions more often.
const TURNS: [Service; 5] =
    [Service::Processors, Service::Egress, Service::Ingress, Service::Processors, Service::Egress];
/// One pause for so many kills.
const KILLS_A_PAUSE: usize = 4;

/// One blow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// A process is ended, with SIGTERM if `in_order`, else with SIGKILL, and started again after `back`.
    Kill { service: Service, instance: usize, in_order: bool, back: Duration },
    /// A process is stopped and continued.
    Pause { service: Service, instance: usize, time: Duration },
    /// The broker is killed and started again.
    Broker { away: Duration },
}

impl Blow {
    /// How long its victim is not to be relied on.
    fn lasts(self) -> Duration {
        match self {
            Blow::Kill { back, .. } => back + SETTLED,
            Blow::Pause { time, .. } => time + SETTLED,
            Blow::Broker { away } => away + BROKER_BACK,
        }
    }

    /// Whose instance it strikes; none where it is the broker.
    pub(crate) fn service(self) -> Option<Service> {
        match self {
            Blow::Kill { service, .. } | Blow::Pause { service, .. } => Some(service),
            Blow::Broker { .. } => None,
        }
    }

    /// Whether the victim's sibling was left alone with its work.
    pub(crate) fn is_left(self) -> bool {
        matches!(self, Blow::Kill { back, .. } if back >= LEFT)
    }
}

/// The blows of a run at their times, in order, and the length of the load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    pub(crate) blows: Vec<(Duration, Blow)>,
    pub(crate) length: Duration,
}

/// Makes the timeline; at least `length` long where that is given.
pub(crate) fn timeline(seed: u64, kills: usize, restarts: usize, length: Option<Duration>) -> Timeline {
    let mut dice = Dice::new(seed, 1);
    let mut waiting: Vec<Blow> = (0..kills).map(|nth| kill(&mut dice, TURNS[nth % TURNS.len()])).collect();
    for nth in 0..kills.div_ceil(KILLS_A_PAUSE) {
        let service = [Service::Processors, Service::Egress][nth % 2];
        waiting.push(Blow::Pause { service, instance: instance(&mut dice), time: PAUSED });
    }
    for _ in 0..restarts {
        waiting.push(Blow::Broker { away: Duration::from_millis(dice.between(BROKER_AWAY_MS)) });
    }
    dice.shuffle(&mut waiting);

    let mut blows: Vec<(Duration, Blow)> = Vec::new();
    let mut earliest = WARM_UP;
    let mut end = WARM_UP;
    // Never both instances of a service at once: then there would be nobody to take over.
    let mut free: BTreeMap<&str, Duration> = BTreeMap::new();
    while !waiting.is_empty() {
        let when = |blow: &Blow| {
            let service = blow.service().and_then(|service| free.get(name(service)).copied());
            earliest.max(service.unwrap_or_default())
        };
        let next = (0..waiting.len()).min_by_key(|nth| (when(&waiting[*nth]), *nth)).unwrap_or(0);
        let at = when(&waiting[next]);
        let blow = waiting.remove(next);
        let over = at + blow.lasts();
        match blow.service() {
            Some(service) => {
                free.insert(name(service), over);
                earliest = at + APART + Duration::from_millis(dice.below(APART_MORE_MS));
            }
            // Nobody can take over anything without a broker.
            None => earliest = over,
        }
        end = end.max(over);
        blows.push((at, blow));
    }
    let planned = end + COOL_DOWN;
    let length = length.unwrap_or_default().max(planned);
    // A longer run has the same blows further apart.
    let stretch = length.as_secs_f64() / planned.as_secs_f64();
    for (at, _) in &mut blows {
        *at = at.mul_f64(stretch);
    }
    Timeline { blows, length }
}

fn instance(dice: &mut Dice) -> usize {
    usize::from(dice.hits(0.5))
}

fn kill(dice: &mut Dice, service: Service) -> Blow {
    let (instance, in_order, left) = (instance(dice), dice.hits(IN_ORDER), dice.hits(LEFT_ALONE));
    Blow::Kill { service, instance, in_order, back: if left { LEFT } else { SOON } }
}

/// The name of a service in instances' names and in the account.
pub(crate) fn name(service: Service) -> &'static str {
    match service {
        Service::Ingress => "ingress",
        Service::Processors => "processors",
        Service::Egress => "egress",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blows_are_apart_and_a_service_keeps_one_instance() {
        for seed in 0..200 {
            let Timeline { blows, length } = timeline(seed, 12, 2, None);
            assert_eq!(blows.len(), 12 + 3 + 2);
            for pair in blows.windows(2) {
                assert!(pair[1].0 >= pair[0].0 + APART, "seed {seed}: {pair:?}");
            }
            for (nth, (at, blow)) in blows.iter().enumerate() {
                assert!(*at + blow.lasts() <= length);
                let over = *at + blow.lasts();
                for (later, other) in &blows[nth + 1..] {
                    let disjoint = other.service() != blow.service() && blow.service().is_some();
                    assert!(disjoint || *later >= over, "seed {seed}: {blow:?} and {other:?} at {later:?}");
                }
            }
        }
        assert_eq!(timeline(7, 4, 1, None), timeline(7, 4, 1, None));
        assert_ne!(timeline(7, 4, 1, None), timeline(8, 4, 1, None));
    }

    #[test]
    fn a_longer_run_is_stretched() {
        let (short, long) = (timeline(7, 4, 1, None), timeline(7, 4, 1, Some(Duration::from_secs(3_600))));
        assert_eq!(long.length, Duration::from_secs(3_600));
        assert!(long.blows[5].0 > short.blows[5].0 * 10);
        assert!(short.length < Duration::from_secs(200), "{:?}", short.length);
    }
}
