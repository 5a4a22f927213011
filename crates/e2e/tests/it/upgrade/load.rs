//! Loads recorded topics into Kafka so that every record has its offset again, and commits the recorded offsets.

use std::time::Duration;

use e2e::records::{self, Isolation, Record};
use e2e::{Outcome, wait};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::recording::{RecordedGroup, RecordedTopic, Recording};
use super::writer::Writer;
use crate::expect;

/// For each request to the broker.
const REQUEST: Duration = Duration::from_secs(20);

/// An error if somebody has topics or groups of the recorded names: on a cluster that was given they may be real.
pub(super) fn nobody_is_there(brokers: &str, recording: &Recording) -> Outcome {
    let client = consumer(brokers, "nobody")?;
    let metadata = text(client.fetch_metadata(None, REQUEST))?;
    let groups = text(client.fetch_group_list(None, REQUEST))?;
    let topics = metadata.topics().iter().map(rdkafka::metadata::MetadataTopic::name);
    let topic = topics.into_iter().find(|name| recording.topics.iter().any(|topic| topic.topic == *name));
    let groups = groups.groups().iter().map(rdkafka::groups::GroupInfo::name);
    let group = groups.into_iter().find(|name| recording.groups.iter().any(|group| group.group == *name));
    match topic.or(group) {
        None => Ok(()),
        Some(name) => Err(format!("{name} is there already: this test needs a Kafka without a Naru")),
    }
}

/// Makes the recorded topics under another prefix, or their own. Times of records are given by whoever writes them,
/// and nothing is deleted because it is old.
pub(super) async fn create(
    brokers: &str,
    topics: &[RecordedTopic],
    named: impl Fn(&str) -> String,
) -> Outcome {
    let names: Vec<String> = topics.iter().map(|topic| named(&topic.topic)).collect();
    let new: Vec<NewTopic<'_>> = names
        .iter()
        .zip(topics)
        .map(|(name, topic)| {
            let partitions = i32::try_from(topic.ends.len()).unwrap_or(i32::MAX);
            let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
            let config = topic.config.iter().map(|(name, value)| match name.as_str() {
                "message.timestamp.type" => (name, "CreateTime"),
                "retention.ms" => (name, "-1"),
                _ => (name, value.as_str()),
            });
            config.fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let created = text(admin(brokers)?.create_topics(&new, &AdminOptions::new()).await)?;
    created
        .into_iter()
        .try_for_each(|result| result.map(drop).map_err(|(name, why)| format!("{name}: {why}")))?;
    let client = consumer(brokers, "nobody")?;
    wait::until_blocking("the topics to be shown", REQUEST, || {
        let metadata = client.fetch_metadata(None, REQUEST).ok()?;
        let ready = |name: &String| {
            let topic = metadata.topics().iter().find(|topic| topic.name() == name)?;
            topic.partitions().iter().all(|partition| partition.leader() >= 0).then_some(())
        };
        names.iter().all(|name| ready(name).is_some()).then_some(())
    })
}

/// Writes every record at its offset, commits every offset with its text, and looks whether all is as recorded. Topics
/// are written at once, since a transaction waits for the end of the one before.
pub(super) fn write(brokers: &str, recording: &Recording) -> Outcome {
    std::thread::scope(|scope| {
        let write = |topic| scope.spawn(move || write_topic(brokers, topic));
        let all: Vec<_> = recording.topics.iter().map(write).collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err("loading panicked".to_owned())))
    })?;
    recording.groups.iter().try_for_each(|group| commit(brokers, group))
}

fn write_topic(brokers: &str, topic: &RecordedTopic) -> Outcome {
    let writer = Writer::new(brokers, &format!("e2e-upgrade-{}", topic.topic))?;
    for (partition, end) in (0..).zip(&topic.ends) {
        let records = topic.records.iter().filter(|record| record.partition == partition);
        writer.write_all(&topic.topic, partition, &records.collect::<Vec<_>>(), end.end)?;
    }
    as_recorded(brokers, topic)
}

fn as_recorded(brokers: &str, topic: &RecordedTopic) -> Outcome {
    let mut found = records::read(brokers, &topic.topic, Isolation::ReadCommitted)?;
    found.sort_by_key(|record| (record.partition, record.offset));
    let recorded = topic.records.iter().map(|record| Record {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.clone().unwrap_or_default().into_bytes(),
        value: record.value.clone().unwrap_or_default(),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
            .collect(),
    });
    expect(recorded.eq(found), format!("{}: loaded otherwise than recorded", topic.topic))?;
    let client = consumer(brokers, "nobody")?;
    for (partition, recorded) in (0..).zip(&topic.ends) {
        let (_, end) = text(client.fetch_watermarks(&topic.topic, partition, REQUEST))?;
        expect(
            end == recorded.end,
            format!("{}/{partition}: ends at {end}, not {}", topic.topic, recorded.end),
        )?;
    }
    Ok(())
}

fn commit(brokers: &str, group: &RecordedGroup) -> Outcome {
    let mut list = TopicPartitionList::new();
    for offset in &group.offsets {
        let mut element = list.add_partition(&offset.topic, offset.partition);
        text(element.set_offset(Offset::Offset(offset.offset)))?;
        element.set_metadata(&offset.metadata);
    }
    text(consumer(brokers, &group.group)?.commit(&list, CommitMode::Sync))
}

/// Deletes the topics that were made under another prefix, and the recorded groups. A group of which a process has just
/// died stays.
pub(super) async fn delete(brokers: &str, recording: &Recording, named: impl Fn(&str) -> String) -> Outcome {
    let topics: Vec<String> = recording.topics.iter().map(|topic| named(&topic.topic)).collect();
    let (admin, options) = (admin(brokers)?, AdminOptions::new().operation_timeout(Some(REQUEST)));
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let groups: Vec<&str> = recording.groups.iter().map(|group| group.group.as_str()).collect();
    text(admin.delete_topics(&topics, &options).await)?;
    text(admin.delete_groups(&groups, &options).await)?;
    Ok(())
}

fn admin(brokers: &str) -> Outcome<AdminClient<DefaultClientContext>> {
    text(ClientConfig::new().set("bootstrap.servers", brokers).create())
}

fn consumer(brokers: &str, group: &str) -> Outcome<BaseConsumer> {
    text(ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", group).create())
}

fn text<T, E: ToString>(result: Result<T, E>) -> Outcome<T> {
    result.map_err(|error| error.to_string())
}
