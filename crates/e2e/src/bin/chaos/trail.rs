//! The trail of single messages through the topics, for whoever looks into a failure; and the dead letters by reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::Outcome;
use platforms::{genesys, line};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::{Codec, Delivery, Framing, Topic, TopicNames, header};
use standins::{marked, marker};

use crate::scene::PARTITIONS;

const REQUEST: Duration = Duration::from_secs(10);
/// For one topic to be read; a longer one is left where it is.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// How many messages are followed.
const FOLLOWED: usize = 12;

/// Dead letters: how many, by stage, reason and detail.
pub(crate) fn dead_letters(brokers: &str, names: &TopicNames) -> Outcome<BTreeMap<String, usize>> {
    let mut by_reason = BTreeMap::new();
    read(brokers, &names.of(Topic::DEAD_LETTERS), |message| {
        let said =
            [header::DEAD_STAGE, header::DEAD_REASON, header::DEAD_DETAIL].map(|name| value(message, name));
        *by_reason.entry(said.join(" ")).or_default() += 1;
    })?;
    Ok(by_reason)
}

/// What the topics say about these messages, line by line.
pub(crate) fn trail(brokers: &str, names: &TopicNames, wanted: &BTreeSet<u32>) -> Outcome<Vec<String>> {
    let wanted: BTreeSet<u32> = wanted.iter().copied().take(FOLLOWED).collect();
    let mut lines: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut by_identity: BTreeMap<String, u32> = BTreeMap::new();
    let place = |topic: Topic, message: &BorrowedMessage<'_>| {
        let at = message.timestamp().to_millis().unwrap_or_default();
        format!("{} {}@{} at {at}", topic.name(), message.partition(), message.offset())
    };
    for topic in [
        line::SOURCE.webhooks,
        genesys::SOURCE.webhooks,
        genesys::DESTINATION.outbox,
        line::DESTINATION.outbox,
        Topic::DEAD_LETTERS,
    ] {
        read(brokers, &names.of(topic), |message| {
            let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            // The marker stands between quotes in JSON and after a length in Avro.
            let found =
                text.match_indices('m').find_map(|(at, _)| marked(text.get(at..)?.get(..marker(0).len())?));
            let Some(number) = found.filter(|number| wanted.contains(number)) else { return };
            let identity = value(message, header::IDENTITY);
            let headers = [
                header::EVENT_TIME,
                header::RECEIVED,
                header::REDELIVERY,
                header::SPOOLED,
                header::DEAD_REASON,
            ]
            .map(|name| format!("{name}={}", value(message, name)))
            .join(" ");
            if !identity.is_empty() {
                by_identity.insert(identity.clone(), number);
            }
            lines.entry(number).or_default().push(format!("{} {identity} {headers}", place(topic, message)));
        })?;
    }
    let codec: Codec<Delivery> = Codec::new(&Framing::single_object());
    for topic in [genesys::DESTINATION.deliveries, line::DESTINATION.deliveries] {
        read(brokers, &names.of(topic), |message| {
            let delivery = message.payload().and_then(|payload| codec.decode(payload).ok());
            let Some(delivery) = delivery else { return };
            let Some(number) = by_identity.get(&delivery.identity) else { return };
            let line = format!(
                "{} {:?} attempt {} status {:?} reason {:?}",
                place(topic, message),
                delivery.status,
                delivery.attempt,
                delivery.http_status,
                delivery.reason
            );
            lines.entry(*number).or_default().push(line);
        })?;
    }
    let none = vec!["in no topic".to_owned()];
    Ok(wanted
        .iter()
        .flat_map(|number| {
            let trail = lines.get(number).unwrap_or(&none);
            trail.iter().map(move |line| format!("{}: {line}", marker(*number)))
        })
        .collect())
}

fn value(message: &BorrowedMessage<'_>, name: &str) -> String {
    let found = message.headers().and_then(|headers| headers.iter().find(|header| header.key == name));
    found
        .and_then(|header| header.value)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}

/// Reads a topic from its beginning to the end that it has now.
fn read(brokers: &str, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) -> Outcome {
    let text = |error: rdkafka::error::KafkaError| format!("{topic}: {error}");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "chaos-trail")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("log_level", "0")
        .create()
        .map_err(text)?;
    let mut list = TopicPartitionList::new();
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST).map_err(text)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    for partition in 0..i32::try_from(partitions).unwrap_or(PARTITIONS) {
        list.add_partition_offset(topic, partition, Offset::Beginning).map_err(text)?;
    }
    consumer.assign(&list).map_err(text)?;
    let (mut ended, end) = (BTreeSet::new(), std::time::Instant::now() + READ_WITHIN);
    while ended.len() < partitions && std::time::Instant::now() < end {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => each(&message),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            Some(Err(error)) => return Err(text(error)),
            None => {}
        }
    }
    Ok(())
}
