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

    /// Waits for a slot. The second value is whether it had to wait. Safe to cancel.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn acquire(self: &Arc<Self>) -> (SlotGuard, bool) {
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        let mut waited = false;
        loop {
            // Registered before the log is looked at, so that an answer in between is not missed.
            let changed = self.changed.notified();
            let slot = self.log().take(self.now());
            match slot {
                Slot::Granted => return (SlotGuard { limit: self.clone() }, waited),
                Slot::At(at) => tokio::select! {
                    () = sleep_until(self.origin + at) => {}
                    () = changed => {}
                },
                Slot::WhenAnswered => changed.await,
            }
            waited = true;
        }
    }

    /// No calls for `duration`, because the platform asked for it.
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

/// A slot. It is dropped when the call was answered or given up.
#[derive(Debug)]
pub struct SlotGuard {
    limit: Arc<Limit>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let now = self.limit.now();
        self.limit.log().answered(now);
        self.limit.changed.notify_one();
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
