//! What is counted of requests, by platform. What every good request touches is kept as a handle.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use runtime::metrics::{self, CounterHandle, HistogramHandle};

use crate::answer::Answer;
use crate::log::{AppendError, NewRecord};
use crate::spool::PutError;

/// What a request brought.
pub(crate) struct Counts {
    bytes: usize,
    raw: usize,
    dead: Vec<&'static str>,
}

impl Counts {
    pub(crate) fn of(body: &Bytes, records: &[NewRecord]) -> Self {
        let dead: Vec<_> = records.iter().filter_map(NewRecord::dead).map(schemas::Reason::code).collect();
        Self { bytes: body.len(), raw: records.len() - dead.len(), dead }
    }
}

/// The counters of a platform.
#[derive(Debug)]
pub(crate) struct Meters {
    source: &'static str,
    accepted: CounterHandle,
    seconds: HistogramHandle,
    records: CounterHandle,
    bytes: CounterHandle,
}

impl Meters {
    /// The counters of a platform of this name, whose requests are answered `accepted` when all is well.
    pub(crate) fn new(source: &'static str, accepted: StatusCode) -> Self {
        Self {
            source,
            accepted: metrics::INGRESS_REQUESTS.of([source, accepted.as_str()].map(str::to_owned)),
            seconds: metrics::INGRESS_REQUEST_SECONDS.of([source]),
            records: metrics::INGRESS_RECORDS.of([source]),
            bytes: metrics::INGRESS_BODY_BYTES.of([source]),
        }
    }

    /// For requests that name no webhook.
    pub(crate) fn unrouted() -> Self {
        Self::new("none", StatusCode::OK)
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, answer: &Answer, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        if answer.is_accepted() {
            self.accepted.increment(1);
        } else {
            let status = answer.status().as_str().to_owned();
            metrics::INGRESS_REQUESTS.add([self.source.to_owned(), status], 1);
        }
    }

    /// Counts what is kept.
    pub(crate) fn written(&self, counts: &Counts) {
        self.bytes.increment(counts.bytes as u64);
        self.records.increment(counts.raw as u64);
        for reason in &counts.dead {
            metrics::INGRESS_DEAD_LETTERS.add([self.source, reason], 1);
        }
    }

    /// Counts a request whose records are not all acknowledged.
    pub(crate) fn not_acknowledged(&self, error: &AppendError) {
        metrics::INGRESS_APPEND_FAILURES.add([self.source, error.cause()], 1);
    }

    /// Counts a request that went to the spool, or did not fit.
    pub(crate) fn spooled(&self, put: &Result<(), PutError>) {
        match put {
            Ok(()) => metrics::INGRESS_SPOOLED.add([self.source], 1),
            Err(error) => metrics::INGRESS_SPOOL_REFUSED.add([self.source, error.cause()], 1),
        }
    }
}
