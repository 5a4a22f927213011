//! Whether the broker was away: then ingress has spooled, and time must not run on by the clock before what was spooled
//! arrives. Kept for the whole process, since a thread that begins anew meanwhile has seen nothing of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection that is lost for less is nothing: ingress spools what is not acknowledged for 1.2 s, and a loss is seen
/// late.
const LOST_FOR: Duration = Duration::from_millis(700);
/// A thread that needs longer to connect takes it that the broker was away. With all well it takes some 100 ms.
const CONNECTED_AFTER: Duration = Duration::from_secs(2);
/// How long time stands still once the broker is back: until every ingress instance has connected again and its spool's
/// first records are written.
const RETURNED_FOR: Duration = Duration::from_secs(5);

#[derive(Default)]
struct State {
    is_away: bool,
    still_until: Option<Instant>,
}

/// What the threads of a process have seen.
#[derive(Default)]
pub(super) struct Outage(Mutex<State>);

impl Outage {
    /// A thread has connected.
    pub(super) fn connected(&self, begun: Instant, now: Instant) {
        if now.duration_since(begun) >= CONNECTED_AFTER {
            self.lock().is_away = true;
        }
    }

    /// The leader of a partition has been out of reach since then.
    pub(super) fn is_lost(&self, since: Instant, now: Instant) {
        if now.duration_since(since) >= LOST_FOR {
            self.lock().is_away = true;
        }
    }

    /// The leader of a partition answers: whether its time may run by the clock.
    pub(super) fn lets_time_run(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if std::mem::take(&mut state.is_away) {
            let seconds = RETURNED_FOR.as_secs();
            tracing::info!(seconds, "the broker is back, idle partitions wait for what ingress has spooled");
            state.still_until = Some(now + RETURNED_FOR);
        }
        state.still_until.is_none_or(|until| until <= now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_for_a_while_after_the_broker_is_back() {
        let (outage, lost) = (Outage::default(), Instant::now());
        assert!(outage.lets_time_run(lost));
        outage.is_lost(lost, lost + LOST_FOR);
        let back = lost + Duration::from_secs(20);
        assert!(!outage.lets_time_run(back));
        assert!(!outage.lets_time_run(back + RETURNED_FOR - Duration::from_millis(1)));
        assert!(outage.lets_time_run(back + RETURNED_FOR));
    }

    #[test]
    fn a_connection_that_is_lost_for_a_moment_is_nothing() {
        let (outage, lost) = (Outage::default(), Instant::now());
        outage.is_lost(lost, lost + LOST_FOR - Duration::from_millis(1));
        outage.connected(lost, lost + Duration::from_secs(1));
        assert!(outage.lets_time_run(lost + Duration::from_secs(1)));
    }

    #[test]
    fn a_thread_that_had_to_wait_for_the_broker_knows_that_it_was_away() {
        let (outage, begun) = (Outage::default(), Instant::now());
        outage.connected(begun, begun + CONNECTED_AFTER);
        assert!(!outage.lets_time_run(begun + CONNECTED_AFTER));
    }
}
