//! The log of raw records, as ingress sees it: append, and know that it is kept.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use schemas::{Reason, Topic, header};

use crate::spool::PutError;

/// A record to write. Its `Debug` shows sizes only: key, headers and value are personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic.
    pub topic: Topic,
    /// Whose conversation it belongs to; decides the partition.
    pub key: String,
    /// Headers, in order.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// A slice of the body.
    pub value: Bytes,
    /// Why it is a dead letter, if it is one.
    pub(crate) dead: Option<Reason>,
}

impl NewRecord {
    /// Why it is a dead letter, if it is one.
    #[must_use]
    pub fn dead(&self) -> Option<Reason> {
        self.dead
    }

    /// Makes the processors hold it, and what comes after it, as long as what comes out of a spool.
    pub(crate) fn mark_spooled(&mut self) {
        if self.header(header::SPOOLED).is_none() {
            self.headers.push((header::SPOOLED.into(), "true".into()));
        }
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref())
    }
}

impl fmt::Debug for NewRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRecord")
            .field("topic", &self.topic)
            .field("value_bytes", &self.value.len())
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

/// Why records may not be in the log. Some of them can be there all the same: they come again, from the sender or out
/// of the spool, and dedupe absorbs what is there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// No acknowledgement in time.
    TimedOut,
    /// The log takes nothing for the moment (queue full, no broker): the text says why.
    Unavailable(String),
    /// The log refuses a record permanently (too large, no such topic, not allowed): the text says why. Coming again
    /// does not help until a person has acted, and a 2xx would lose the record, so this is answered 503 as well.
    Refused(String),
}

impl AppendError {
    /// The branch, as a metric label.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            AppendError::TimedOut => "timed_out",
            AppendError::Unavailable(_) => "unavailable",
            AppendError::Refused(_) => "refused",
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::TimedOut => f.write_str("no acknowledgement in time"),
            AppendError::Unavailable(why) => write!(f, "log not available: {why}"),
            AppendError::Refused(why) => write!(f, "log refuses a record: {why}"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Where raw records go: Kafka, or a double in tests.
pub trait RawLog: Send + Sync + 'static {
    /// Appends all records. `Ok` means that each is acknowledged and will not be lost. The caller bounds the wait by
    /// dropping the future; what was sent may then still arrive. It ends by itself once the log gives up.
    fn append(&self, records: &[NewRecord]) -> impl Future<Output = Result<(), AppendError>> + Send;
}

impl<L: RawLog> RawLog for Arc<L> {
    fn append(&self, records: &[NewRecord]) -> impl Future<Output = Result<(), AppendError>> + Send {
        (**self).append(records)
    }
}

/// Logs the log's ups and downs once each, not once a request.
#[derive(Debug, Default)]
pub(crate) struct Health(AtomicU8);

impl Health {
    const WELL: u8 = 0;
    const AWAY: u8 = 1;
    const REFUSING: u8 = 2;

    /// Takes note of the outcome of an append.
    pub(crate) fn saw(&self, appended: &Result<(), AppendError>) {
        let now = match appended {
            Ok(()) => Self::WELL,
            Err(AppendError::Refused(_)) => Self::REFUSING,
            Err(AppendError::TimedOut | AppendError::Unavailable(_)) => Self::AWAY,
        };
        // The load first: a store by every request would move the flag's line of memory from core to core.
        if self.0.load(Ordering::Relaxed) == now || self.0.swap(now, Ordering::Relaxed) == now {
            return;
        }
        match appended {
            Ok(()) => tracing::info!("broker acknowledges again"),
            Err(error @ AppendError::Refused(_)) => {
                tracing::error!(%error, "broker refuses records for good, their webhooks are answered 503");
            }
            Err(error) => tracing::warn!(%error, "broker does not acknowledge, webhooks go to the spool"),
        }
    }
}

/// Logs the spool's ups and downs once each.
#[derive(Debug, Default)]
pub(crate) struct SpoolHealth(AtomicU8);

impl SpoolHealth {
    const TAKES: u8 = 0;
    const FULL: u8 = 1;
    const FAILS: u8 = 2;

    /// Takes note of the outcome of a put.
    pub(crate) fn saw(&self, put: &Result<(), PutError>) {
        let now = match put {
            Ok(()) => Self::TAKES,
            Err(PutError::Full) => Self::FULL,
            Err(PutError::Busy | PutError::Failed(_)) => Self::FAILS,
        };
        if self.0.load(Ordering::Relaxed) == now || self.0.swap(now, Ordering::Relaxed) == now {
            return;
        }
        match put {
            Ok(()) => tracing::info!("the spool takes webhooks again"),
            Err(error) => tracing::error!(%error, "webhooks are answered 503"),
        }
    }
}
