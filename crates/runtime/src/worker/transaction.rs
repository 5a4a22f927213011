//! The producer of a stream thread: write, flush, commit, with every error classified.
//!
//! Exactly once, a commit is a Kafka transaction. At least once, for brokers without transactions, it is an order:
//! outputs, then changelog, then offsets, each acknowledged before the next is written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::assignment::Assignment;
use super::fault::Fault;
use crate::config::{self, Guarantee};
use crate::kafka;

/// After this the broker ends a transaction by itself; a dead instance holds readers back no longer.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(5);
/// For the first contact and for ending the transaction of a former life of this `transactional.id`.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);
/// For the calls of one commit together: below the broker's own time-out, so that an unknown outcome is rare.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(4_500);
/// One step of waiting for acknowledgements: the client's own steps of 100 ms would cost that much a commit.
const FLUSH_STEP: Duration = Duration::from_millis(1);
/// Marks a record whose offset need not be known.
const UNTRACKED: usize = 0;

/// What the delivery reports of one transaction say.
#[derive(Default)]
struct Reports {
    failed: Option<KafkaError>,
    /// Offset of the last changelog record, by the record's tracking number.
    offsets: HashMap<usize, i64>,
}

/// The producer's context.
#[derive(Default)]
struct Deliveries(Mutex<Reports>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        kafka::log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tracked: usize) {
        match result {
            Ok(message) if tracked != UNTRACKED => {
                let offset = rdkafka::Message::offset(message);
                self.0.lock().unwrap_or_else(PoisonError::into_inner).offsets.insert(tracked, offset);
            }
            Ok(_) => {}
            Err((error, _)) => {
                let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                reports.failed.get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// A record to write.
pub(crate) struct NewRecord<'a> {
    pub(crate) topic: &'a str,
    /// `None` lets the key decide.
    pub(crate) partition: Option<i32>,
    /// Empty means none.
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
    /// Under this number, which is not 0, its offset is told after the flush.
    pub(crate) tracked: Option<usize>,
}

/// A producer and its current transaction.
pub(crate) struct Transaction {
    producer: BaseProducer<Deliveries>,
    guarantee: Guarantee,
    open: bool,
}

/// Source offsets to commit, and the consumer that owns the partitions: its group generation is the fence.
pub(crate) struct Offsets<'a> {
    pub(crate) list: &'a TopicPartitionList,
    pub(crate) consumer: &'a BaseConsumer<Assignment>,
}

impl Transaction {
    /// Makes the producer; exactly once, it ends whatever transaction a former owner of `transactional_id` left open.
    pub(crate) fn new(
        kafka: &config::Kafka,
        transactional_id: &str,
        guarantee: Guarantee,
    ) -> Result<Self, Fault> {
        let mut client = kafka::producer_config(kafka);
        if guarantee == Guarantee::ExactlyOnce {
            client
                .set("transactional.id", transactional_id)
                .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string());
        }
        client
            .set("message.timeout.ms", COMMIT_TIMEOUT.as_millis().to_string())
            .set("queue.buffering.max.messages", "500000")
            .set("linger.ms", "5");
        let producer: BaseProducer<Deliveries> =
            client.create_with_context(Deliveries::default()).map_err(Fault::kafka("create the producer"))?;
        if guarantee == Guarantee::ExactlyOnce {
            producer.init_transactions(INIT_TIMEOUT).map_err(Fault::kafka("init transactions"))?;
        }
        Ok(Self { producer, guarantee, open: false })
    }

    /// Ends the open transaction of another owner, which is dead or no longer owns what it wrote, and shuts it out.
    pub(crate) fn fence(kafka: &config::Kafka, transactional_id: &str) -> Result<(), Fault> {
        Self::new(kafka, transactional_id, Guarantee::ExactlyOnce).map(drop)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        if !self.open && self.guarantee == Guarantee::ExactlyOnce {
            self.producer.begin_transaction().map_err(Fault::kafka("begin a transaction"))?;
        }
        self.open = true;
        Ok(())
    }

    /// Writes a record in the current transaction, beginning one if there is none.
    pub(crate) fn write(&mut self, record: &NewRecord<'_>) -> Result<(), Fault> {
        self.begin()?;
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        let mut new = BaseRecord::with_opaque_to(record.topic, record.tracked.unwrap_or(UNTRACKED))
            .payload(record.value)
            .headers(headers);
        if !record.key.is_empty() {
            new = new.key(record.key);
        }
        if let Some(partition) = record.partition {
            new = new.partition(partition);
        }
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        loop {
            match self.producer.send(new) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if Instant::now() > deadline {
                        return Err(Fault::TimedOut("write a record"));
                    }
                    self.producer.poll(FLUSH_STEP);
                    new = back;
                }
                Err((error, _)) => return Err(Fault::Kafka("write a record", error)),
            }
        }
    }

    /// Whether anything was written since the last commit.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// At least once, what was written so far is acknowledged before anything is written after it. In a transaction
    /// there is no before.
    pub(crate) fn in_order(&mut self) -> Result<(), Fault> {
        if self.guarantee == Guarantee::AtLeastOnce {
            self.flush(Instant::now() + COMMIT_TIMEOUT)?;
        }
        Ok(())
    }

    /// Commits what was written, and offsets with it where given. Returns the offsets of the tracked records. After an
    /// error the producer must not be used any more.
    pub(crate) fn commit(&mut self, offsets: Option<Offsets<'_>>) -> Result<HashMap<usize, i64>, Fault> {
        self.begin()?;
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        self.flush(deadline)?;
        let tracked = std::mem::take(&mut self.reports().offsets);
        match (self.guarantee, offsets) {
            (Guarantee::ExactlyOnce, offsets) => {
                if let Some(Offsets { list, consumer }) = offsets {
                    let group =
                        consumer.group_metadata().ok_or(Fault::TimedOut("read the group's metadata"))?;
                    // A client that was put out of its group may name no member in its metadata, and the broker then
                    // compares no generation. Asked after the metadata was read, this covers it.
                    if consumer.assignment_lost() {
                        self.abort();
                        return Err(Fault::TimedOut("stay in the group"));
                    }
                    self.until(deadline, "send offsets", |producer, left| {
                        producer.send_offsets_to_transaction(list, &group, left)
                    })?;
                }
                self.until(deadline, "commit", Producer::commit_transaction)?;
            }
            (Guarantee::AtLeastOnce, Some(Offsets { list, consumer })) => {
                consumer.commit(list, CommitMode::Sync).map_err(Fault::kafka("commit offsets"))?;
            }
            (Guarantee::AtLeastOnce, None) => {}
        }
        self.open = false;
        Ok(tracked)
    }

    /// Waits until everything written is acknowledged.
    fn flush(&self, deadline: Instant) -> Result<(), Fault> {
        while self.producer.flush(FLUSH_STEP).is_err() {
            if Instant::now() > deadline {
                return Err(Fault::TimedOut("flush"));
            }
        }
        let failed = self.reports().failed.take();
        if let Some(error) = failed {
            self.abort();
            return Err(Fault::NotWritten(error));
        }
        Ok(())
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats a call while its error says that it can be repeated. One that says that the transaction must be aborted
    /// aborts it; every other is fatal to this producer, its outcome unknown.
    fn until(
        &self,
        deadline: Instant,
        what: &'static str,
        call: impl Fn(&BaseProducer<Deliveries>, Duration) -> Result<(), KafkaError>,
    ) -> Result<(), Fault> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::TimedOut(what));
            }
            match call(&self.producer, left) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    self.abort();
                    return Err(Fault::Kafka(what, KafkaError::Transaction(error)));
                }
                Err(error) => return Err(Fault::Kafka(what, error)),
            }
        }
    }

    /// Ends the transaction without effect, as far as the broker can be reached: what stays open is ended by the next
    /// producer of this id.
    fn abort(&self) {
        if self.guarantee == Guarantee::AtLeastOnce {
            return;
        }
        if let Err(error) = self.producer.abort_transaction(COMMIT_TIMEOUT) {
            tracing::warn!(%error, "transaction cannot be aborted, the next start of its id ends it");
        }
    }

    /// Number of partitions of a topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, Fault> {
        let metadata = self
            .producer
            .client()
            .fetch_metadata(Some(topic), INIT_TIMEOUT)
            .map_err(Fault::kafka("read the topics"))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        match i32::try_from(count) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(Fault::Topics(format!(
                "topic {topic} does not exist; create it with `naru topics create`"
            ))),
        }
    }
}
