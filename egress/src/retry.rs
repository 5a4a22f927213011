//! When to try again: the schedule as a value. Time and chance are arguments.

use std::time::Duration;

/// Longest `Retry-After` that is obeyed. Longer ones are taken for a mistake of the sender: a lane would wait so long
/// that nobody notices that it waits.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// How far chance spreads a delay, as a share of it, so that lanes that failed together do not return together.
const SPREAD: f64 = 0.25;

/// Widest spread behind a `Retry-After`.
const RETRY_AFTER_SPREAD: Duration = Duration::from_secs(1);

/// Delays between tries.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The first delays; later ones double up to `cap`.
    pub delays: Vec<Duration>,
    /// Longest delay that is not asked for by the platform.
    pub cap: Duration,
    /// Age at which a message that was tried and failed is given up.
    pub give_up_after: Duration,
}

impl Schedule {
    /// How long to wait before the `retry`th retry (from 0): never less than the schedule says or than the platform
    /// asked for (up to [`RETRY_AFTER_MAX`]), and a little more by `chance` (0 to 1).
    #[must_use]
    pub fn delay(&self, retry: u32, chance: f64, retry_after: Option<Duration>) -> Duration {
        let chance = chance.clamp(0.0, 1.0);
        match retry_after {
            Some(asked) => asked.min(RETRY_AFTER_MAX) + RETRY_AFTER_SPREAD.mul_f64(chance),
            None => {
                let delay = self.nominal(retry);
                delay + delay.mul_f64(SPREAD * chance)
            }
        }
    }

    fn nominal(&self, retry: u32) -> Duration {
        let at = usize::try_from(retry).unwrap_or(usize::MAX);
        if let Some(delay) = self.delays.get(at) {
            return *delay;
        }
        let last = self.delays.last().copied().unwrap_or(self.cap);
        let doublings = retry.saturating_sub(u32::try_from(self.delays.len()).unwrap_or(u32::MAX)) + 1;
        last.saturating_mul(2_u32.checked_pow(doublings).unwrap_or(u32::MAX)).min(self.cap)
    }

    /// The wait before the next try of a message that is `age` old, or none if it would then be too old. The listed
    /// delays are used in any case where the first try was made just now (`is_fresh`): what was old before it is not
    /// given up for one busy moment.
    #[must_use]
    pub fn next(
        &self,
        retry: u32,
        chance: f64,
        retry_after: Option<Duration>,
        age: Duration,
        is_fresh: bool,
    ) -> Option<Duration> {
        let delay = self.delay(retry, chance, retry_after);
        let is_listed = is_fresh && usize::try_from(retry).is_ok_and(|retry| retry < self.delays.len());
        (is_listed || age.saturating_add(delay) < self.give_up_after).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule { delays: vec![s(2), s(4), s(8)], cap: s(60), give_up_after: s(23 * 3600) }
    }

    #[test]
    fn delays_are_2_4_8_and_then_double_up_to_the_cap() {
        let nominal: Vec<u64> = (0..8).map(|retry| schedule().delay(retry, 0.0, None).as_secs()).collect();
        assert_eq!(nominal, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(schedule().delay(u32::MAX, 0.0, None), s(60));
        assert_eq!(Schedule { delays: vec![], ..schedule() }.delay(0, 0.0, None), s(60));
    }

    #[test]
    fn chance_only_adds_and_at_most_a_quarter() {
        assert_eq!(schedule().delay(2, 1.0, None), s(10));
        assert_eq!(schedule().delay(2, 0.5, None), s(9));
        assert_eq!(schedule().delay(2, 7.0, None), s(10));
    }

    #[test]
    fn retry_after_is_obeyed_and_clamped() {
        assert_eq!(schedule().delay(0, 0.0, Some(s(30))), s(30));
        assert_eq!(schedule().delay(5, 0.0, Some(s(1))), s(1));
        assert_eq!(schedule().delay(0, 1.0, Some(s(30))), s(31));
        assert_eq!(schedule().delay(0, 0.0, Some(Duration::MAX)), RETRY_AFTER_MAX);
    }

    #[test]
    fn a_message_is_given_up_when_its_next_try_would_be_too_late() {
        assert_eq!(schedule().next(3, 0.0, None, s(23 * 3600 - 17), true), Some(s(16)));
        assert_eq!(schedule().next(3, 0.0, None, s(23 * 3600 - 16), true), None);
        assert_eq!(schedule().next(3, 0.0, Some(s(600)), s(23 * 3600 - 300), true), None);
        assert_eq!(schedule().next(3, 0.0, None, Duration::MAX, true), None);
    }

    #[test]
    fn a_message_that_was_old_before_its_first_try_gets_the_listed_delays() {
        let waits: Vec<_> =
            (0..4).map(|retry| schedule().next(retry, 0.0, None, s(48 * 3600), true)).collect();
        assert_eq!(waits, [Some(s(2)), Some(s(4)), Some(s(8)), None]);
        assert_eq!(
            schedule().next(0, 0.0, None, s(48 * 3600), false),
            None,
            "tried long ago, by an earlier owner"
        );
    }
}
