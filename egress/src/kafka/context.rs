//! What rebalance callbacks and the consumer's thread share: taking partitions, giving them up, commits.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

use crate::frontier::Commit;
use crate::history::History;
use crate::lease::{Lease, Pulse};
use crate::progress::Progress;
use crate::seam::Input;

/// A partition between assignment and revocation.
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) stage: Stage,
    pub(super) committed: Option<Commit>,
}

pub(super) enum Stage {
    /// Paused until what an earlier owner wrote is read.
    Restoring,
    Live {
        /// Empty once every record is read that an earlier owner can have read.
        history: Option<Box<History>>,
        /// The end of the outbox when the partition was assigned.
        inherited_until: i64,
        is_paused: bool,
    },
}

/// What rebalance callbacks and the thread share. Both run on the same thread, so the lock never waits.
pub(super) struct Context {
    pub(super) topic: String,
    pub(super) progress: Progress,
    pub(super) inputs: mpsc::UnboundedSender<Input>,
    pub(super) pulse: Pulse,
    held: Mutex<BTreeMap<i32, Held>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        runtime::kafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        runtime::kafka::log_error(&error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            self.give_up(consumer, &partitions(list));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            self.take(consumer, &partitions(list));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(topic = self.topic, %error, "offsets are not committed yet");
            // What was thought to be committed is not: it is committed again next time.
            self.held().values_mut().for_each(|held| held.committed = None);
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}

impl Context {
    /// One without partitions.
    pub(super) fn new(
        topic: String,
        progress: Progress,
        inputs: mpsc::UnboundedSender<Input>,
        pulse: Pulse,
    ) -> Self {
        Self { topic, progress, inputs, pulse, held: Mutex::default() }
    }

    pub(super) fn held(&self) -> MutexGuard<'_, BTreeMap<i32, Held>> {
        self.held.lock().expect("nothing panics while it holds the partitions")
    }

    pub(super) fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Partitions are ours; nothing is read before what an earlier owner wrote about them.
    fn take(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        if partitions.is_empty() {
            return;
        }
        tracing::info!(topic = self.topic, ?partitions, "partitions assigned");
        if let Err(error) = consumer.pause(&self.list(partitions)) {
            tracing::warn!(topic = self.topic, %error, "partitions cannot be paused");
        }
        for partition in partitions {
            let held =
                Held { lease: Lease::new(self.pulse.clone()), stage: Stage::Restoring, committed: None };
            self.held().insert(*partition, held);
        }
    }

    /// No new calls, time for running ones to end, commit what is finished, forget the rest.
    pub(super) fn give_up(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        let mut left: Vec<i32> = Vec::new();
        for partition in partitions {
            if let Some(held) = self.held().remove(partition) {
                held.lease.close();
                left.push(*partition);
            }
        }
        if left.is_empty() {
            return;
        }
        let (done, is_done) = oneshot::channel();
        if self.inputs.send(Input::Revoked { partitions: left.clone(), done }).is_ok() {
            // An engine that has failed answers by dropping the sender.
            let _ = is_done.blocking_recv();
        }
        // What the group has given to another is not ours to commit; asking would only wait.
        if !consumer.assignment_lost() {
            let commits: Vec<_> =
                left.iter().filter_map(|p| Some((*p, self.progress.committable(*p)?))).collect();
            if let Err(error) = commit(consumer, &self.topic, &commits, CommitMode::Sync) {
                tracing::warn!(topic = self.topic, %error, "the last offsets of partitions given up are not committed");
            }
        }
        for partition in &left {
            self.progress.close(*partition);
        }
        tracing::info!(topic = self.topic, partitions = ?left, "partitions given up");
    }
}

/// Commits offsets with their notes.
pub(super) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    commits: &[(i32, Commit)],
    mode: CommitMode,
) -> KafkaResult<()> {
    if commits.is_empty() {
        return Ok(());
    }
    let mut list = TopicPartitionList::new();
    for (partition, commit) in commits {
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(commit.offset))?;
        element.set_metadata(commit.note.to_string());
    }
    consumer.commit(&list, mode)
}
