//! A topic of keyed records, as a command uses it: read once to its end, and written in one go.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

use crate::config;
use crate::kafka::{self, LogContext, consumer_config, partition_count, producer_config};

/// For a request to the broker, and for one record more.
const REQUEST: Duration = Duration::from_secs(15);
/// For what is written at once; a transaction that is cut off hides what comes behind it for as long.
const WRITE: Duration = Duration::from_secs(15);
/// One step of waiting for room in the client's queue.
const STEP: Duration = Duration::from_millis(10);

/// The newest value of each key, as far as it is committed: of all, or of those that begin with a text and have the
/// partition of that.
///
/// # Errors
/// If the topic is not there, or cannot be read to its end.
pub fn read(
    kafka: &config::Kafka,
    topic: &str,
    of: Option<&str>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let told = |error: KafkaError| format!("{topic} cannot be read: {error}");
    let mut client = consumer_config(kafka, "naru-command");
    client.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer<LogContext> = client.create_with_context(LogContext).map_err(told)?;
    let count = partition_count(&consumer.fetch_metadata(Some(topic), REQUEST).map_err(told)?, topic)?;
    let wanted = match of {
        Some(of) => vec![schemas::partition_for(of.as_bytes(), count)],
        None => (0..count).collect(),
    };
    let mut list = TopicPartitionList::new();
    for partition in &wanted {
        list.add_partition_offset(topic, *partition, Offset::Beginning).map_err(told)?;
    }
    consumer.assign(&list).map_err(told)?;
    let (mut values, mut ends) = (BTreeMap::new(), 0);
    while ends < wanted.len() {
        match consumer.poll(REQUEST) {
            Some(Ok(message)) => {
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                if !key.starts_with(of.unwrap_or_default()) {
                    continue;
                }
                match message.payload() {
                    Some(value) => values.insert(key, value.to_vec()),
                    None => values.remove(&key),
                };
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => return Err(told(error)),
            None => return Err(format!("{topic} cannot be read to its end: the brokers do not answer")),
        }
    }
    Ok(values)
}

/// A record to write.
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its partition is that of this key.
    pub partition_by: String,
    /// `None` removes the key.
    pub value: Option<Vec<u8>>,
}

/// Keeps the first error of a delivery.
#[derive(Default)]
struct Reports(Mutex<Option<KafkaError>>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        kafka::log_error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
    }
}

/// Writes records of one topic and waits for their acknowledgement.
pub struct Writer {
    producer: BaseProducer<Reports>,
    topic: String,
    partitions: i32,
    is_transactional: bool,
}

impl Writer {
    /// A writer; with a `transactional_id` what it writes at once is one transaction, and a second writer of that name
    /// shuts out the first.
    ///
    /// # Errors
    /// If the topic is not there, or the brokers do not answer.
    pub fn new(kafka: &config::Kafka, topic: &str, transactional_id: Option<&str>) -> Result<Self, String> {
        let told = |error: KafkaError| format!("{topic} cannot be written: {error}");
        let mut client = producer_config(kafka);
        if let Some(id) = transactional_id {
            client.set("transactional.id", id);
            client.set("transaction.timeout.ms", WRITE.as_millis().to_string());
        }
        let producer: BaseProducer<Reports> = client.create_with_context(Reports::default()).map_err(told)?;
        if transactional_id.is_some() {
            producer.init_transactions(REQUEST * 2).map_err(told)?;
        }
        let metadata = producer.client().fetch_metadata(Some(topic), REQUEST).map_err(told)?;
        let partitions = partition_count(&metadata, topic)?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
            partitions,
            is_transactional: transactional_id.is_some(),
        })
    }

    /// Writes them all, in order.
    ///
    /// # Errors
    /// If one is not acknowledged, or another writer of the same name has begun: then none of them stands, where it is
    /// transactional.
    pub fn write(&self, entries: &[Entry]) -> Result<(), String> {
        let told = |error: KafkaError| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced) => {
                format!(
                    "{}: another command of this kind has begun meanwhile; nothing was written",
                    self.topic
                )
            }
            _ => format!("{} cannot be written: {error}", self.topic),
        };
        if self.is_transactional {
            self.producer.begin_transaction().map_err(told)?;
        }
        let written = self.write_all(entries);
        if written.is_err() && self.is_transactional {
            // If it cannot be aborted either, the broker does so.
            let _ = self.producer.abort_transaction(REQUEST);
        }
        written.map_err(told)
    }

    fn write_all(&self, entries: &[Entry]) -> Result<(), KafkaError> {
        for entry in entries {
            self.send(entry)?;
        }
        self.producer.flush(WRITE)?;
        let failed = self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)?;
        if self.is_transactional {
            self.producer.commit_transaction(WRITE)?;
        }
        Ok(())
    }

    fn send(&self, entry: &Entry) -> Result<(), KafkaError> {
        let partition = schemas::partition_for(entry.partition_by.as_bytes(), self.partitions);
        let mut record = BaseRecord::to(&self.topic).key(&entry.key).partition(partition);
        record.payload = entry.value.as_ref();
        let deadline = Instant::now() + WRITE;
        loop {
            match self.producer.send(record) {
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    self.producer.poll(STEP);
                    record = back;
                }
                result => return result.map_err(|(error, _)| error),
            }
        }
    }
}
