//! The Kafka side of a destination: one thread that polls, pauses, commits, and takes and gives up partitions.

mod context;

use std::time::{Duration, Instant};

use platforms::Platform;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use runtime::admin::Condition;
use runtime::kafka::{SESSION_TIMEOUT_MS, consumer_config};
use runtime::{Clock, Shutdown, config};
use schemas::{Framing, TopicNames, header};
use tokio::sync::mpsc;

use self::context::{Context, Held, Stage, commit};
use crate::deliveries_reader::{DeliveriesReader, REQUEST_AGAIN, Restored};
use crate::lease::{Lease, Pulse};
use crate::progress::Progress;
use crate::seam::{Input, Record};

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

/// What the thread needs.
pub struct Setup {
    /// The cluster.
    pub kafka: config::Kafka,
    /// Whose outbox.
    pub destination: &'static Platform,
    /// Consumer group.
    pub group: String,
    /// Framing of `deliveries`.
    pub framing: Framing,
    /// How far back calls count for a limit.
    pub limit_memory: Duration,
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
struct ConsumerLoop {
    consumer: BaseConsumer<Context>,
    deliveries: DeliveriesReader,
    clock: Clock,
    shutdown: Shutdown,
    ready: Condition,
    is_ready: bool,
    next_commit: Instant,
}

/// Reads the outbox until `shutdown`, then gives everything up and leaves the group.
///
/// # Errors
/// If the topics do not fit together or the client fails permanently. The text is for a person.
pub fn run(setup: Setup) -> Result<(), String> {
    let text = |error: KafkaError| error.to_string();
    let topic = TopicNames::new(&setup.kafka.topic_prefix).of(setup.destination.destination.outbox);
    let deliveries = DeliveriesReader::new(&setup).map_err(text)?;
    let context = Context::new(topic.clone(), setup.progress, setup.inputs, pulse());
    let consumer: BaseConsumer<Context> = consumer_config(&setup.kafka, &setup.group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "earliest")
        .create_with_context(context)
        .map_err(text)?;
    let mut consumer_loop = ConsumerLoop {
        consumer,
        deliveries,
        clock: setup.clock,
        shutdown: setup.shutdown,
        ready: setup.ready,
        is_ready: false,
        next_commit: Instant::now() + COMMIT_EVERY,
    };
    if !consumer_loop.check_topics()? {
        return Ok(());
    }
    consumer_loop.consumer.subscribe(&[&topic]).map_err(text)?;
    let result = consumer_loop.work();
    consumer_loop.leave();
    result
}

impl ConsumerLoop {
    /// Waits for the broker, and refuses to run where a delivery record could not lie beside its outbox record. False
    /// if the shutdown came first.
    fn check_topics(&self) -> Result<bool, String> {
        let topic = &self.consumer.context().topic;
        while !self.shutdown.is_set() {
            match (self.deliveries.count(topic), self.deliveries.count(self.deliveries.topic())) {
                (Ok(0), _) => {
                    return Err(format!("topic {topic} does not exist; `naru topics create` makes it"));
                }
                (Ok(a), Ok(b)) if a == b => return Ok(true),
                (Ok(a), Ok(b)) => {
                    let deliveries = self.deliveries.topic();
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
                    return Err(format!("the consumer failed permanently: {error}"));
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
        let earlier = history.as_ref().and_then(|history| history.of(record.header(header::IDENTITY)?));
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

    /// Gives all partitions up and leaves the group.
    fn leave(&self) {
        self.ready.set(false);
        let context = self.consumer.context();
        let all: Vec<i32> = context.held().keys().copied().collect();
        context.give_up(&self.consumer, &all);
        self.consumer.unsubscribe();
    }

    /// One step of reading what earlier owners wrote; partitions of which all is read go live.
    fn restore(&mut self) {
        let context = self.consumer.context();
        let wanted: Vec<(i32, Lease)> = {
            let held = context.held();
            let restoring = held.iter().filter(|(_, held)| matches!(held.stage, Stage::Restoring));
            restoring.map(|(partition, held)| (*partition, held.lease.clone())).collect()
        };
        for restored in self.deliveries.step(&self.consumer, &context.topic, &wanted) {
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
