//! Restoring tasks: the changelog is read from where the local store ends to the barrier that this owner wrote.
//!
//! No watermark is compared. The barrier was written in a transaction of its own after the committed offsets were
//! read, so whatever a former owner committed stands before it, and a read_committed reader that sees the barrier has
//! seen all of that. The partitions themselves stay paused meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use streams::changelog::{self, Item};
use streams::{Counts, DedupeSet, Position};

use super::fault::Fault;
use crate::config;
use crate::kafka::{LogContext, consumer_config};
use crate::store::SledBlocks;

/// How long one turn of the thread's loop may restore, so that its other tasks go on.
const TURN: Duration = Duration::from_millis(50);

/// A task: number of the source, partition.
pub(crate) type TaskId = (usize, i32);

/// A task on its way.
pub(crate) struct Restoring {
    /// Its dedupe set, growing.
    pub(crate) set: DedupeSet<SledBlocks>,
    /// Where it will read its source.
    pub(crate) start: Position,
    /// How its records had ended.
    pub(crate) counts: Counts,
    /// The next changelog record.
    pub(crate) changelog: Offset,
    /// What the barrier carries.
    pub(crate) nonce: Vec<u8>,
    /// When the partition was assigned.
    pub(crate) since: Instant,
}

/// A restored task.
pub(crate) struct Restored {
    pub(crate) id: TaskId,
    pub(crate) set: DedupeSet<SledBlocks>,
    pub(crate) start: Position,
    pub(crate) counts: Counts,
    /// The changelog position that the set corresponds to.
    pub(crate) changelog: i64,
    pub(crate) since: Instant,
}

/// Restores any number of tasks at once.
pub(crate) struct Restorer {
    consumer: BaseConsumer<LogContext>,
    /// Full names of the changelogs, by number of the source.
    topics: Vec<String>,
    running: BTreeMap<TaskId, Restoring>,
}

impl Restorer {
    pub(crate) fn new(kafka: &config::Kafka, topics: Vec<String>) -> Result<Self, Fault> {
        let mut client = consumer_config(kafka, "naru-restore");
        client.set("auto.offset.reset", "earliest");
        let consumer =
            client.create_with_context(LogContext).map_err(Fault::kafka("create the restore consumer"))?;
        Ok(Self { consumer, topics, running: BTreeMap::new() })
    }

    /// Adds tasks, whose barriers are committed.
    pub(crate) fn begin(
        &mut self,
        tasks: impl IntoIterator<Item = (TaskId, Restoring)>,
    ) -> Result<(), Fault> {
        self.running.extend(tasks);
        self.assign()
    }

    /// Gives up the tasks that `which` names, and gives them back as far as they have come.
    pub(crate) fn cancel(
        &mut self,
        which: impl Fn(TaskId) -> bool,
    ) -> Result<Vec<(TaskId, Restoring)>, Fault> {
        let gone: Vec<TaskId> = self.running.keys().copied().filter(|id| which(*id)).collect();
        let gone: Vec<_> = gone.into_iter().filter_map(|id| Some((id, self.running.remove(&id)?))).collect();
        if !gone.is_empty() {
            self.assign()?;
        }
        Ok(gone)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// The tasks on their way.
    pub(crate) fn running(&self) -> impl Iterator<Item = (TaskId, &Restoring)> {
        self.running.iter().map(|(id, restoring)| (*id, restoring))
    }

    /// Reads on for a bounded time; returns the tasks whose barrier was seen.
    pub(crate) fn turn(&mut self) -> Result<Vec<Restored>, Fault> {
        let mut done = Vec::new();
        if self.running.is_empty() {
            return Ok(done);
        }
        let end = Instant::now() + TURN;
        while Instant::now() < end {
            let Some(message) = self.consumer.poll(Duration::from_millis(1)) else { break };
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    tracing::warn!(%error, "changelog cannot be read on, trying again");
                    break;
                }
            };
            let Some(source) = self.topics.iter().position(|topic| topic == message.topic()) else {
                continue;
            };
            let id = (source, message.partition());
            let Some(task) = self.running.get_mut(&id) else { continue };
            let next = message.offset() + 1;
            task.changelog = Offset::Offset(next);
            match changelog::decode(message.payload().unwrap_or_default()) {
                Ok(Item::Entries(entries)) => {
                    for entry in entries {
                        task.set.insert(entry)?;
                    }
                }
                Ok(Item::Barrier(nonce)) if nonce == task.nonce => {
                    let Restoring { set, start, counts, since, .. } =
                        self.running.remove(&id).expect("found above");
                    done.push(Restored { id, set, start, counts, changelog: next, since });
                }
                Ok(Item::Barrier(_)) => {}
                Err(error) => {
                    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
                    return Err(Fault::Topics(format!("{topic}/{partition} offset {offset}: {error}")));
                }
            }
        }
        if !done.is_empty() {
            self.assign()?;
        }
        Ok(done)
    }

    fn assign(&self) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        for ((source, partition), task) in &self.running {
            list.add_partition_offset(&self.topics[*source], *partition, task.changelog)
                .map_err(Fault::kafka("name a changelog partition"))?;
        }
        self.consumer.assign(&list).map_err(Fault::kafka("assign changelog partitions"))
    }
}
