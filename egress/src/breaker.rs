//! The circuit breaker of an account whose token or secrets only a person can replace: open once they are refused, and
//! tried by one lane now and then.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls pass.
    Closed,
    /// No calls until `probe_at`; then one lane goes through, and the others wait for what it finds.
    Open { probe_at: Instant, probing: bool },
}

/// A circuit breaker that lanes pass before each call. Nothing is dropped while it is open.
#[derive(Debug)]
pub struct CircuitBreaker {
    state: watch::Sender<State>,
    probe_every: Duration,
}

impl CircuitBreaker {
    /// A closed one which, once open, lets a lane through every `probe_every`.
    #[must_use]
    pub fn new(probe_every: Duration) -> Self {
        Self { state: watch::Sender::new(State::Closed), probe_every }
    }

    /// Waits until it is closed or it is this lane's turn to try. Safe to cancel.
    pub async fn pass(&self) -> Pass<'_> {
        let mut seen = self.state.subscribe();
        loop {
            let state = *seen.borrow_and_update();
            match state {
                State::Closed => return Pass { breaker: self, probe: false },
                State::Open { probe_at, probing: false } => tokio::select! {
                    () = sleep_until(probe_at) => if self.claim(state) {
                        return Pass { breaker: self, probe: true };
                    },
                    // The sender lives in `self`, so the channel cannot close under the wait.
                    _ = seen.changed() => {}
                },
                State::Open { probing: true, .. } => {
                    let _ = seen.changed().await;
                }
            }
        }
    }

    /// A call was refused: opens. True if it was closed: the moment to raise an alarm.
    pub fn trip(&self) -> bool {
        let open = State::Open { probe_at: Instant::now() + self.probe_every, probing: false };
        self.state.send_replace(open) == State::Closed
    }

    /// A call was not refused: closes. True if it was open.
    pub fn reset(&self) -> bool {
        self.state.send_if_modified(|state| std::mem::replace(state, State::Closed) != State::Closed)
    }

    fn claim(&self, expected: State) -> bool {
        let State::Open { probe_at, .. } = expected else { return false };
        self.state.send_if_modified(|state| {
            let is_free = *state == expected;
            if is_free {
                *state = State::Open { probe_at, probing: true };
            }
            is_free
        })
    }
}

/// The right to make one call. If the lane of a probe ends without an answer, the next probe takes its place.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a CircuitBreaker,
    probe: bool,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.state.send_if_modified(|state| match state {
                State::Open { probe_at, probing: probing @ true } => {
                    (*probe_at, *probing) = (Instant::now() + self.breaker.probe_every, false);
                    true
                }
                _ => false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::timeout;

    use super::*;

    const EVERY: Duration = Duration::from_secs(60);
    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn one_lane_tries_and_the_others_wait_for_what_it_finds() {
        let breaker = Arc::new(CircuitBreaker::new(EVERY));
        drop(breaker.pass().await);
        assert!(breaker.trip(), "the first refusal raises the alarm");
        assert!(!breaker.trip(), "the next ones do not");
        let began = Instant::now();
        let probe = breaker.pass().await;
        assert_eq!(began.elapsed(), EVERY);
        assert!(timeout(EVERY * 3, breaker.pass()).await.is_err(), "only one at a time");
        drop(probe);
        assert!(timeout(SOON, breaker.pass()).await.is_err(), "a probe without an answer says nothing");
        let probe = timeout(EVERY, breaker.pass()).await.expect("the next probe takes its place");
        let others: Vec<_> = (0..3)
            .map(|_| {
                let breaker = breaker.clone();
                tokio::spawn(async move { drop(breaker.pass().await) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(breaker.reset());
        drop(probe);
        for other in others {
            timeout(SOON, other).await.expect("it is closed").unwrap();
        }
    }
}
