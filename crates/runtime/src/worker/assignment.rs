//! What the consumer group gives and takes, and how far the broker is read: events of the consumer, kept for the
//! thread's loop to act on between two polls.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::kafka;

/// Between two reports of the client about its partitions, in ms.
pub(crate) const STATISTICS_MS: &str = "250";

/// A report older than this says nothing about the present: the process or the client stood still.
const REPORT_VALID: Duration = Duration::from_secs(1);

/// A connection over which nothing came for longer than this is taken for lost. A fetch is answered within 500 ms even
/// where there is nothing to read (`fetch.wait.max.ms`).
const SILENCE: Duration = Duration::from_millis(1_500);

/// A change of the assignment.
pub(crate) enum Change {
    /// These partitions are ours from now on.
    Assigned(TopicPartitionList),
    /// These are to be given back.
    Revoked(TopicPartitionList),
}

/// How far a partition was read, by the client's last report.
#[derive(Debug, Clone, Copy)]
struct Reported {
    /// The high watermark of the last fetch.
    high: i64,
    /// The next offset to fetch.
    next: i64,
    /// Whether records wait in the client's queue.
    queued: bool,
    /// Whether the connection to the partition's leader lives.
    reachable: bool,
}

#[derive(Default)]
struct State {
    changes: Vec<Change>,
    reports: HashMap<(String, i32), Reported>,
    reported_at: Option<Instant>,
    closing: bool,
}

/// The consumer's context.
#[derive(Default)]
pub(crate) struct Assignment(Mutex<State>);

impl Assignment {
    /// Takes the changes since the last call, in order.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.lock().changes)
    }

    /// From now on partitions are given back without asking: the thread has no tasks any more.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
    }

    /// Whether a partition is read to its end, `position` being the position after the last record that its task took:
    /// by a report that is fresh, over a connection that lives. Only then may time move without records.
    pub(crate) fn at_end(&self, topic: &str, partition: i32, position: i64, now: Instant) -> bool {
        let state = self.lock();
        if state.reported_at.is_none_or(|at| now.duration_since(at) >= REPORT_VALID) {
            return false;
        }
        state.reports.get(&(topic.to_owned(), partition)).is_some_and(|report| {
            let taken = position >= report.high || (report.next >= report.high && !report.queued);
            report.reachable && report.high >= 0 && taken
        })
    }

    /// The high watermark of a partition's last fetch.
    pub(crate) fn high(&self, topic: &str, partition: i32) -> Option<i64> {
        self.lock().reports.get(&(topic.to_owned(), partition)).map(|report| report.high)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Assignment {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        kafka::log_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let alive: HashMap<i32, bool> = statistics
            .brokers
            .values()
            .map(|broker| {
                let silent = Duration::from_micros(u64::try_from(broker.rxidle).unwrap_or(u64::MAX));
                (broker.nodeid, broker.state == "UP" && silent < SILENCE)
            })
            .collect();
        let mut state = self.lock();
        state.reports.clear();
        for (topic, partitions) in statistics.topics {
            for (partition, report) in partitions.partitions {
                let reported = Reported {
                    high: report.hi_offset,
                    next: report.next_offset,
                    queued: report.fetchq_cnt > 0,
                    reachable: alive.get(&report.leader).copied().unwrap_or(false),
                };
                state.reports.insert((topic.clone(), partition), reported);
            }
        }
        state.reported_at = Some(Instant::now());
    }
}

impl ConsumerContext for Assignment {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let mut state = self.lock();
        if state.closing {
            drop(state);
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "partitions cannot be given back");
            }
            return;
        }
        state.changes.push(match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(list.clone()),
            _ => Change::Revoked(list.clone()),
        });
    }
}
