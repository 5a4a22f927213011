//! The gate of an account with a fixed token: closed when the token is refused, tried by one lane now and then.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Closed until `probe_at`; then one lane goes through, and the others wait for what it finds.
    Closed {
        probe_at: Instant,
        probing: bool,
    },
}

/// A gate that lanes pass before each call. Nothing is dropped while it is closed.
#[derive(Debug)]
pub struct Gate {
    state: watch::Sender<State>,
    probe_every: Duration,
}

impl Gate {
    /// An open gate which, once closed, lets a lane through every `probe_every`.
    #[must_use]
    pub fn new(probe_every: Duration) -> Self {
        Self { state: watch::Sender::new(State::Open), probe_every }
    }

    /// Waits until the gate is open or it is this lane's turn to try. Safe to cancel.
    pub async fn pass(&self) -> Pass<'_> {
        let mut seen = self.state.subscribe();
        loop {
            let state = *seen.borrow_and_update();
            match state {
                State::Open => return Pass { gate: self, probe: false },
                State::Closed { probe_at, probing: false } => tokio::select! {
                    () = sleep_until(probe_at) => if self.claim(state) {
                        return Pass { gate: self, probe: true };
                    },
                    // The sender lives in `self`, so the channel cannot close under the wait.
                    _ = seen.changed() => {}
                },
                State::Closed { probing: true, .. } => {
                    let _ = seen.changed().await;
                }
            }
        }
    }

    /// The token was refused. True if the gate was open: the moment to raise an alarm.
    pub fn close(&self) -> bool {
        let closed = State::Closed { probe_at: Instant::now() + self.probe_every, probing: false };
        self.state.send_replace(closed) == State::Open
    }

    /// The token works. True if the gate was closed.
    pub fn open(&self) -> bool {
        self.state.send_if_modified(|state| std::mem::replace(state, State::Open) != State::Open)
    }

    fn claim(&self, expected: State) -> bool {
        let State::Closed { probe_at, .. } = expected else { return false };
        self.state.send_if_modified(|state| {
            let is_free = *state == expected;
            if is_free {
                *state = State::Closed { probe_at, probing: true };
            }
            is_free
        })
    }
}

/// Leave to make one call. If the lane of a probe ends without an answer, the next probe takes its place.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    probe: bool,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.gate.state.send_if_modified(|state| match state {
                State::Closed { probe_at, probing: probing @ true } => {
                    (*probe_at, *probing) = (Instant::now() + self.gate.probe_every, false);
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
        let gate = Arc::new(Gate::new(EVERY));
        drop(gate.pass().await);
        assert!(gate.close(), "the first refusal raises the alarm");
        assert!(!gate.close(), "the next ones do not");
        let began = Instant::now();
        let probe = gate.pass().await;
        assert_eq!(began.elapsed(), EVERY);
        assert!(timeout(EVERY * 3, gate.pass()).await.is_err(), "only one at a time");
        drop(probe);
        assert!(timeout(SOON, gate.pass()).await.is_err(), "a probe without an answer says nothing");
        let probe = timeout(EVERY, gate.pass()).await.expect("the next probe takes its place");
        let others: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { drop(gate.pass().await) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(gate.open());
        drop(probe);
        for other in others {
            timeout(SOON, other).await.expect("the gate is open").unwrap();
        }
    }
}
