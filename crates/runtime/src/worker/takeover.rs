//! Taking partitions over and giving them back.
//!
//! Over: (1) the committed offsets, stable; (2) a barrier in each changelog, in a transaction; (3) the changelog is read
//! until the barrier is seen; only then the first record. Back: everything of theirs is committed first.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use streams::{CommitMetadata, DedupeSet, Position, Task, changelog};

use super::Source;
use super::assignment::Change;
use super::fault::Fault;
use super::restore::{Restored, Restoring, TaskId};
use super::standby::Kept;
use super::thread::{Running, Thread, Unstable};
use super::transaction::{NewRecord, Transaction};
use crate::kafka::{LogContext, consumer_config};
use crate::{clock, metrics};

/// For one request to the broker.
const REQUEST: Duration = Duration::from_secs(5);
/// For the committed offsets, which a dead instance's open transaction can hold back.
const STABLE: Duration = Duration::from_secs(1);
/// Between two attempts to read committed offsets that are held back.
const UNSTABLE_PAUSE: Duration = Duration::from_millis(200);

impl<M> Thread<'_, M> {
    /// Acts on what the group gave and took. Says whether it did anything.
    pub(super) fn follow_assignment(&mut self) -> Result<bool, Fault> {
        let changes = self.consumer.context().take_changes();
        let changed = !changes.is_empty();
        for change in changes {
            match change {
                Change::Assigned(list) => {
                    self.unstable.push(Unstable { list, since: Instant::now(), fenced: false });
                }
                Change::Revoked(list) => self.revoke(&list)?,
            }
        }
        if !self.unstable.is_empty() && (changed || Instant::now() >= self.retry_at) {
            for assigned in std::mem::take(&mut self.unstable) {
                self.take_over(assigned)?;
            }
            self.retry_at = Instant::now() + UNSTABLE_PAUSE;
        }
        Ok(changed)
    }

    /// Takes partitions over: committed offsets, a barrier in each changelog, then the restorer reads up to it.
    fn take_over(&mut self, assigned: Unstable) -> Result<(), Fault> {
        let Unstable { list, since, fenced } = assigned;
        if list.count() == 0 {
            return self.consumer.incremental_assign(&list).map_err(Fault::kafka("assign partitions"));
        }
        let committed = match self.consumer.committed_offsets(list.clone(), STABLE) {
            Ok(committed) => committed,
            Err(error) => {
                tracing::info!(%error, "committed offsets are not stable yet, asking again");
                if !fenced {
                    self.fence_writers(&list)?;
                }
                self.unstable.push(Unstable { list, since, fenced: true });
                return Ok(());
            }
        };
        self.commit()?;
        let mut start = TopicPartitionList::new();
        let mut restoring = Vec::new();
        for element in committed.elements() {
            let number = self.topics.iter().position(|topic| topic == element.topic());
            let id = (number.expect("only sources are subscribed"), element.partition());
            let task = self.prepare(id, element.offset(), element.metadata(), since)?;
            start
                .add_partition_offset(element.topic(), id.1, rdkafka::Offset::Offset(task.start.0))
                .map_err(Fault::kafka("name a partition"))?;
            let topic = &self.shared.names.of(self.shared.sources[id.0].changelog);
            let value = changelog::encode_barrier(&task.nonce);
            let partition = Some(id.1);
            let (key, headers, tracked) = (&b""[..], &[][..], None);
            self.transaction.write(&NewRecord { topic, partition, key, value: &value, headers, tracked })?;
            restoring.push((id, task));
        }
        self.consumer.incremental_assign(&start).map_err(Fault::kafka("assign partitions"))?;
        if restoring.is_empty() {
            return Ok(());
        }
        self.consumer.pause(&start).map_err(Fault::kafka("pause partitions"))?;
        self.transaction.commit(None)?;
        tracing::info!(thread = self.index, partitions = restoring.len(), "restoring partitions");
        self.restorer.begin(restoring)
    }

    /// Fences whoever committed these partitions last: the group says that they are ours, so that owner is dead or about
    /// to notice, and its open transaction would hold us back until the broker ends it.
    fn fence_writers(&self, list: &TopicPartitionList) -> Result<(), Fault> {
        let mut client = consumer_config(&self.shared.kafka, &self.shared.group);
        client.set("isolation.level", "read_uncommitted");
        let reader: BaseConsumer<LogContext> =
            client.create_with_context(LogContext).map_err(Fault::kafka("create a consumer"))?;
        let committed = reader
            .committed_offsets(list.clone(), REQUEST)
            .map_err(Fault::kafka("read who committed last"))?;
        let writers: BTreeSet<String> = committed
            .elements()
            .iter()
            .filter_map(|element| CommitMetadata::decode(element.metadata()))
            .map(|metadata| metadata.writer)
            .filter(|writer| *writer != self.transactional_id)
            .collect();
        for writer in writers {
            tracing::warn!(writer, "ending the transaction of the former owner");
            Transaction::fence(&self.shared.kafka, &writer)?;
        }
        Ok(())
    }

    /// Where a task starts, and its dedupe set as far as it is stored here.
    fn prepare(
        &mut self,
        id: TaskId,
        committed: rdkafka::Offset,
        metadata: &str,
        since: Instant,
    ) -> Result<Restoring, Fault> {
        let topic = &self.topics[id.0];
        let watermarks = |topic: &str| {
            self.consumer
                .fetch_watermarks(topic, id.1, REQUEST)
                .map_err(Fault::kafka("read a partition's ends"))
        };
        let (low, _) = watermarks(topic)?;
        let start = match committed {
            rdkafka::Offset::Offset(offset) if offset < low => {
                let lost = low - offset;
                tracing::error!(
                    topic,
                    partition = id.1,
                    committed = offset,
                    log_start = low,
                    lost,
                    "records were deleted before they were read"
                );
                metrics::OFFSETS_LOST.add([topic.clone()], lost.cast_unsigned());
                low
            }
            rdkafka::Offset::Offset(offset) => offset,
            _ => low,
        };
        let Kept { set, position: stored } = self.shared.standby.claim(id)?;
        let (changelog_low, changelog_high) =
            watermarks(&self.shared.names.of(self.shared.sources[id.0].changelog))?;
        let (set, stored) = match stored {
            Some(position) if position > changelog_high => {
                tracing::warn!(
                    topic,
                    partition = id.1,
                    "stored state is ahead of its changelog, it is rebuilt"
                );
                let blocks = set.into_blocks();
                blocks.clear()?;
                DedupeSet::open(blocks)?
            }
            _ => (set, stored),
        };
        self.barriers += 1;
        Ok(Restoring {
            set,
            start: Position(start),
            counts: CommitMetadata::decode(metadata).map(|metadata| metadata.counts).unwrap_or_default(),
            changelog: rdkafka::Offset::Offset(stored.unwrap_or(0).max(changelog_low)),
            nonce: format!("{} {} {}", self.transactional_id, clock::now_ms(), self.barriers).into_bytes(),
            since,
        })
    }

    pub(super) fn start_task(&mut self, restored: Restored) -> Result<(), Fault> {
        let Restored { id, set, start, counts, changelog, since } = restored;
        let source: &Source<M> = &self.shared.sources[id.0];
        let task = Task::new((source.chain)(), source.limits, set, start, counts);
        let running =
            Running { task, changelog, committed: None, counted: counts, written: false, fresh: true };
        self.tasks.insert(id, running);
        for record in self.early.remove(&id).unwrap_or_default() {
            let task = &mut self.tasks.get_mut(&id).expect("inserted above").task;
            let headers: Vec<(&str, &[u8])> =
                record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            task.process(&record.borrow(&headers))?;
            let effects = task.take_effects();
            self.write(id, effects)?;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topics[id.0], id.1);
        self.consumer.resume(&list).map_err(Fault::kafka("resume a partition"))?;
        metrics::RESTORE_SECONDS.record(metrics::NONE, since.elapsed().as_secs_f64());
        tracing::info!(topic = self.topics[id.0], partition = id.1, position = start.0, "partition restored");
        Ok(())
    }

    /// Hands the dedupe sets of these tasks to the standby. They hold only what is committed.
    pub(super) fn hand_to_standby(&mut self, which: impl Fn(TaskId) -> bool) -> Result<(), Fault> {
        let leaving: Vec<TaskId> = self.tasks.keys().copied().filter(|id| which(*id)).collect();
        for id in leaving {
            let running = self.tasks.remove(&id).expect("listed above");
            let (set, position) = (running.task.into_dedupe(), Some(running.changelog));
            self.shared.standby.give_back(id, Kept { set, position });
        }
        for (id, restoring) in self.restorer.cancel(which)? {
            let position = restoring.changelog.to_raw();
            self.shared.standby.give_back(id, Kept { set: restoring.set, position });
        }
        Ok(())
    }

    /// Gives partitions back, after everything that is theirs is committed. Where the group has already given them to
    /// another, nothing of them is: the new owner starts at the last commit.
    fn revoke(&mut self, list: &TopicPartitionList) -> Result<(), Fault> {
        let gone = |topics: &[String], id: TaskId| list.find_partition(&topics[id.0], id.1).is_some();
        let topics = self.topics.clone();
        if self.consumer.assignment_lost() {
            return Err(Fault::TimedOut("stay in the group"));
        }
        self.commit()?;
        self.write_back()?;
        self.early.retain(|id, _| !gone(&topics, *id));
        self.hand_to_standby(|id| gone(&topics, id))?;
        for waiting in &mut self.unstable {
            let mut kept = TopicPartitionList::new();
            for element in waiting.list.elements() {
                if list.find_partition(element.topic(), element.partition()).is_none() {
                    kept.add_partition(element.topic(), element.partition());
                }
            }
            waiting.list = kept;
        }
        self.consumer.incremental_unassign(list).map_err(Fault::kafka("give partitions back"))?;
        let labels: Vec<&'static str> = self.shared.sources.iter().map(|source| source.label).collect();
        self.shared.status.forget(self.index, |label, partition| {
            labels
                .iter()
                .position(|other| *other == label)
                .is_some_and(|number| gone(&topics, (number, partition)))
        });
        tracing::info!(thread = self.index, partitions = list.count(), "partitions given back");
        Ok(())
    }
}
