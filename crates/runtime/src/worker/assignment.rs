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
pub(crate) const STATISTICS_MS: &str = "100";

/// How long the broker lets a fetch wait where there is nothing to read, in ms: each answer shows that it is there.
pub(crate) const FETCH_WAIT_MS: &str = "100";

/// A report older than this says nothing about the present: the process stood still, or the report waited in the
/// client's queue behind records. What it lets time run over is less than promise 3 leaves off the hold.
const REPORT_VALID: Duration = Duration::from_millis(300);

/// A connection over which nothing came for longer than this is taken for lost, until something comes. With the age of
/// a report it bounds what time may run over to less than promise 3 leaves off the hold.
const SILENCE: Duration = Duration::from_millis(400);

/// A change of the assignment.
pub(crate) enum Change {
    /// These partitions are ours from now on.
    Assigned(TopicPartitionList),
    /// These are to be given back.
    Revoked(TopicPartitionList),
}

/// How a partition stands, by a report of the client that is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// There is no such report.
    Unknown,
    /// The connection to its leader is lost.
    Lost,
    /// There are records that its task has not taken.
    Unread,
    /// It is read to its end. Only then may time move without records.
    AtEnd,
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

/// The client's clock against ours. A report carries the time of its making, by a clock with an origin of its own; the
/// report that reached us the fastest shows how far the two are apart.
#[derive(Default)]
struct ReportClock {
    origin: Option<Instant>,
    apart: Option<i64>,
}

impl ReportClock {
    /// When a report was made that arrives at `now`, `ts` being its time by the client's clock in µs.
    fn made(&mut self, ts: i64, now: Instant) -> Instant {
        let origin = *self.origin.get_or_insert(now);
        let ours = i64::try_from(now.duration_since(origin).as_micros()).unwrap_or(i64::MAX);
        let apart = self.apart.map_or(ours - ts, |least| least.min(ours - ts));
        self.apart = Some(apart);
        let age = Duration::from_micros((ours - ts - apart).unsigned_abs());
        now.checked_sub(age).unwrap_or(now)
    }
}

#[derive(Default)]
struct State {
    changes: Vec<Change>,
    reports: HashMap<(String, i32), Reported>,
    /// When the client made the last report.
    reported_at: Option<Instant>,
    clock: ReportClock,
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

    /// How a partition stands, `position` being the position after the last record that its task took.
    pub(crate) fn sight(&self, topic: &str, partition: i32, position: i64, now: Instant) -> Sight {
        let state = self.lock();
        if state.reported_at.is_none_or(|at| now.duration_since(at) >= REPORT_VALID) {
            return Sight::Unknown;
        }
        let Some(report) = state.reports.get(&(topic.to_owned(), partition)) else { return Sight::Unknown };
        let taken = position >= report.high || (report.next >= report.high && !report.queued);
        match report {
            // Where enough waits in the queue the client asks for nothing, and hears nothing.
            Reported { queued: true, .. } => Sight::Unread,
            Reported { reachable: false, .. } => Sight::Lost,
            Reported { high: 0.., .. } if taken => Sight::AtEnd,
            _ => Sight::Unread,
        }
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
        for (topic, partitions) in &statistics.topics {
            for (partition, report) in &partitions.partitions {
                let reported = Reported {
                    high: report.hi_offset,
                    next: report.next_offset,
                    queued: report.fetchq_cnt > 0,
                    reachable: alive.get(&report.leader).copied().unwrap_or(false),
                };
                state.reports.insert((topic.clone(), *partition), reported);
            }
        }
        let made = state.clock.made(statistics.ts, Instant::now());
        state.reported_at = Some(made);
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

#[cfg(test)]
mod tests {
    use rdkafka::statistics::{Broker, Partition, Topic};

    use super::*;

    const TOPIC: &str = "webhooks.line";

    /// A report about partition 0: its last fetch, what waits in the queue, and the connection to its leader.
    struct Report {
        high: i64,
        next: i64,
        queued: i64,
        state: &'static str,
        silent_ms: i64,
    }

    const READ_TO_ITS_END: Report = Report { high: 10, next: 10, queued: 0, state: "UP", silent_ms: 300 };

    fn assignment(report: &Report) -> Assignment {
        let partition = Partition {
            leader: 1,
            hi_offset: report.high,
            next_offset: report.next,
            fetchq_cnt: report.queued,
            ..Partition::default()
        };
        let broker = Broker {
            nodeid: 1,
            state: report.state.into(),
            rxidle: report.silent_ms * 1_000,
            ..Broker::default()
        };
        let topic = Topic { partitions: HashMap::from([(0, partition)]), ..Topic::default() };
        let assignment = Assignment::default();
        assignment.stats(Statistics {
            brokers: HashMap::from([("b".into(), broker)]),
            topics: HashMap::from([(TOPIC.into(), topic)]),
            ..Statistics::default()
        });
        assignment
    }

    fn at_end(report: &Report, position: i64) -> bool {
        assignment(report).sight(TOPIC, 0, position, Instant::now()) == Sight::AtEnd
    }

    #[test]
    fn time_does_not_stall_on_an_idle_partition() {
        assert!(at_end(&READ_TO_ITS_END, 10));
        assert!(at_end(&Report { high: 0, next: 0, ..READ_TO_ITS_END }, 0), "an empty one too");
        // The last records of a transaction's end are not for the task, whose position stays before them.
        assert!(at_end(&READ_TO_ITS_END, 9), "what is left is nothing that the task would get");
    }

    #[test]
    fn time_does_not_run_over_unread_records() {
        assert!(!at_end(&Report { high: 12, ..READ_TO_ITS_END }, 10), "two are at the broker");
        assert!(!at_end(&Report { queued: 1, ..READ_TO_ITS_END }, 9), "one is in the client's queue");
        assert!(
            !at_end(&Report { high: -1_001, next: -1_001, ..READ_TO_ITS_END }, 0),
            "nothing was fetched yet"
        );
    }

    #[test]
    fn time_stands_still_while_the_broker_is_out_of_reach() {
        let sight = |report: &Report| assignment(report).sight(TOPIC, 0, 10, Instant::now());
        assert_eq!(sight(&Report { state: "DOWN", ..READ_TO_ITS_END }), Sight::Lost);
        let silent = Report { silent_ms: 2_000, ..READ_TO_ITS_END };
        assert_eq!(sight(&silent), Sight::Lost);
        assert_eq!(sight(&Report { queued: 1, ..silent }), Sight::Unread, "it asks for nothing");
    }

    #[test]
    fn a_stalled_process_does_not_trust_an_old_report() {
        let assignment = assignment(&READ_TO_ITS_END);
        assert_eq!(assignment.sight(TOPIC, 0, 10, Instant::now() + REPORT_VALID), Sight::Unknown);
        assert_eq!(assignment.sight("another", 0, 10, Instant::now()), Sight::Unknown);
    }

    #[test]
    fn a_report_that_waited_behind_records_is_as_old_as_it_is() {
        let mut clock = ReportClock::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(clock.made(7_000_000, at(0)), at(0));
        assert_eq!(clock.made(7_250_000, at(250)), at(250));
        assert_eq!(clock.made(7_500_000, at(1_700)), at(500), "it was made 1.2 s before it came");
        assert_eq!(clock.made(7_750_000, at(1_710)), at(750));
    }

    #[test]
    fn the_gauge_of_unread_records_is_fed_from_the_high_watermark() {
        let report = Report { high: 12, next: 11, ..READ_TO_ITS_END };
        assert_eq!(assignment(&report).high(TOPIC, 0), Some(12));
    }
}
