//! The Kafka side of a destination: one thread that polls, pauses, commits, and takes and gives up partitions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use runtime::admin::Condition;
use runtime::kafka::{SESSION_TIMEOUT_MS, consumer_config};
use runtime::{Clock, Shutdown, config};
use schemas::{Framing, TopicNames, header};
use tokio::sync::{mpsc, oneshot};

use crate::frontier::Commit;
use crate::history::History;
use crate::outbox::Destination;
use crate::past::{Past, REQUEST_AGAIN, Restored};
use crate::progress::Progress;
use crate::seam::{Input, Lease, Pulse, Record};

/// Between commits. What is delivered and not committed when we die is found again in `deliveries`.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Longest wait for a record before the rest of the turn is done.
const POLL: Duration = Duration::from_millis(20);

/// How much younger than the session time-out the last poll must be for a call to be made: time for the call's bytes
/// to leave before another owner can exist.
const SESSION_MARGIN: Duration = Duration::from_secs(2);

/// The pulse that leases of a destination hang on.
#[must_use]
pub fn pulse() -> Pulse {
    Pulse::new(Duration::from_millis(u64::from(SESSION_TIMEOUT_MS)).saturating_sub(SESSION_MARGIN))
}

/// A partition between assignment and revocation.
struct Held {
    lease: Lease,
    stage: Stage,
    committed: Option<Commit>,
}

enum Stage {
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
struct Context {
    topic: String,
    progress: Progress,
    inputs: mpsc::UnboundedSender<Input>,
    pulse: Pulse,
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
    fn held(&self) -> MutexGuard<'_, BTreeMap<i32, Held>> {
        self.held.lock().expect("nothing panics while it holds the partitions")
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
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
    fn give_up(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
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
fn commit<C: ConsumerContext>(
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

/// What the thread needs.
pub struct Setup {
    /// The cluster.
    pub kafka: config::Kafka,
    /// Which outbox.
    pub destination: Destination,
    /// Consumer group.
    pub group: String,
    /// Framing of `deliveries`.
    pub framing: Framing,
    /// Shared with the engine.
    pub progress: Progress,
    /// To the engine.
    pub inputs: mpsc::UnboundedSender<Input>,
    /// Ends the thread.
    pub shutdown: Shutdown,
    /// Met while the group is joined and nothing is being restored.
    pub ready: Condition,
    /// The clock.
    pub clock: Clock,
}

/// The thread's own part.
struct Rim {
    consumer: BaseConsumer<Context>,
    past: Past,
    clock: Clock,
    shutdown: Shutdown,
    ready: Condition,
    is_ready: bool,
    next_commit: Instant,
}

/// Reads the outbox until `shutdown`, then gives everything up and leaves the group.
///
/// # Errors
/// If the topics do not fit together or the client fails for good. The text is for a person.
pub fn run(setup: Setup) -> Result<(), String> {
    let names = TopicNames::new(&setup.kafka.topic_prefix);
    let (topic, deliveries) =
        (names.of(setup.destination.outbox()), names.of(setup.destination.deliveries()));
    let text = |error: KafkaError| error.to_string();
    let context = Context {
        topic: topic.clone(),
        progress: setup.progress.clone(),
        inputs: setup.inputs.clone(),
        pulse: pulse(),
        held: Mutex::default(),
    };
    let consumer: BaseConsumer<Context> = consumer_config(&setup.kafka, &setup.group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "earliest")
        .create_with_context(context)
        .map_err(text)?;
    let Setup { kafka, group, framing, clock, destination, .. } = &setup;
    let past = Past::new(kafka, group, *destination, deliveries, *framing, clock.clone()).map_err(text)?;
    let mut rim = Rim {
        consumer,
        past,
        clock: setup.clock,
        shutdown: setup.shutdown,
        ready: setup.ready,
        is_ready: false,
        next_commit: Instant::now() + COMMIT_EVERY,
    };
    if !rim.check_topics()? {
        return Ok(());
    }
    rim.consumer.subscribe(&[&topic]).map_err(text)?;
    let result = rim.work();
    rim.ready.set(false);
    let all: Vec<i32> = rim.consumer.context().held().keys().copied().collect();
    rim.consumer.context().give_up(&rim.consumer, &all);
    rim.consumer.unsubscribe();
    result
}

impl Rim {
    /// Waits for the broker, and refuses to run where a delivery record could not lie beside its outbox record. False
    /// if the shutdown came first.
    fn check_topics(&self) -> Result<bool, String> {
        let topic = &self.consumer.context().topic;
        while !self.shutdown.is_set() {
            match (self.past.count(topic), self.past.count(self.past.topic())) {
                (Ok(0), _) => {
                    return Err(format!("topic {topic} does not exist; `naru topics create` makes it"));
                }
                (Ok(a), Ok(b)) if a == b => return Ok(true),
                (Ok(a), Ok(b)) => {
                    let deliveries = self.past.topic();
                    return Err(format!(
                        "{topic} has {a} partitions and {deliveries} has {b}; they must be equal"
                    ));
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(topic, %error, "the broker does not answer yet");
                    std::thread::sleep(REQUEST_AGAIN);
                }
            }
        }
        Ok(false)
    }

    /// The loop of the thread.
    fn work(&mut self) -> Result<(), String> {
        while !self.shutdown.is_set() {
            let is_restoring = self.is_restoring();
            let wait = if is_restoring { Duration::ZERO } else { POLL };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => self.record(&message),
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                    return Err(format!("the consumer failed for good: {error}"));
                }
                Some(Err(error)) => tracing::warn!(%error, "reading an outbox failed, trying again"),
                None => {}
            }
            let context = self.consumer.context();
            context.pulse.beat();
            if context.inputs.is_closed() {
                return Ok(());
            }
            if is_restoring {
                self.restore();
            }
            self.resume();
            let is_ready = !self.is_restoring();
            if is_ready != std::mem::replace(&mut self.is_ready, is_ready) {
                self.ready.set(is_ready);
            }
            if Instant::now() >= self.next_commit {
                self.next_commit = Instant::now() + COMMIT_EVERY;
                self.commit();
            }
        }
        Ok(())
    }

    fn is_restoring(&self) -> bool {
        self.consumer.context().held().values().any(|held| matches!(held.stage, Stage::Restoring))
    }

    /// Hands a record to the engine, with what an earlier owner wrote about it.
    fn record(&self, message: &BorrowedMessage<'_>) {
        let context = self.consumer.context();
        let (partition, offset) = (message.partition(), message.offset());
        let mut held = context.held();
        let Some(Held { stage: Stage::Live { history, inherited_until, is_paused }, .. }) =
            held.get_mut(&partition)
        else {
            return;
        };
        if offset >= *inherited_until {
            *history = None;
        }
        let record = own(message);
        let earlier = history.as_ref().and_then(|history| history.of(&identity(&record)?));
        let fits = context.progress.read(partition, offset);
        if context.inputs.send(Input::Record(record, earlier)).is_err() {
            return;
        }
        if !fits {
            match self.consumer.pause(&context.list(&[partition])) {
                Ok(()) => *is_paused = true,
                Err(error) => tracing::warn!(partition, %error, "a full partition cannot be paused"),
            }
        }
    }

    /// Lets paused partitions go on when there is room.
    fn resume(&self) {
        let context = self.consumer.context();
        for (partition, held) in context.held().iter_mut() {
            if let Stage::Live { is_paused, .. } = &mut held.stage
                && *is_paused
                && context.progress.resumes(*partition)
                && self.consumer.resume(&context.list(&[*partition])).is_ok()
            {
                *is_paused = false;
            }
        }
    }

    /// Commits what has changed.
    fn commit(&self) {
        let context = self.consumer.context();
        let mut commits = Vec::new();
        for (partition, held) in context.held().iter_mut() {
            let now = context.progress.committable(*partition);
            if now.is_some() && now != held.committed {
                held.committed = now;
                commits.extend(now.map(|commit| (*partition, commit)));
            }
        }
        if let Err(error) = commit(&self.consumer, &context.topic, &commits, CommitMode::Async) {
            tracing::warn!(topic = context.topic, %error, "offsets are not committed yet");
        }
    }

    /// One step of reading what earlier owners wrote; partitions whose past is known go live.
    fn restore(&mut self) {
        let context = self.consumer.context();
        let wanted: Vec<(i32, Lease)> = {
            let held = context.held();
            let restoring = held.iter().filter(|(_, held)| matches!(held.stage, Stage::Restoring));
            restoring.map(|(partition, held)| (*partition, held.lease.clone())).collect()
        };
        for restored in self.past.step(&self.consumer, &context.topic, &wanted) {
            let Restored { partition, note, deliveries, inherited_until, mut history } = restored;
            let mut held = context.held();
            let Some(held) = held.get_mut(&partition) else { continue };
            context.progress.open(partition, note, deliveries);
            let (lease, calls) = (held.lease.clone(), history.take_calls(self.clock.now_ms()));
            let assigned =
                Input::Assigned { partition, lease, calls, conversations: history.take_conversations() };
            if context.inputs.send(assigned).is_ok() {
                held.stage =
                    Stage::Live { history: Some(Box::new(history)), inherited_until, is_paused: true };
            }
        }
    }
}

/// The record with its own memory.
fn own(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect::<Vec<_>>()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

fn identity(record: &Record) -> Option<String> {
    let value = record.headers.iter().find(|(key, _)| key == header::IDENTITY)?.1.clone()?;
    String::from_utf8(value).ok()
}
