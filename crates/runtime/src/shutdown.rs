//! The signal to end: set by SIGINT, SIGTERM or code; awaited by tasks, polled by threads.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, Instant};

/// A signal to end, which is given once and stays. Clones share it.
#[derive(Clone)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// A signal that is not given yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Gives the signal. Giving it again changes nothing.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has been given: for threads that poll.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is given. Safe to cancel.
    pub async fn wait(&self) {
        let mut seen = self.0.subscribe();
        // The sender lives as long as `self`, so the channel cannot close under the wait.
        let _ = seen.wait_for(|set| *set).await;
    }

    /// Gives the signal on the first SIGINT or SIGTERM, and ends the process on the second, for a person who will
    /// not wait. Call it once, within a tokio runtime.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let mut first = None;
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                let first = *first.get_or_insert_with(Instant::now);
                if first.elapsed() < SAME_SIGNAL && shutdown.is_set() {
                    continue;
                }
                if shutdown.is_set() {
                    tracing::warn!(signal = name, "second signal, ending at once");
                    std::process::exit(EXIT_SECOND_SIGNAL);
                }
                tracing::info!(signal = name, "ending");
                shutdown.trigger();
            }
        });
        Ok(())
    }
}

/// Signals that come within this time of the first are the first: a supervisor may signal a process and its group.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// Exit code after a second signal: 128 + SIGINT, as shells count it.
const EXIT_SECOND_SIGNAL: i32 = 130;

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shutdown").field(&self.is_set()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_until_it_is_given_and_then_never_again() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && !shutdown.is_set());
        shutdown.trigger();
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
        waited.expect("in time").expect("the task ends");
        shutdown.wait().await;
        assert!(shutdown.is_set());
    }
}
