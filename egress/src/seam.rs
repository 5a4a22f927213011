//! The seam between the engine and Kafka: what comes in, where results go. Tests have doubles of the other side.

use std::future::Future;

use schemas::{AccountRef, Delivery, Person, Reason};
use tokio::sync::oneshot;

use crate::lease::Lease;

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

impl Record {
    /// The first header of this name, if it is a text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(key, _)| key == name)?.1.as_deref()?;
        std::str::from_utf8(value).ok()
    }
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

/// What comes to the engine.
pub enum Input {
    /// A partition is owned from now on.
    Assigned {
        /// Which.
        partition: i32,
        /// The right to make calls for it.
        lease: Lease,
        /// Calls by earlier owners that still count for a limit: channel account, time (ms since 1970).
        calls: Vec<(AccountRef, i64)>,
        /// Conversations that are known: person, conversation, the latest last.
        conversations: Vec<(String, String)>,
    },
    /// A record to deliver.
    Record(Record, Option<Earlier>),
    /// Partitions are to be given up: their leases are closed, running calls end or are aborted.
    Revoked {
        /// Which.
        partitions: Vec<i32>,
        /// Gets a signal when nothing of them runs any more.
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

/// The addresses of persons, by GUID.
pub trait Addresses: Send + Sync + 'static {
    /// The person with this GUID, aliases followed; none once it is certain that the table does not have one.
    fn find(&self, guid: &str) -> impl Future<Output = Result<Option<Person>, LookupError>> + Send;
}

/// An address cannot be looked up now. The text names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupError(pub String);
