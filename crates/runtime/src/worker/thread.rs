//! A stream thread: one consumer, one transactional producer, and the tasks of the partitions that the group gives it.
//!
//! A std thread, not a task of tokio: the client's transactional calls block. The loop in [`Thread::work`] is the one
//! place where records are processed, time is passed, effects are written and offsets are committed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use schemas::{Topic, header};
use streams::{
    AppendTime, CommitMetadata, Counts, DedupeSet, Effects, Offset, Output, Position, Record, Task, TaskTime,
    changelog,
};

use super::assignment::{Assignment, Change, STATISTICS_MS};
use super::fault::Fault;
use super::restore::{Restored, Restorer, Restoring, TaskId};
use super::status::SourceStatus;
use super::transaction::{NewRecord, Transaction};
use super::{Shared, Source};
use crate::admin::Condition;
use crate::clock;
use crate::kafka::consumer_config;
use crate::metrics;
use crate::store::SledBlocks;

/// Longest wait for a record before time and commits are looked at.
const POLL: Duration = Duration::from_millis(10);
/// Longest stretch of processing before time and commits are looked at.
const SLICE: Duration = Duration::from_millis(50);
/// Most by which time grows in one turn of the loop: a process that stood still must not run over unread records.
const TIME_STEP: Duration = Duration::from_millis(100);
/// For one request to the broker.
const REQUEST: Duration = Duration::from_secs(5);
/// Between two attempts to read committed offsets that a dead instance's transaction still holds.
const UNSTABLE_PAUSE: Duration = Duration::from_millis(200);
/// Between two write-backs of the dedupe sets to the state store.
const WRITE_BACK: Duration = Duration::from_secs(5);

/// A task and what the thread knows about it.
struct Running<M> {
    task: Task<M, SledBlocks>,
    /// Changelog position that the dedupe set corresponds to.
    changelog: i64,
    /// Position of the last commit.
    committed: Option<Position>,
    /// Counts at the last commit, for the metrics.
    counted: Counts,
    /// Whether something was written for it since the last commit.
    written: bool,
}

/// A topic that outputs go to.
struct Target {
    name: String,
    partitions: i32,
}

struct Thread<'a, M> {
    shared: &'a Shared<M>,
    index: usize,
    consumer: BaseConsumer<Assignment>,
    transaction: Transaction,
    transactional_id: String,
    restorer: Restorer,
    tasks: BTreeMap<TaskId, Running<M>>,
    /// Assignments whose committed offsets could not be read yet.
    unstable: Vec<TopicPartitionList>,
    retry_at: Instant,
    /// Full topic names of the sources, by number.
    topics: Vec<String>,
    targets: HashMap<&'static str, Target>,
    held_bytes: usize,
    barriers: u64,
}

/// Works until the shutdown signal, or until something cannot be tried again.
pub(crate) fn run<M>(shared: &Arc<Shared<M>>, index: usize, ready: &Condition) -> Result<(), Fault> {
    let mut thread = Thread::new(shared, index)?;
    let result = thread.work(ready).and_then(|()| thread.commit());
    // After an error nothing that is not committed may be applied; what is, may be kept.
    if result.is_ok() {
        thread.write_back()?;
    }
    thread.let_go();
    result
}

impl<'a, M> Thread<'a, M> {
    fn new(shared: &'a Shared<M>, index: usize) -> Result<Self, Fault> {
        let transactional_id = format!("{}-{}-{index}", shared.group, shared.instance);
        let transaction = Transaction::new(&shared.kafka, &transactional_id)?;
        let topics: Vec<String> = shared.sources.iter().map(|source| shared.names.of(source.topic)).collect();
        let changelogs = shared.sources.iter().map(|source| shared.names.of(source.changelog)).collect();
        let mut thread = Self {
            shared,
            index,
            consumer: new_consumer(shared, &topics)?,
            transaction,
            transactional_id,
            restorer: Restorer::new(&shared.kafka, changelogs)?,
            tasks: BTreeMap::new(),
            unstable: Vec::new(),
            retry_at: Instant::now(),
            topics,
            targets: HashMap::new(),
            held_bytes: 0,
            barriers: 0,
        };
        thread.check_topics()?;
        Ok(thread)
    }

    /// Source and changelog must have the same number of partitions: a task's entries stand under its own number.
    fn check_topics(&mut self) -> Result<(), Fault> {
        for (number, source) in self.shared.sources.iter().enumerate() {
            let changelog = self.shared.names.of(source.changelog);
            let (have, want) = (
                self.transaction.partitions(&changelog)?,
                self.transaction.partitions(&self.topics[number])?,
            );
            if have != want {
                let topic = &self.topics[number];
                return Err(Fault::Topics(format!(
                    "{topic} has {want} partitions, its changelog {changelog} has {have}; they must be equal"
                )));
            }
        }
        let spec = Topic::DeadLetters.spec();
        self.target(spec.name)?;
        Ok(())
    }

    fn work(&mut self, ready: &Condition) -> Result<(), Fault> {
        let mut turn = Instant::now();
        let mut commit_at = turn + self.shared.commit_interval;
        let mut write_back_at = turn + WRITE_BACK;
        let mut joined = false;
        while !self.shared.shutdown.is_set() {
            self.read()?;
            joined |= self.follow_assignment()?;
            for restored in self.restorer.turn()? {
                self.start_task(restored)?;
            }
            ready.set(joined && self.restorer.is_idle() && self.unstable.is_empty());

            let now = Instant::now();
            self.pass_time(now.duration_since(turn).min(TIME_STEP), now)?;
            turn = now;
            self.bound_held_bytes()?;
            if now >= commit_at {
                self.commit()?;
                commit_at = Instant::now() + self.shared.commit_interval;
            }
            if now >= write_back_at {
                self.write_back()?;
                write_back_at = Instant::now() + WRITE_BACK;
            }
        }
        Ok(())
    }

    /// Takes the records that are there, for a bounded time.
    fn read(&mut self) -> Result<(), Fault> {
        let end = Instant::now() + SLICE;
        let mut wait = POLL;
        loop {
            let Some(message) = self.consumer.poll(wait) else { return Ok(()) };
            match message {
                Ok(message) => {
                    let number = self.topics.iter().position(|topic| topic == message.topic());
                    let id = (number.expect("only sources are subscribed"), message.partition());
                    if let Some(running) = self.tasks.get_mut(&id) {
                        let effects = process(&mut running.task, &message)?;
                        drop(message);
                        self.write(id, effects)?;
                    }
                }
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                )) => return Err(Fault::TimedOut("read records before they are deleted")),
                Err(error) if is_fatal(&error) => return Err(Fault::Kafka("read records", error)),
                Err(error) => tracing::warn!(%error, "records cannot be read, trying again"),
            }
            if Instant::now() >= end {
                return Ok(());
            }
            wait = Duration::ZERO;
        }
    }

    /// At the end of a partition time passes by the clock, so that an idle one releases what it holds.
    fn pass_time(&mut self, elapsed: Duration, now: Instant) -> Result<(), Fault> {
        let step = i64::try_from(elapsed.as_millis()).expect("at most TIME_STEP");
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            let running = self.tasks.get_mut(&id).expect("listed above");
            let Some(time) = running.task.time() else { continue };
            let position = running.task.position().0;
            if self.consumer.context().at_end(&self.topics[id.0], id.1, position, now) {
                running.task.advance(TaskTime(time.0 + step));
                let effects = running.task.take_effects();
                self.write(id, effects)?;
            }
        }
        Ok(())
    }

    /// At the bound of the process the oldest held records of this thread leave early; nothing is paused, since time
    /// only moves by reading.
    fn bound_held_bytes(&mut self) -> Result<(), Fault> {
        loop {
            let now: usize = self.tasks.values().map(|running| running.task.held_bytes()).sum();
            let all = &self.shared.held_bytes;
            all.fetch_add(now, Ordering::Relaxed);
            let before = all.fetch_sub(self.held_bytes, Ordering::Relaxed) - self.held_bytes;
            self.held_bytes = now;
            if before <= self.shared.hold_bytes {
                return Ok(());
            }
            let fullest = self.tasks.iter_mut().max_by_key(|(_, running)| running.task.held_bytes());
            let Some((id, running)) = fullest else { return Ok(()) };
            if !running.task.cut_hold() {
                return Ok(());
            }
            let (id, effects) = (*id, running.task.take_effects());
            self.write(id, effects)?;
        }
    }

    /// Writes a task's effects in the current transaction.
    fn write(&mut self, id: TaskId, effects: Effects) -> Result<(), Fault> {
        if effects.outputs.is_empty() && effects.dead.is_empty() && effects.filtered.is_empty() {
            return Ok(());
        }
        for output in &effects.outputs {
            self.write_output(output)?;
        }
        let label = self.shared.sources[id.0].label;
        for dead in &effects.dead {
            metrics::PROCESSOR_DEAD.add([label, dead.reason], 1);
            let (partition, offset) = (id.1.to_string(), dead.record.offset.0.to_string());
            let mut headers: Vec<(&str, &[u8])> =
                dead.record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            headers.extend([
                (header::DEAD_REASON, dead.reason.as_bytes()),
                (header::DEAD_DETAIL, dead.detail.as_bytes()),
                (header::DEAD_STAGE, b"processors"),
                (header::DEAD_TOPIC, self.topics[id.0].as_bytes()),
                (header::DEAD_PARTITION, partition.as_bytes()),
                (header::DEAD_OFFSET, offset.as_bytes()),
            ]);
            let topic = &self.targets[Topic::DeadLetters.name()].name;
            let (key, value) = (&dead.record.key, &dead.record.value);
            let partition = None;
            self.transaction.write(&NewRecord {
                topic,
                partition,
                key,
                value,
                headers: &headers,
                tracked: None,
            })?;
        }
        for (reason, count) in effects.filtered {
            metrics::FILTERED.add([label, reason], count);
        }
        if let Some(running) = self.tasks.get_mut(&id) {
            running.written = true;
        }
        Ok(())
    }

    fn write_output(&mut self, output: &Output) -> Result<(), Fault> {
        let target = self.target(output.topic)?;
        let partition =
            output.partition_by.as_ref().map(|key| schemas::partition_for(key, target.partitions));
        let topic = &self.targets[output.topic].name;
        let headers: Vec<(&str, &[u8])> =
            output.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let (key, value) = (&output.key, &output.value);
        self.transaction.write(&NewRecord { topic, partition, key, value, headers: &headers, tracked: None })
    }

    fn target(&mut self, name: &'static str) -> Result<&Target, Fault> {
        if !self.targets.contains_key(name) {
            let full = self.shared.names.full(name);
            let partitions = self.transaction.partitions(&full)?;
            self.targets.insert(name, Target { name: full, partitions });
        }
        Ok(&self.targets[name])
    }

    /// Commits effects, changelog and offsets of all tasks in one transaction, and only then applies the entries.
    fn commit(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        let mut offsets = TopicPartitionList::new();
        let mut ended = 0;
        // Tracking numbers start at 1, in the order of the tasks.
        for ((id, running), tracked) in self.tasks.iter().zip(1..) {
            let commit = running.task.commit();
            if !running.written && commit.entries.is_empty() && running.committed == Some(commit.position) {
                continue;
            }
            let topic = &self.shared.names.of(self.shared.sources[id.0].changelog);
            for value in changelog::encode_entries(commit.entries) {
                self.transaction.write(&NewRecord {
                    topic,
                    partition: Some(id.1),
                    key: b"",
                    value: &value,
                    headers: &[],
                    tracked: Some(tracked),
                })?;
            }
            ended += commit.entries.len();
            let metadata =
                CommitMetadata { writer: self.transactional_id.clone(), counts: commit.counts }.encode();
            let mut element = offsets.add_partition(&self.topics[id.0], id.1);
            element
                .set_offset(rdkafka::Offset::Offset(commit.position.0))
                .map_err(Fault::kafka("name an offset"))?;
            element.set_metadata(metadata);
        }
        if offsets.count() == 0 && !self.transaction.is_open() {
            self.report();
            return Ok(());
        }
        let group = self.consumer.group_metadata().ok_or(Fault::TimedOut("read the group's metadata"))?;
        let written = self.transaction.commit(Some((&offsets, &group)))?;
        for ((id, running), tracked) in self.tasks.iter_mut().zip(1..) {
            if offsets.find_partition(&self.topics[id.0], id.1).is_none() {
                continue;
            }
            running.committed = Some(running.task.commit().position);
            running.written = false;
            running.task.committed()?;
            if let Some(offset) = written.get(&tracked) {
                running.changelog = offset + 1;
            }
        }
        metrics::COMMIT_SECONDS.record(metrics::NONE, begun.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "counts of one commit are far below 2^52")]
        metrics::COMMIT_RECORDS.record(metrics::NONE, ended as f64);
        self.report();
        Ok(())
    }

    /// Tells metrics and the status what the last commit made true.
    fn report(&mut self) {
        let thread = self.index.to_string();
        let mut held: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut unread: BTreeMap<usize, i64> = BTreeMap::new();
        for (id, running) in &mut self.tasks {
            let label = self.shared.sources[id.0].label;
            let counts = *running.task.counts();
            let new = counts.since(&running.counted);
            running.counted = counts;
            for (outcome, count) in [
                ("released", new.released),
                ("duplicate", new.duplicate),
                ("filtered", new.filtered),
                ("dead", new.dead),
            ] {
                if count > 0 {
                    metrics::RECORDS.add([label, outcome], count);
                }
            }
            if new.late > 0 {
                metrics::LATE.add([label], new.late);
            }
            if new.hold_cut > 0 {
                metrics::HOLD_CUT.add([label], new.hold_cut);
            }
            let in_buffer = running.task.held() as u64;
            *held.entry(label).or_default() += in_buffer;
            let high = self.consumer.context().high(&self.topics[id.0], id.1).unwrap_or(0);
            *unread.entry(id.0).or_default() += (high - running.task.position().0).max(0);
            self.shared.status.set((self.index, label, id.1), SourceStatus { counts, held: in_buffer });
        }
        for (label, count) in held {
            metrics::HELD.set([label.to_owned(), thread.clone()], as_gauge(count));
        }
        for (source, count) in unread {
            metrics::UNREAD
                .set([self.topics[source].clone(), thread.clone()], as_gauge(count.cast_unsigned()));
        }
        metrics::HELD_BYTES.set([thread.clone()], as_gauge(self.held_bytes as u64));
        metrics::TASKS.set([thread], as_gauge(self.tasks.len() as u64));
    }

    /// Writes the dedupe sets to the state store. They hold only what is committed.
    fn write_back(&mut self) -> Result<(), Fault> {
        for running in self.tasks.values_mut() {
            running.task.dedupe().write_back(Some(running.changelog))?;
        }
        Ok(())
    }

    /// Acts on what the group gave and took. Says whether it did anything.
    fn follow_assignment(&mut self) -> Result<bool, Fault> {
        let changes = self.consumer.context().take_changes();
        let changed = !changes.is_empty();
        for change in changes {
            match change {
                Change::Assigned(list) => self.unstable.push(list),
                Change::Revoked(list) => self.revoke(&list)?,
            }
        }
        if !self.unstable.is_empty() && (changed || Instant::now() >= self.retry_at) {
            for list in std::mem::take(&mut self.unstable) {
                self.take_over(list)?;
            }
            self.retry_at = Instant::now() + UNSTABLE_PAUSE;
        }
        Ok(changed)
    }

    /// Takes partitions over: committed offsets, a barrier in each changelog, then the restorer reads up to it.
    fn take_over(&mut self, list: TopicPartitionList) -> Result<(), Fault> {
        let since = Instant::now();
        if list.count() == 0 {
            return self.consumer.incremental_assign(&list).map_err(Fault::kafka("assign partitions"));
        }
        let committed = match self.consumer.committed_offsets(list.clone(), Duration::from_secs(1)) {
            Ok(committed) => committed,
            Err(error) => {
                tracing::info!(%error, "committed offsets are not stable yet, asking again");
                self.unstable.push(list);
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
        let blocks = self.shared.store.blocks(topic, id.1)?;
        let (set, stored) = DedupeSet::open(blocks)?;
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

    fn start_task(&mut self, restored: Restored) -> Result<(), Fault> {
        let Restored { id, set, start, counts, changelog, since } = restored;
        let source: &Source<M> = &self.shared.sources[id.0];
        let task = Task::new((source.chain)(), source.limits, set, start, counts);
        let running = Running { task, changelog, committed: None, counted: counts, written: false };
        self.tasks.insert(id, running);
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topics[id.0], id.1);
        self.consumer.resume(&list).map_err(Fault::kafka("resume a partition"))?;
        metrics::RESTORE_SECONDS.record(metrics::NONE, since.elapsed().as_secs_f64());
        tracing::info!(topic = self.topics[id.0], partition = id.1, position = start.0, "partition restored");
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
        self.tasks.retain(|id, _| !gone(&topics, *id));
        self.restorer.cancel(|id| gone(&topics, id))?;
        for waiting in std::mem::take(&mut self.unstable) {
            let mut kept = TopicPartitionList::new();
            for element in waiting.elements() {
                if list.find_partition(element.topic(), element.partition()).is_none() {
                    kept.add_partition(element.topic(), element.partition());
                }
            }
            self.unstable.push(kept);
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

    /// Drops everything and leaves the group.
    fn let_go(mut self) {
        self.tasks.clear();
        self.shared.held_bytes.fetch_sub(self.held_bytes, Ordering::Relaxed);
        self.consumer.context().close();
        if !self.shared.shutdown.is_set() {
            self.shared.status.forget(self.index, |_, _| true);
        }
    }
}

fn new_consumer<M>(shared: &Shared<M>, topics: &[String]) -> Result<BaseConsumer<Assignment>, Fault> {
    let mut client = consumer_config(&shared.kafka, &shared.group);
    client
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "error")
        .set("queued.min.messages", "100000")
        .set("statistics.interval.ms", STATISTICS_MS);
    let consumer: BaseConsumer<Assignment> =
        client.create_with_context(Assignment::default()).map_err(Fault::kafka("create the consumer"))?;
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(Fault::kafka("subscribe"))?;
    Ok(consumer)
}

/// Gives a message to its task and takes the effects.
fn process<M>(task: &mut Task<M, SledBlocks>, message: &BorrowedMessage<'_>) -> Result<Effects, Fault> {
    let headers: Vec<(&str, &[u8])> = message
        .headers()
        .map(|headers| headers.iter().map(|h| (h.key, h.value.unwrap_or_default())).collect())
        .unwrap_or_default();
    task.process(&Record {
        offset: Offset(message.offset()),
        append_time: AppendTime(message.timestamp().to_millis().unwrap_or_else(clock::now_ms)),
        key: message.key().unwrap_or_default(),
        value: message.payload().unwrap_or_default(),
        headers: &headers,
    })?;
    Ok(task.take_effects())
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
fn as_gauge(count: u64) -> f64 {
    count as f64
}
