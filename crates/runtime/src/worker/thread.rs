//! A stream thread: one consumer, one transactional producer, and the tasks of the partitions that the group gives it.
//!
//! A std thread, not a task of tokio: the client's transactional calls block. The loop in [`Thread::work`] is the one
//! place where records are processed, time is passed, effects are written and offsets are committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use schemas::Topic;
use streams::{
    AppendTime, Counts, Effects, Offset, OwnedRecord, Position, Record, Task, TaskTime, changelog,
};

use super::Shared;
use super::assignment::{Assignment, FETCH_WAIT_MS, STATISTICS_MS, Sight};
use super::fault::Fault;
use super::outputs::Target;
use super::restore::{Restorer, TaskId};
use super::transaction::{NewRecord, Offsets, Transaction, add_offset};
use crate::admin::Condition;
use crate::clock;
use crate::config::Guarantee;
use crate::kafka::consumer_config;
use crate::metrics;
use crate::store::SledBlocks;

/// Longest wait for a record before time and commits are looked at.
const POLL: Duration = Duration::from_millis(10);
/// Longest stretch of processing before time and commits are looked at.
const SLICE: Duration = Duration::from_millis(50);
/// Records between two looks at the clock: a look costs as much as a tenth of a record.
const LOOK_AT_CLOCK: u32 = 32;
/// Records of a partition that the client reads ahead, and bytes that it fetches of one at once: some tens of
/// milliseconds of work. With the client's own 100,000 and 1 MiB all of it left the processor's caches before its turn
/// came, which cost more than half a microsecond a record.
const READ_AHEAD: &str = "5000";
const FETCH_BYTES: &str = "262144";
/// Most by which time grows in one turn of the loop: a process that stood still must not run over unread records.
const TIME_STEP: Duration = Duration::from_millis(100);
/// For the client's reports to be about a partition as its new task reads it: their age, twice.
const SETTLED: Duration = Duration::from_millis(600);
/// Between two write-backs of the dedupe sets to the state store. A write-back writes every bucket that changed, whole,
/// so a short interval costs more than the entries that a restart then reads again: a million a second.
const WRITE_BACK: Duration = Duration::from_secs(60);

/// A task and what the thread knows about it.
pub(super) struct Running<M> {
    pub(super) task: Task<M, SledBlocks>,
    /// Changelog position that the dedupe set corresponds to.
    pub(super) changelog: i64,
    /// Position of the last commit.
    pub(super) committed: Option<Position>,
    /// Counts at the last commit, for the metrics.
    pub(super) counted: Counts,
    /// Whether something was written for it since the last commit.
    pub(super) written: bool,
    /// Whether records came since time was last passed.
    pub(super) fresh: bool,
    /// When it began to read.
    pub(super) since: Instant,
    /// Since when the leader of its partition is out of reach, where it is.
    pub(super) lost: Option<Instant>,
}

/// A partition that is ours and has no task yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    /// Whether the client reads it already: it is restored in place.
    pub(super) is_assigned: bool,
    /// Whether its former owner was shut out: once, so that two owners do not do it to each other for ever.
    pub(super) is_fenced: bool,
}

/// When the loop of a thread does what it does from time to time.
struct Pace {
    turn: Instant,
    commit_at: Instant,
    write_back_at: Instant,
    /// Whether the group has given something yet.
    joined: bool,
}

pub(super) struct Thread<'a, M> {
    pub(super) shared: &'a Shared<M>,
    pub(super) index: usize,
    pub(super) consumer: BaseConsumer<Assignment>,
    pub(super) transaction: Transaction,
    /// Writes the vault's records where that has a cluster of its own: acknowledged before the commit of what refers to
    /// them, and there without it after a crash, which does no harm.
    pub(super) vault: Option<Transaction>,
    pub(super) transactional_id: String,
    pub(super) restorer: Restorer,
    pub(super) tasks: BTreeMap<TaskId, Running<M>>,
    /// Records that the client had fetched before their partition was paused for its restore.
    pub(super) early: BTreeMap<TaskId, Vec<OwnedRecord>>,
    /// Partitions to take over.
    pub(super) waiting: BTreeMap<TaskId, Waiting>,
    pub(super) retry_at: Instant,
    /// Full topic names of the sources, by number.
    pub(super) topics: Vec<String>,
    pub(super) targets: Vec<Target>,
    pub(super) held_bytes: usize,
    pub(super) barriers: u64,
}

/// Works until the shutdown signal, or until something cannot be tried again.
pub(crate) fn run<M>(shared: &Arc<Shared<M>>, index: usize, ready: &Condition) -> Result<(), Fault> {
    let mut thread = Thread::new(shared, index)?;
    let result = thread.work(ready);
    // After an error nothing that is not committed may be applied; what is, may be kept, unless it is the store that
    // failed.
    if !matches!(result, Err(Fault::Store(_)))
        && let Err(fault) = thread.hand_to_standby(|_| true)
    {
        fault.report(index);
    }
    thread.let_go();
    result
}

impl<'a, M> Thread<'a, M> {
    fn new(shared: &'a Shared<M>, index: usize) -> Result<Self, Fault> {
        let begun = Instant::now();
        let transactional_id = shared.transactional_id(index);
        let transaction = Transaction::new(&shared.kafka, &transactional_id, shared.guarantee)?;
        let topics: Vec<String> = shared.sources.iter().map(|source| shared.names.of(source.topic)).collect();
        let changelogs = shared.sources.iter().map(|source| shared.names.of(source.changelog)).collect();
        let mut thread = Self {
            shared,
            index,
            consumer: new_consumer(shared, &transactional_id, &topics)?,
            transaction,
            vault: shared
                .vault
                .as_ref()
                .map(|kafka| Transaction::new(kafka, "", Guarantee::AtLeastOnce))
                .transpose()?,
            transactional_id,
            restorer: Restorer::new(&shared.kafka, changelogs)?,
            tasks: BTreeMap::new(),
            early: BTreeMap::new(),
            waiting: BTreeMap::new(),
            retry_at: Instant::now(),
            topics,
            targets: Vec::new(),
            held_bytes: 0,
            barriers: 0,
        };
        thread.check_topics()?;
        shared.outage.connected(begun, Instant::now());
        Ok(thread)
    }

    /// Source and changelog must have the same number of partitions: a task's entries stand under its own number.
    fn check_topics(&mut self) -> Result<(), Fault> {
        let shared = self.shared;
        for (number, source) in shared.sources.iter().enumerate() {
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
        self.target(Topic::DEAD_LETTERS.name())?;
        for topic in shared.sources.iter().flat_map(|source| &source.outputs) {
            self.target(topic.name())?;
        }
        Ok(())
    }

    fn work(&mut self, ready: &Condition) -> Result<(), Fault> {
        let turn = Instant::now();
        let (commit_at, write_back_at) = (turn + self.shared.commit_interval, turn + WRITE_BACK);
        let mut pace = Pace { turn, commit_at, write_back_at, joined: false };
        while !self.shared.shutdown.is_set() {
            match self.turn(&mut pace) {
                Err(Fault::Aborted(why)) => self.restore_in_place(&why)?,
                result => result?,
            }
            ready.set(pace.joined && self.restorer.is_idle() && self.waiting.is_empty());
        }
        self.commit_and_leave(|_| true)
    }

    /// Records, rebalances, restores, time, commits.
    fn turn(&mut self, pace: &mut Pace) -> Result<(), Fault> {
        self.read()?;
        pace.joined |= self.follow_assignment()?;
        for restored in self.restorer.turn()? {
            self.start_task(restored)?;
        }
        let now = Instant::now();
        self.pass_time(now.duration_since(pace.turn).min(TIME_STEP), now)?;
        pace.turn = now;
        self.bound_held_bytes()?;
        if now >= pace.commit_at {
            self.commit()?;
            pace.commit_at = now + self.shared.commit_interval;
        }
        if now >= pace.write_back_at {
            self.write_back()?;
            pace.write_back_at = Instant::now() + WRITE_BACK;
        }
        Ok(())
    }

    /// Takes the records that are there, for a bounded time.
    fn read(&mut self) -> Result<(), Fault> {
        let end = Instant::now() + SLICE;
        let mut wait = POLL;
        for taken in 1_u32.. {
            let Some(message) = self.consumer.poll(wait) else { return Ok(()) };
            match message {
                Ok(message) => {
                    let number = self.topics.iter().position(|topic| topic == message.topic());
                    let id = (number.expect("only sources are subscribed"), message.partition());
                    if let Some(running) = self.tasks.get_mut(&id) {
                        running.fresh = true;
                        let effects = process(&mut running.task, &message)?;
                        drop(message);
                        self.write(id, effects)?;
                    } else {
                        self.early.entry(id).or_default().push(owned(&message));
                    }
                }
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                )) => return Err(Fault::TimedOut("read records before they are deleted")),
                Err(error) if is_fatal(&error) => return Err(Fault::Kafka("read records", error)),
                Err(error) => tracing::warn!(%error, "records cannot be read, trying again"),
            }
            if taken % LOOK_AT_CLOCK == 0 && Instant::now() >= end {
                return Ok(());
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// At the end of a partition time passes by the clock, so that an idle one releases what it holds.
    fn pass_time(&mut self, elapsed: Duration, now: Instant) -> Result<(), Fault> {
        let step = i64::try_from(elapsed.as_millis()).expect("at most TIME_STEP");
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            let running = self.tasks.get_mut(&id).expect("listed above");
            // What passed before records came is in their append times already: added to them, it would run ahead.
            // And the client's reports may still be from before the task.
            if std::mem::take(&mut running.fresh) || now.duration_since(running.since) < SETTLED {
                continue;
            }
            let Some(time) = running.task.time() else { continue };
            let position = running.task.position().0;
            let sight = self.consumer.context().sight(&self.topics[id.0], id.1, position, now);
            match sight {
                Sight::Unknown => continue,
                Sight::Lost => {
                    self.shared.outage.is_lost(*running.lost.get_or_insert(now), now);
                    continue;
                }
                Sight::Unread | Sight::AtEnd => running.lost = None,
            }
            if self.shared.outage.lets_time_run(now) && sight == Sight::AtEnd {
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

    /// Commits effects, changelog and offsets of all tasks together, and only then applies the entries.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        self.commit_and_leave(|_| false)
    }

    /// The same, and says of the partitions that `leaves` names that their owner has given them back.
    pub(super) fn commit_and_leave(&mut self, leaves: impl Fn(TaskId) -> bool) -> Result<(), Fault> {
        let begun = Instant::now();
        self.transaction.in_order()?;
        let mut offsets = TopicPartitionList::new();
        let mut ended = 0;
        // Tracking numbers start at 1, in the order of the tasks.
        for ((id, running), tracked) in self.tasks.iter().zip(1..) {
            let commit = running.task.commit();
            let is_leaving = leaves(*id);
            let is_unchanged = running.committed == Some(commit.position);
            if !is_leaving && !running.written && commit.entries.is_empty() && is_unchanged {
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
            let writer = if is_leaving { "" } else { &self.transactional_id };
            add_offset(&mut offsets, &self.topics[id.0], id.1, commit.position, writer, commit.counts)?;
        }
        for (id, restoring) in self.restorer.running().filter(|(id, _)| leaves(*id)) {
            add_offset(&mut offsets, &self.topics[id.0], id.1, restoring.start, "", restoring.counts)?;
        }
        if offsets.count() == 0 && !self.transaction.is_open() {
            self.report();
            return Ok(());
        }
        if let Some(vault) = &mut self.vault {
            vault.in_order()?;
        }
        let consumer = &self.consumer;
        let written = self.transaction.commit(&Offsets { list: &offsets, consumer })?;
        for ((id, running), tracked) in self.tasks.iter_mut().zip(1..) {
            if offsets.find_partition(&self.topics[id.0], id.1).is_none() {
                continue;
            }
            running.committed = Some(running.task.commit().position);
            running.written = false;
            running.task.committed()?;
            if let Some((first, last)) = written.get(&tracked) {
                // Without transactions an owner that was put out can write entries after our barrier, which the set
                // lacks: then the position stays before them.
                if self.shared.guarantee == Guarantee::ExactlyOnce || *first == running.changelog {
                    running.changelog = last + 1;
                }
            }
        }
        metrics::COMMIT_SECONDS.record(metrics::NONE, begun.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "counts of one commit are far below 2^52")]
        metrics::COMMIT_RECORDS.record(metrics::NONE, ended as f64);
        self.report();
        Ok(())
    }

    /// Writes the dedupe sets to the state store. They hold only what is committed.
    pub(super) fn write_back(&mut self) -> Result<(), Fault> {
        for running in self.tasks.values_mut() {
            running.task.dedupe().write_back(Some(running.changelog))?;
        }
        Ok(())
    }

    /// Gives everything back and takes nothing more. A rebalance that was told and not answered, because the thread
    /// failed at it, would otherwise keep the consumer from ever closing.
    fn answer_the_group(&self) {
        let all = self.consumer.assignment();
        let given_back = all.and_then(|all| self.consumer.incremental_unassign(&all));
        let taken = self.consumer.incremental_assign(&TopicPartitionList::new());
        if let Err(error) = given_back.and(taken) {
            tracing::warn!(thread = self.index, %error, "the group cannot be answered");
        }
    }

    /// Drops everything and leaves the group.
    fn let_go(mut self) {
        self.tasks.clear();
        self.shared.held_bytes.fetch_sub(self.held_bytes, Ordering::Relaxed);
        self.consumer.context().close();
        self.answer_the_group();
        if !self.shared.shutdown.is_set() {
            self.shared.status.forget(self.index, |_, _| true);
        }
    }
}

fn new_consumer<M>(
    shared: &Shared<M>,
    transactional_id: &str,
    topics: &[String],
) -> Result<BaseConsumer<Assignment>, Fault> {
    let mut client = consumer_config(&shared.kafka, &shared.group);
    client
        // By it the others see whether an owner is still in the group.
        .set("client.id", transactional_id)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "error")
        .set("queued.min.messages", READ_AHEAD)
        .set("max.partition.fetch.bytes", FETCH_BYTES)
        .set("fetch.wait.max.ms", FETCH_WAIT_MS)
        .set("statistics.interval.ms", STATISTICS_MS);
    let consumer: BaseConsumer<Assignment> =
        client.create_with_context(Assignment::default()).map_err(Fault::kafka("create the consumer"))?;
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(Fault::kafka("subscribe"))?;
    Ok(consumer)
}

/// Gives a message to its task and takes the effects.
fn process<M>(task: &mut Task<M, SledBlocks>, message: &BorrowedMessage<'_>) -> Result<Effects, Fault> {
    borrowed(message, |record| task.process(record))?;
    Ok(task.take_effects())
}

/// A copy of a message as the engine takes it.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough")]
fn owned(message: &BorrowedMessage<'_>) -> OwnedRecord {
    borrowed(message, |record| record.to_owned())
}

/// Calls `with` with a message as the engine takes it.
fn borrowed<R>(message: &BorrowedMessage<'_>, with: impl FnOnce(&Record<'_>) -> R) -> R {
    let mut headers: Vec<(&str, &[u8])> = Vec::new();
    if let Some(all) = message.headers() {
        headers.reserve_exact(all.count());
        headers.extend(all.iter().map(|header| (header.key, header.value.unwrap_or_default())));
    }
    with(&Record {
        offset: Offset(message.offset()),
        append_time: AppendTime(message.timestamp().to_millis().unwrap_or_else(clock::now_ms)),
        key: message.key().unwrap_or_default(),
        value: message.payload().unwrap_or_default(),
        headers: &headers,
    })
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
}
