//! What stands in a topic of a test, as another Kafka tool reads it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use schemas::Topic;

use crate::{Outcome, World};

/// For an answer of the broker.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, ms since 1970.
    pub timestamp: i64,
    /// Its key; empty where there is none.
    pub key: Vec<u8>,
    /// Its value; empty where there is none.
    pub value: Vec<u8>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Which records a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All of them.
    ReadUncommitted,
    /// Those that were written without a transaction, or in one that is committed.
    ReadCommitted,
}

impl World {
    /// All records of a topic, whether they are committed or not.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn records(&self, topic: Topic) -> Outcome<Vec<Record>> {
        read(self.brokers(), &self.topics().of(topic), Isolation::ReadUncommitted)
    }
}

/// All records of the topic with this full name, in each partition in order.
///
/// # Errors
/// If they cannot be read.
pub fn read(brokers: &str, topic: &str, isolation: Isolation) -> Outcome<Vec<Record>> {
    let failed = |error: rdkafka::error::KafkaError| format!("{topic}: {error}");
    let isolation = match isolation {
        Isolation::ReadUncommitted => "read_uncommitted",
        Isolation::ReadCommitted => "read_committed",
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "records")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        // The end of a partition is known from an answer without records: half a second each, otherwise.
        .set("fetch.wait.max.ms", "10")
        .create()
        .map_err(failed)?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWERS_WITHIN).map_err(failed)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let mut list = TopicPartitionList::new();
    for partition in (0..).take(partitions) {
        list.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed)?;
    }
    consumer.assign(&list).map_err(failed)?;
    let (mut all, mut ends) = (Vec::new(), 0);
    while ends < partitions {
        match consumer.poll(ANSWERS_WITHIN) {
            Some(Ok(message)) => all.push(record(&message)),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => return Err(failed(error)),
            None => return Err(format!("{topic}: it has no end")),
        }
    }
    Ok(all)
}

fn record(message: &impl Message) -> Record {
    let owned = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or_default(),
        key: owned(message.key()),
        value: owned(message.payload()),
        headers: headers.map(|header| (header.key.to_owned(), owned(header.value))).collect(),
    }
}
