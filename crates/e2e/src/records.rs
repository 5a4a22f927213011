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
pub struct Record {
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

impl World {
    /// All records of a topic, whether they are committed or not.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn records(&self, topic: Topic) -> Outcome<Vec<Record>> {
        let told = |error: rdkafka::error::KafkaError| format!("{}: {error}", topic.name());
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .set("group.id", "records")
            .set("isolation.level", "read_uncommitted")
            .set("enable.partition.eof", "true")
            // The end of a partition is told by an answer without records: half a second each, otherwise.
            .set("fetch.wait.max.ms", "10")
            .create()
            .map_err(told)?;
        let name = self.topics().of(topic);
        let metadata = consumer.fetch_metadata(Some(&name), ANSWERS_WITHIN).map_err(told)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let mut list = TopicPartitionList::new();
        for partition in (0..).take(partitions) {
            list.add_partition_offset(&name, partition, Offset::Beginning).map_err(told)?;
        }
        consumer.assign(&list).map_err(told)?;
        let (mut all, mut ends) = (Vec::new(), 0);
        while ends < partitions {
            match consumer.poll(ANSWERS_WITHIN) {
                Some(Ok(message)) => all.push(record(&message)),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ends += 1,
                Some(Err(error)) => return Err(told(error)),
                None => return Err(format!("{}: it has no end", topic.name())),
            }
        }
        Ok(all)
    }
}

fn record(message: &impl Message) -> Record {
    let owned = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        key: owned(message.key()),
        value: owned(message.payload()),
        headers: headers.map(|header| (header.key.to_owned(), owned(header.value))).collect(),
    }
}
