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
use streams::{CommitMetadata, Counts, Position};

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
/// One step of waiting for acknowledgements. The client's own waiting takes steps of 100 ms, which would cost that much
/// a commit, spins through what is less than 1 ms, and wakes all of its threads at each step.
const FLUSH_STEP: Duration = Duration::from_micros(500);
/// One step of aborting.
const ABORT_STEP: Duration = Duration::from_millis(20);
/// How long a batch may fill, in ms: a commit sends what there is.
const LINGER_MS: &str = "5";
/// Records between two looks for the client's reports: until its report is taken a record keeps its memory, and what is
/// taken soon is given again while the processor's caches hold it.
const TAKE_REPORTS: u32 = 64;
/// Marks a record whose offset need not be known.
const UNTRACKED: usize = 0;

/// What the delivery reports of one transaction say.
#[derive(Default)]
struct Reports {
    failed: Option<KafkaError>,
    /// First and last offset of the tracked records, by tracking number.
    offsets: HashMap<usize, (i64, i64)>,
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
                let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let ends = reports.offsets.entry(tracked).or_insert((offset, offset));
                *ends = (ends.0.min(offset), ends.1.max(offset));
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
    /// Records written since reports were last taken.
    unreported: u32,
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
        // Without a transaction an output that the client gives up would be repeated behind those that came after it:
        // the commit's own deadline must come first.
        let given_up_after = match guarantee {
            Guarantee::ExactlyOnce => COMMIT_TIMEOUT,
            Guarantee::AtLeastOnce => COMMIT_TIMEOUT * 2,
        };
        client
            .set("message.timeout.ms", given_up_after.as_millis().to_string())
            .set("queue.buffering.max.messages", "500000")
            .set("linger.ms", LINGER_MS);
        let producer: BaseProducer<Deliveries> =
            client.create_with_context(Deliveries::default()).map_err(Fault::kafka("create the producer"))?;
        if guarantee == Guarantee::ExactlyOnce {
            producer.init_transactions(INIT_TIMEOUT).map_err(Fault::kafka("init transactions"))?;
        }
        Ok(Self { producer, guarantee, open: false, unreported: 0 })
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
        self.unreported += 1;
        if self.unreported == TAKE_REPORTS {
            self.unreported = 0;
            while self.take_report() {}
        }
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
        let mut full_since = None;
        loop {
            match self.producer.send(new) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if full_since.get_or_insert_with(Instant::now).elapsed() > COMMIT_TIMEOUT {
                        return Err(Fault::TimedOut("write a record"));
                    }
                    self.producer.poll(FLUSH_STEP);
                    new = back;
                }
                Err((error, _)) => return Err(Fault::NotWritten(error)),
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

    /// Commits what was written and the offsets with it. Returns the first and the last offset of the tracked records.
    /// After an error other than [`Fault::Aborted`] the producer must not be used any more.
    pub(crate) fn commit(&mut self, offsets: &Offsets<'_>) -> Result<HashMap<usize, (i64, i64)>, Fault> {
        self.begin()?;
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        self.flush(deadline)?;
        let tracked = std::mem::take(&mut self.reports().offsets);
        let Offsets { list, consumer } = offsets;
        let group = consumer.group_metadata().ok_or(Fault::TimedOut("read the group's metadata"))?;
        // A client that was put out of its group may name no member, and the broker then compares no generation. Asked
        // after the metadata was read, this covers it.
        if consumer.assignment_lost() {
            return Err(self.aborted("the group has given the partitions to others".into()));
        }
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                self.until(deadline, "send offsets", |producer, left| {
                    producer.send_offsets_to_transaction(list, &group, left)
                })?;
                self.until(deadline, "commit", Producer::commit_transaction)?;
            }
            Guarantee::AtLeastOnce => match consumer.commit(list, CommitMode::Sync) {
                Err(error) if is_stale_member(&error) => {
                    return Err(self.aborted(format!("commit offsets: {error}")));
                }
                result => result.map_err(Fault::kafka("commit offsets"))?,
            },
        }
        self.open = false;
        Ok(tracked)
    }

    /// Aborts because of `why`, and says what is left to do.
    fn aborted(&mut self, why: String) -> Fault {
        self.abort().err().unwrap_or(Fault::Aborted(why))
    }

    /// Waits until everything written is acknowledged.
    fn flush(&mut self, deadline: Instant) -> Result<(), Fault> {
        self.drain(deadline, "flush")?;
        let failed = self.reports().failed.take();
        failed.map_or(Ok(()), |error| Err(Fault::NotWritten(error)))
    }

    /// Waits until the client has nothing left of ours, and takes its reports.
    fn drain(&self, deadline: Instant, what: &'static str) -> Result<(), Fault> {
        while self.producer.in_flight_count() > 0 {
            if !self.take_report() {
                std::thread::sleep(FLUSH_STEP);
            }
            if Instant::now() > deadline {
                return Err(Fault::TimedOut(what));
            }
        }
        Ok(())
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats a call while its error says that it can be repeated. One that says that the transaction must be aborted
    /// aborts it; every other is fatal to this producer, its outcome unknown.
    fn until(
        &mut self,
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
                    return Err(self.aborted(format!("{what}: {error}")));
                }
                Err(error) => return Err(Fault::Kafka(what, error)),
            }
        }
    }

    /// Ends the transaction without effect; at least once, what was written stays. After an error the next producer of
    /// this id ends it.
    pub(crate) fn abort(&mut self) -> Result<(), Fault> {
        if std::mem::take(&mut self.open) {
            let deadline = Instant::now() + COMMIT_TIMEOUT;
            match self.guarantee {
                Guarantee::ExactlyOnce => self.abort_until(deadline)?,
                Guarantee::AtLeastOnce => self.drain(deadline, "have the last records acknowledged")?,
            }
        }
        *self.reports() = Reports::default();
        Ok(())
    }

    /// The client gives up what waits and waits for what is on its way, but only we can take its reports: so the call
    /// is made in steps, which it can resume.
    fn abort_until(&self, deadline: Instant) -> Result<(), Fault> {
        while let Err(error) = self.producer.abort_transaction(ABORT_STEP) {
            match error {
                KafkaError::Transaction(error) if error.is_retriable() && Instant::now() < deadline => {}
                error => return Err(Fault::Kafka("abort", error)),
            }
            self.take_report();
        }
        Ok(())
    }

    /// Takes the next of the reports that are there; whether there was one.
    fn take_report(&self) -> bool {
        let before = self.producer.in_flight_count();
        self.producer.poll(Duration::ZERO);
        self.producer.in_flight_count() != before
    }

    /// Number of partitions of a topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, Fault> {
        let metadata = self
            .producer
            .client()
            .fetch_metadata(Some(topic), INIT_TIMEOUT)
            .map_err(Fault::kafka("read the topics"))?;
        kafka::partition_count(&metadata, topic).map_err(Fault::Topics)
    }
}

/// Adds a position to a commit, with its owner.
pub(crate) fn add_offset(
    list: &mut TopicPartitionList,
    topic: &str,
    partition: i32,
    position: Position,
    writer: &str,
    counts: Counts,
) -> Result<(), Fault> {
    let mut element = list.add_partition(topic, partition);
    element.set_offset(rdkafka::Offset::Offset(position.0)).map_err(Fault::kafka("name an offset"))?;
    element.set_metadata(CommitMetadata { writer: writer.to_owned(), counts }.encode());
    Ok(())
}

/// Whether the group no longer counts the committer among its members, or not in this generation.
fn is_stale_member(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::RebalanceInProgress
        )
    )
}
