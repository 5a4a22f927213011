//! The limit of a key: in any window at most N calls, exactly. The log is pure; the wait around it is thin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

/// By how much two clocks may run apart, as a share of the window: windows are made longer by it.
const DRIFT: f64 = 0.001;

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Now; the slot is taken.
    Granted,
    /// Not before this time.
    At(Duration),
    /// Not before a call that is running has been answered.
    WhenAnswered,
}

/// An exact sliding log. A call holds its slot from before it is made until one window after its answer: the
/// receiver's clock counts arrivals, and an arrival lies somewhere between the two. So of the calls that arrive in any
/// window of the receiver, all hold a slot at the time the last of them arrives. A token bucket would let through
/// nearly twice as many across the edge of a window.
///
/// Times are durations since an origin that the caller chooses.
#[derive(Debug)]
pub struct SlidingLog {
    calls: usize,
    window: Duration,
    running: usize,
    frees: VecDeque<Duration>,
    rest_until: Duration,
}

impl SlidingLog {
    /// At most `calls` (at least one) in any `window`.
    #[must_use]
    pub fn new(calls: u32, window: Duration) -> Self {
        Self {
            calls: usize::try_from(calls).unwrap_or(usize::MAX).max(1),
            window: window + window.mul_f64(DRIFT),
            running: 0,
            frees: VecDeque::new(),
            rest_until: Duration::ZERO,
        }
    }

    /// Takes a slot if there is one.
    pub fn take(&mut self, now: Duration) -> Slot {
        while self.frees.front().is_some_and(|free| *free <= now) {
            self.frees.pop_front();
        }
        if now < self.rest_until {
            return Slot::At(self.rest_until);
        }
        if self.running + self.frees.len() < self.calls {
            self.running += 1;
            return Slot::Granted;
        }
        self.frees.front().map_or(Slot::WhenAnswered, |free| Slot::At(*free))
    }

    /// A call was answered, or given up.
    pub fn answered(&mut self, now: Duration) {
        self.running -= 1;
        self.frees.push_back(now + self.window);
    }

    /// A call that an earlier owner of the key made and that was answered `ago`.
    pub fn remember(&mut self, now: Duration, ago: Duration) {
        if let Some(left) = self.window.checked_sub(ago) {
            let free = now + left;
            let at = self.frees.partition_point(|other| *other <= free);
            self.frees.insert(at, free);
        }
    }

    /// The platform asked for a rest.
    pub fn rest(&mut self, until: Duration) {
        self.rest_until = self.rest_until.max(until);
    }
}

/// A limit that is waited for, first come, first served.
#[derive(Debug)]
pub struct Limit {
    origin: Instant,
    log: Mutex<SlidingLog>,
    /// One waits at the log, the others in the queue of this semaphore.
    turn: Semaphore,
    changed: Notify,
}

impl Limit {
    /// At most `calls` in any `window`.
    #[must_use]
    pub fn new(calls: u32, window: Duration) -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            log: Mutex::new(SlidingLog::new(calls, window)),
            turn: Semaphore::new(1),
            changed: Notify::new(),
        })
    }

    /// Waits for a slot. The second value says whether it had to wait. Safe to cancel.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn acquire(self: &Arc<Self>) -> (Permit, bool) {
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        let mut waited = false;
        loop {
            // Registered before the log is looked at, so that an answer in between is not missed.
            let changed = self.changed.notified();
            let slot = self.log().take(self.now());
            match slot {
                Slot::Granted => return (Permit { limit: self.clone() }, waited),
                Slot::At(at) => tokio::select! {
                    () = sleep_until(self.origin + at) => {}
                    () = changed => {}
                },
                Slot::WhenAnswered => changed.await,
            }
            waited = true;
        }
    }

    /// No calls for `duration`, because the platform said so.
    pub fn rest(&self, duration: Duration) {
        let until = self.now() + duration;
        self.log().rest(until);
        self.changed.notify_one();
    }

    /// Counts a call that an earlier owner made and that was answered `ago`.
    pub fn remember(&self, ago: Duration) {
        let now = self.now();
        self.log().remember(now, ago);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn log(&self) -> MutexGuard<'_, SlidingLog> {
        self.log.lock().expect("nothing panics while it holds the log")
    }
}

/// A slot. Dropping it says that the call was answered or given up.
#[derive(Debug)]
pub struct Permit {
    limit: Arc<Limit>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.limit.now();
        self.limit.log().answered(now);
        self.limit.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_slot_frees_one_window_after_the_answer() {
        let mut log = SlidingLog::new(2, ms(1_000));
        assert_eq!(log.take(ms(0)), Slot::Granted);
        assert_eq!(log.take(ms(0)), Slot::Granted);
        assert_eq!(log.take(ms(5_000)), Slot::WhenAnswered, "unanswered calls may arrive at any time");
        log.answered(ms(5_000));
        assert_eq!(log.take(ms(5_500)), Slot::At(ms(6_001)));
        log.answered(ms(5_600));
        assert_eq!(log.take(ms(6_000)), Slot::At(ms(6_001)));
        assert_eq!(log.take(ms(6_001)), Slot::Granted);
        assert_eq!(log.take(ms(6_001)), Slot::At(ms(6_601)));
    }

    #[test]
    fn a_rest_stops_everything_and_is_never_shortened() {
        let mut log = SlidingLog::new(10, ms(1_000));
        log.rest(ms(300));
        log.rest(ms(100));
        assert_eq!(log.take(ms(299)), Slot::At(ms(300)));
        assert_eq!(log.take(ms(300)), Slot::Granted);
    }

    #[test]
    fn calls_of_an_earlier_owner_count() {
        let mut log = SlidingLog::new(1, ms(1_000));
        log.remember(ms(0), ms(400));
        log.remember(ms(0), ms(9_000));
        assert_eq!(log.take(ms(0)), Slot::At(ms(601)));
        assert_eq!(log.take(ms(601)), Slot::Granted);
    }

    proptest! {
        /// Arrivals at the receiver, each anywhere between grant and answer: no window holds more than N.
        #[test]
        fn no_window_of_the_receiver_holds_more(
            calls in 1_u32..6,
            offers in prop::collection::vec((0_u64..400, 0_u64..900, 0.0_f64..1.0), 1..80),
        ) {
            let mut log = SlidingLog::new(calls, ms(1_000));
            let mut answers: Vec<u64> = Vec::new();
            let mut arrivals: Vec<u64> = Vec::new();
            let mut now = 0;
            for (gap, takes, share) in offers {
                now += gap;
                // Waits, as the wrapper does, until a slot is granted.
                loop {
                    answers.sort_unstable();
                    while answers.first().is_some_and(|answer| *answer <= now) {
                        let at = answers.remove(0);
                        log.answered(ms(at));
                    }
                    match log.take(ms(now)) {
                        Slot::Granted => break,
                        Slot::At(at) => now = u64::try_from(at.as_micros().div_ceil(1_000)).unwrap(),
                        Slot::WhenAnswered => now = answers[0],
                    }
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of at most 900 ms")]
                arrivals.push(now + (takes as f64 * share) as u64);
                answers.push(now + takes);
            }
            arrivals.sort_unstable();
            for (at, first) in arrivals.iter().enumerate() {
                let inside = arrivals[at..].iter().filter(|arrival| **arrival < first + 1_000).count();
                prop_assert!(inside <= usize::try_from(calls).unwrap());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_are_served_in_order_of_arrival() {
        let limit = Limit::new(1, ms(1_000));
        let (first, waited) = limit.acquire().await;
        assert!(!waited);
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for name in ["b", "c"] {
            let (limit, said) = (limit.clone(), said.clone());
            tokio::spawn(async move {
                let (_permit, waited) = limit.acquire().await;
                said.send((name, waited, limit.origin.elapsed())).unwrap();
            });
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(ms(500)).await;
        drop(first);
        let (name, waited, at) = heard.recv().await.unwrap();
        assert_eq!((name, waited), ("b", true));
        assert!(at >= ms(1_501), "{at:?}");
        let (name, _, at) = heard.recv().await.unwrap();
        assert_eq!(name, "c");
        assert!(at >= ms(2_502), "{at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_holds_those_who_wait() {
        let limit = Limit::new(1, ms(1_000));
        drop(limit.acquire().await);
        limit.rest(ms(7_000));
        let _second = limit.acquire().await;
        assert!(limit.origin.elapsed() >= ms(7_000));
    }
}
