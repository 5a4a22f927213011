//! Taking partitions over, giving them back, and restoring them in place.
//!
//! Over: (1) whoever owned them and is gone is shut out; (2) the committed offsets, stable; (3) a barrier in each
//! changelog and the new owner's name beside the offsets, in a transaction; (4) the changelog is read until the barrier
//! is seen; only then the first record. Back: everything of theirs is committed first, and that they are given back.
//! In place, after an aborted transaction: the same as over, without a word to the group.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use streams::{CommitMetadata, Counts, DedupeSet, Position, Task, changelog};

use super::Source;
use super::assignment::Change;
use super::fault::Fault;
use super::restore::{Restored, Restoring, TaskId};
use super::standby::Kept;
use super::thread::{Running, Thread, Waiting};
use super::transaction::{NewRecord, Offsets, Transaction, add_offset};
use crate::config::Guarantee;
use crate::kafka::{LogContext, consumer_config};
use crate::{clock, metrics};

/// For one request to the broker.
const REQUEST: Duration = Duration::from_secs(5);
/// For the members of the group: a broker that is down would hold the answer back.
const MEMBERS: Duration = Duration::from_secs(2);
/// For the committed offsets, which a dead instance's open transaction can hold back.
const STABLE: Duration = Duration::from_secs(1);
/// Before what an aborted transaction covered is restored.
const RESTORE_PAUSE: Duration = Duration::from_millis(200);
/// Between two attempts to read committed offsets that are held back.
const UNSTABLE_PAUSE: Duration = Duration::from_millis(200);

/// A partition on its way to us, before its dedupe set is claimed.
struct Start {
    id: TaskId,
    position: Position,
    counts: Counts,
    /// Ends of the changelog before our barrier.
    changelog: (i64, i64),
    nonce: Vec<u8>,
    since: Instant,
}

impl<M> Thread<'_, M> {
    /// Acts on what the group gave and took. Says whether it did anything.
    pub(super) fn follow_assignment(&mut self) -> Result<bool, Fault> {
        let changes = self.consumer.context().take_changes();
        let changed = !changes.is_empty();
        for change in changes {
            match change {
                Change::Assigned(list) if list.count() == 0 => {
                    self.consumer.incremental_assign(&list).map_err(Fault::kafka("assign partitions"))?;
                }
                Change::Assigned(list) => {
                    let since = Instant::now();
                    let new = Waiting { since, is_assigned: false, is_fenced: false };
                    self.waiting.extend(self.ids(&list).into_iter().map(|id| (id, new)));
                }
                Change::Revoked(list) => self.revoke(&list)?,
            }
        }
        if !self.waiting.is_empty() && (changed || Instant::now() >= self.retry_at) {
            self.take_over()?;
            self.retry_at = Instant::now() + UNSTABLE_PAUSE;
        }
        Ok(changed)
    }

    fn ids(&self, list: &TopicPartitionList) -> Vec<TaskId> {
        let number = |topic: &str| self.topics.iter().position(|one| one == topic);
        let elements = list.elements();
        let id = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            (number(element.topic()).expect("only sources are subscribed"), element.partition())
        };
        elements.iter().map(id).collect()
    }

    fn list(&self, ids: impl Iterator<Item = TaskId>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (source, partition) in ids {
            list.add_partition(&self.topics[source], partition);
        }
        list
    }

    /// Takes the waiting partitions over, or leaves them waiting where their committed offsets are not stable yet.
    fn take_over(&mut self) -> Result<(), Fault> {
        let list = self.list(self.waiting.keys().copied());
        if self.waiting.values().any(|waiting| !waiting.is_fenced) {
            self.fence_former_owners(&list)?;
            self.waiting.values_mut().for_each(|waiting| waiting.is_fenced = true);
        }
        let committed = match self.consumer.committed_offsets(list, STABLE) {
            Ok(committed) => committed,
            Err(error) => {
                tracing::info!(%error, "committed offsets are not stable yet, asking again");
                return Ok(());
            }
        };
        self.commit()?;
        let mut offsets = TopicPartitionList::new();
        let mut starts = Vec::new();
        for (element, id) in committed.elements().iter().zip(self.ids(&committed)) {
            let start = self.start_of(id, element.offset(), element.metadata())?;
            let topic = &self.changelog_of(id);
            let value = changelog::encode_barrier(&start.nonce);
            let partition = Some(id.1);
            let (key, headers, tracked) = (&b""[..], &[][..], None);
            self.transaction.write(&NewRecord { topic, partition, key, value: &value, headers, tracked })?;
            let (writer, topic) = (&self.transactional_id, &self.topics[id.0]);
            add_offset(&mut offsets, topic, id.1, start.position, writer, start.counts)?;
            starts.push(start);
        }
        self.assign(&starts)?;
        self.transaction.commit(&Offsets { list: &offsets, consumer: &self.consumer })?;
        tracing::info!(thread = self.index, partitions = starts.len(), "restoring partitions");
        let mut restoring = Vec::new();
        for start in starts {
            self.waiting.remove(&start.id);
            restoring.push((start.id, self.claim(start)?));
        }
        self.restorer.begin(restoring)
    }

    /// Lets the client read these partitions from their starts, once they go on: they are paused.
    fn assign(&self, starts: &[Start]) -> Result<(), Fault> {
        let (mut new, mut in_place) = (TopicPartitionList::new(), TopicPartitionList::new());
        for start in starts {
            let is_assigned = self.waiting.get(&start.id).is_some_and(|waiting| waiting.is_assigned);
            let list = if is_assigned { &mut in_place } else { &mut new };
            let offset = rdkafka::Offset::Offset(start.position.0);
            list.add_partition_offset(&self.topics[start.id.0], start.id.1, offset)
                .map_err(Fault::kafka("name a partition"))?;
        }
        if new.count() > 0 {
            self.consumer.incremental_assign(&new).map_err(Fault::kafka("assign partitions"))?;
            self.consumer.pause(&new).map_err(Fault::kafka("pause partitions"))?;
        }
        if in_place.count() > 0 {
            let sought = self.consumer.seek_partitions(in_place, REQUEST);
            let sought = sought.map_err(Fault::kafka("go back to the last commit"))?;
            for element in sought.elements() {
                element.error().map_err(Fault::kafka("go back to the last commit"))?;
            }
        }
        Ok(())
    }

    /// Shuts out whoever owned these partitions, did not give them back, is not in the group and no thread of this
    /// process: its open transaction would hold back the offsets, the changelog and the outboxes until the broker ends
    /// it.
    fn fence_former_owners(&self, list: &TopicPartitionList) -> Result<(), Fault> {
        if self.shared.guarantee == Guarantee::AtLeastOnce {
            return Ok(());
        }
        let mut client = consumer_config(&self.shared.kafka, &self.shared.group);
        client.set("isolation.level", "read_uncommitted");
        let reader: BaseConsumer<LogContext> =
            client.create_with_context(LogContext).map_err(Fault::kafka("create a consumer"))?;
        let committed = reader
            .committed_offsets(list.clone(), REQUEST)
            .map_err(Fault::kafka("read who owned the partitions"))?;
        let mut owners: BTreeSet<String> = committed
            .elements()
            .iter()
            .filter_map(|element| CommitMetadata::decode(element.metadata()))
            .map(|metadata| metadata.writer)
            .filter(|writer| !writer.is_empty())
            .collect();
        // A thread of this process ends what its name left open by itself, also before it is in the group.
        (0..self.shared.threads).for_each(|index| _ = owners.remove(&self.shared.transactional_id(index)));
        if owners.is_empty() {
            return Ok(());
        }
        match reader.fetch_group_list(Some(&self.shared.group), MEMBERS) {
            // An owner that is a member did not own them in this generation: it is a new life, which has ended the
            // transaction of the former one.
            Ok(groups) => {
                let members = groups.groups().iter().flat_map(rdkafka::groups::GroupInfo::members);
                members.for_each(|member| _ = owners.remove(member.client_id()));
            }
            Err(error) => tracing::warn!(%error, "members of the group are not known"),
        }
        for owner in owners {
            tracing::warn!(owner, "ending the transaction of a former owner that is gone");
            Transaction::fence(&self.shared.kafka, &owner)?;
        }
        Ok(())
    }

    /// Where a partition starts.
    fn start_of(&mut self, id: TaskId, committed: rdkafka::Offset, metadata: &str) -> Result<Start, Fault> {
        let topic = &self.topics[id.0];
        let (low, _) = self.ends(topic, id.1)?;
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
        let changelog = self.ends(&self.changelog_of(id), id.1)?;
        self.barriers += 1;
        Ok(Start {
            id,
            position: Position(start),
            counts: CommitMetadata::decode(metadata).map(|metadata| metadata.counts).unwrap_or_default(),
            changelog,
            nonce: format!("{} {} {}", self.transactional_id, clock::now_ms(), self.barriers).into_bytes(),
            since: self.waiting.get(&id).map_or_else(Instant::now, |waiting| waiting.since),
        })
    }

    fn changelog_of(&self, id: TaskId) -> String {
        self.shared.names.of(self.shared.sources[id.0].changelog)
    }

    /// Where a partition begins and ends.
    fn ends(&self, topic: &str, partition: i32) -> Result<(i64, i64), Fault> {
        let ends = self.consumer.fetch_watermarks(topic, partition, REQUEST);
        ends.map_err(Fault::kafka("read a partition's ends"))
    }

    /// Takes a partition's dedupe set, as far as it is stored here.
    fn claim(&self, start: Start) -> Result<Restoring, Fault> {
        let Start { id, position, counts, changelog: (low, before_barrier), nonce, since } = start;
        let Kept { set, position: stored } = self.shared.standby.claim(id)?;
        let (_, end) = self.ends(&self.changelog_of(id), id.1)?;
        let (set, stored) = match stored {
            Some(stored) if stored > end => {
                let topic = &self.topics[id.0];
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
        // The standby may have read our barrier already: the restore must see it too.
        let changelog = rdkafka::Offset::Offset(stored.unwrap_or(0).min(before_barrier).max(low));
        Ok(Restoring { set, start: position, counts, changelog, nonce, since })
    }

    pub(super) fn start_task(&mut self, restored: Restored) -> Result<(), Fault> {
        let Restored { id, set, start, counts, changelog, since } = restored;
        let source: &Source<M> = &self.shared.sources[id.0];
        let task = Task::new((source.chain)(), source.limits, set, start, counts);
        let running = Running {
            task,
            changelog,
            committed: Some(start),
            counted: counts,
            written: false,
            fresh: true,
            since: Instant::now(),
            lost: None,
        };
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

    /// Drops all tasks, whose transaction was aborted; they wait to be restored from the last commit.
    pub(super) fn restore_in_place(&mut self, why: &str) -> Result<(), Fault> {
        tracing::warn!(thread = self.index, why, "transaction aborted, its tasks are restored in place");
        metrics::TRANSACTIONS_ABORTED.add(metrics::NONE, 1);
        self.targets.iter_mut().for_each(|target| target.written = 0);
        self.hand_to_standby(|_| true)?;
        self.early.clear();
        let assigned = self.consumer.assignment().map_err(Fault::kafka("read the assignment"))?;
        self.consumer.pause(&assigned).map_err(Fault::kafka("pause partitions"))?;
        let in_place = Waiting { since: Instant::now(), is_assigned: true, is_fenced: true };
        self.waiting.extend(self.ids(&assigned).into_iter().map(|id| (id, in_place)));
        // What fails for good must not be tried at full speed.
        self.retry_at = Instant::now() + RESTORE_PAUSE;
        Ok(())
    }

    /// Gives partitions back, after everything that is theirs is committed. Where the group has already given them to
    /// another, nothing of them is: the new owner starts at the last commit.
    fn revoke(&mut self, list: &TopicPartitionList) -> Result<(), Fault> {
        let gone: BTreeSet<TaskId> = self.ids(list).into_iter().collect();
        let committed = if self.consumer.assignment_lost() {
            self.transaction.abort()?;
            Err(Fault::Aborted("the group has given the partitions to others".into()))
        } else {
            self.commit_and_leave(|id| gone.contains(&id)).and_then(|()| self.write_back())
        };
        match committed {
            Err(Fault::Aborted(why)) => self.restore_in_place(&why)?,
            result => result?,
        }
        self.early.retain(|id, _| !gone.contains(id));
        self.waiting.retain(|id, _| !gone.contains(id));
        self.hand_to_standby(|id| gone.contains(&id))?;
        self.consumer.incremental_unassign(list).map_err(Fault::kafka("give partitions back"))?;
        let labels: Vec<&'static str> = self.shared.sources.iter().map(|source| source.label).collect();
        self.shared.status.forget(self.index, |label, partition| {
            labels
                .iter()
                .position(|other| *other == label)
                .is_some_and(|number| gone.contains(&(number, partition)))
        });
        tracing::info!(thread = self.index, partitions = list.count(), "partitions given back");
        Ok(())
    }
}
