//! The right to make calls for a partition: from its assignment to its revocation, and only while Kafka's client lives.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When the owner of the partitions last had a sign of life from Kafka's client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse {
    origin: Instant,
    last_ms: Arc<AtomicU64>,
    limit: Duration,
}

impl Pulse {
    /// A pulse that is lost after `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { origin: Instant::now(), last_ms: Arc::default(), limit }
    }

    /// Now.
    pub fn beat(&self) {
        let ms = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    /// Whether the last beat is young enough.
    #[must_use]
    pub fn is_felt(&self) -> bool {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(last) < self.limit
    }
}

/// The right to make calls for a partition, from its assignment to its revocation. Clones share it.
#[derive(Debug, Clone)]
pub struct Lease {
    closed: Arc<watch::Sender<bool>>,
    pulse: Pulse,
}

/// The partition is no longer ours: leave everything as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked;

/// How often a lane looks whether the pulse is back.
const PULSE_CHECK: Duration = Duration::from_millis(100);

impl Lease {
    /// A lease that lasts until it is closed.
    #[must_use]
    pub fn new(pulse: Pulse) -> Self {
        Self { closed: Arc::new(watch::Sender::new(false)), pulse }
    }

    /// No new calls from now on.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits for `future`, but no longer than the lease lasts.
    ///
    /// # Errors
    /// If the lease is, or gets, closed.
    pub async fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Revoked> {
        let mut seen = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = seen.wait_for(|closed| *closed) => Err(Revoked),
            value = future => Ok(value),
        }
    }

    /// To be awaited directly before a call goes out: another owner may have the partition if the last sign of life is
    /// too old. Waits until that is excluded.
    ///
    /// # Errors
    /// If the lease is, or gets, closed.
    pub async fn may_call(&self) -> Result<(), Revoked> {
        while !self.pulse.is_felt() {
            self.wait(tokio::time::sleep(PULSE_CHECK)).await?;
        }
        if self.is_closed() { Err(Revoked) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_call_without_a_pulse_or_after_the_lease() {
        let pulse = Pulse::new(Duration::from_secs(4));
        let lease = Lease::new(pulse.clone());
        assert_eq!(lease.may_call().await, Ok(()));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let waits = tokio::time::timeout(Duration::from_secs(60), lease.may_call()).await;
        assert!(waits.is_err(), "somebody else may own the partition");
        pulse.beat();
        assert_eq!(lease.may_call().await, Ok(()));
        lease.close();
        assert_eq!(lease.may_call().await, Err(Revoked));
        assert_eq!(lease.wait(std::future::ready(())).await, Err(Revoked));
    }
}
