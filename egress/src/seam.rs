//! The seam between the engine and Kafka: what comes in, where results go, who may call. Tests stand on the other side.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schemas::{Delivery, Person, Reason};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// A record of an outbox, as it was read. It holds personal data: no `Debug`.
#[derive(Clone)]
pub struct Record {
    /// Partition of the outbox.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The key: the person's GUID.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub payload: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What an earlier owner of the partition wrote about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// A call was about to be made, and what came of it is not known.
    Started {
        /// When it was announced, ms since 1970.
        at: i64,
        /// When it has ended, ms since 1970, where the record says so.
        deadline: Option<i64>,
    },
    /// It is finished.
    Finished,
}

/// What the engine is told.
pub enum Input {
    /// A partition is owned from now on.
    Assigned {
        /// Which.
        partition: i32,
        /// The right to make calls for it.
        lease: Lease,
        /// Calls of the last minute by earlier owners: LINE account, time (ms since 1970).
        calls: Vec<(String, i64)>,
        /// Conversations at Genesys: person, conversation, the latest last.
        conversations: Vec<(String, String)>,
    },
    /// A record to deliver.
    Record(Record, Option<Earlier>),
    /// Partitions are to be given up: their leases are closed, running calls end or are cut off.
    Revoked {
        /// Which.
        partitions: Vec<i32>,
        /// Told when nothing of them runs any more.
        done: oneshot::Sender<()>,
    },
}

/// Where results go. A result is acknowledged when the future is ready.
pub trait Sink: Send + Sync + 'static {
    /// Writes to `deliveries`, to the partition of the outbox record. The offset there, where it is known.
    fn delivery(
        &self,
        partition: i32,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Option<i64>, SinkError>> + Send;

    /// Writes the record, unchanged, to the dead letters.
    fn dead_letter(
        &self,
        record: &Record,
        reason: Reason,
        detail: &str,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why a result could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkError {
    /// It may be written later.
    Retry(String),
    /// This process can write nothing any more; it must end and be started again.
    Fatal(String),
}

/// The address book: persons by GUID.
pub trait Addresses: Send + Sync + 'static {
    /// The person with this GUID, aliases followed; none once it is certain that the table does not have one.
    fn find(&self, guid: &str) -> impl Future<Output = Result<Option<Person>, LookupError>> + Send;
}

/// The address book cannot answer now. The text names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupError(pub String);

/// When the owner of the partitions last heard from Kafka's client. Cheap to clone.
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

    /// To be called directly before a call goes out: another owner may have the partition if Kafka has not heard of us
    /// for too long. Waits until that is excluded.
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
