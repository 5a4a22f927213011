//! Settings that every Kafka client of Naru shares, and where librdkafka's log lines go.

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use crate::config;

/// Longest pause before a lost connection is tried again, in ms; librdkafka's own default is 10 s.
const RECONNECT_MAX_MS: &str = "200";

/// A consumer that has not been heard of for this long loses its partitions, in ms: the least that a broker takes
/// with its default settings, so that a take-over is fast.
pub const SESSION_TIMEOUT_MS: u32 = 6_000;

/// Between two heartbeats, in ms: at each of them a member learns that the group is being shared out anew, and a
/// partition that one member gives up is with nobody until the others have learnt it. The client's default of 3 s
/// cost that much in each of the two rounds of a take-over.
const HEARTBEAT_MS: &str = "500";

/// Pause of a consumer whose local queue is full, in ms; librdkafka's default of 1 s costs most of the throughput.
const FETCH_BACKOFF_MS: &str = "10";

/// What `[kafka.properties]` may not set, because Naru's promises hang on its own value.
pub const RESERVED_PROPERTIES: [&str; 14] = [
    "acks",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "group.id",
    "group.instance.id",
    "heartbeat.interval.ms",
    "isolation.level",
    "metadata.broker.list",
    "partitioner",
    "request.required.acks",
    "session.timeout.ms",
    "transactional.id",
];

/// Settings of any client: brokers, `[kafka.properties]`, quick reconnects.
#[must_use]
pub fn client_config(kafka: &config::Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "naru");
    client.set("reconnect.backoff.max.ms", RECONNECT_MAX_MS);
    for (name, value) in &kafka.properties {
        client.set(name, value.reveal());
    }
    client.set("bootstrap.servers", &kafka.brokers);
    client.set_log_level(RDKafkaLogLevel::Info);
    client
}

/// Settings of a producer: acknowledged by all replicas, idempotent, Kafka's own partitioner.
#[must_use]
pub fn producer_config(kafka: &config::Kafka) -> ClientConfig {
    let mut client = client_config(kafka);
    client.set("acks", "all");
    client.set("enable.idempotence", "true");
    client.set("partitioner", "murmur2_random");
    client
}

/// Settings of a consumer in `group`: reads what is committed, commits only when told to. What it does where nothing
/// is committed (`auto.offset.reset`) is for the caller to set.
#[must_use]
pub fn consumer_config(kafka: &config::Kafka, group: &str) -> ClientConfig {
    let mut client = client_config(kafka);
    client.set("group.id", group);
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("isolation.level", "read_committed");
    client.set("session.timeout.ms", SESSION_TIMEOUT_MS.to_string());
    client.set("heartbeat.interval.ms", HEARTBEAT_MS);
    client.set("fetch.queue.backoff.ms", FETCH_BACKOFF_MS);
    client
}

/// The number of partitions of a topic, as metadata about it says.
pub(crate) fn partition_count(metadata: &Metadata, topic: &str) -> Result<i32, String> {
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    match i32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("topic {topic} does not exist; create it with `naru topics create`")),
    }
}

/// Writes a line of librdkafka to our log. It tries again by itself, so its errors are warnings here: `error` is
/// kept for what a person must act on.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, message, "kafka client failed");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, message, "kafka client warns");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, message, "kafka client");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, message, "kafka client"),
    }
}

/// Writes a client-wide error of librdkafka to our log, as a warning: it tries again by itself.
pub fn log_error(error: &KafkaError, reason: &str) {
    // The end of a partition comes as an event too, to those who asked for it.
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
        return;
    }
    tracing::warn!(target: "librdkafka", %error, reason, "kafka client reports an error");
}

/// A client context that only logs. Contexts with more to do call [`log`] and [`log_error`] themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for LogContext {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Secret;

    fn kafka(properties: &[(&str, &str)]) -> config::Kafka {
        config::Kafka {
            brokers: "a:9092,b:9092".into(),
            topic_prefix: "naru.".into(),
            partitions: 24,
            replication_factor: 3,
            schema_registry_url: None,
            properties: properties
                .iter()
                .map(|(k, v)| ((*k).to_owned(), Secret::new(*v)))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn properties_pass_through_but_not_over_ours() {
        let kafka = kafka(&[("sasl.username", "u"), ("reconnect.backoff.max.ms", "900"), ("acks", "0")]);
        let producer = producer_config(&kafka);
        assert_eq!(producer.get("sasl.username"), Some("u"));
        assert_eq!(producer.get("reconnect.backoff.max.ms"), Some("900"));
        assert_eq!(producer.get("acks"), Some("all"));
        assert_eq!(producer.get("bootstrap.servers"), Some("a:9092,b:9092"));
        assert_eq!(producer.get("partitioner"), Some("murmur2_random"));
    }

    #[test]
    fn librdkafka_takes_every_setting() {
        let kafka = kafka(&[]);
        assert!(producer_config(&kafka).create_native_config().is_ok());
        assert!(consumer_config(&kafka, "g").create_native_config().is_ok());
        let mut with_reserved = client_config(&kafka);
        for name in RESERVED_PROPERTIES {
            let value = match name {
                "acks" | "heartbeat.interval.ms" | "request.required.acks" | "session.timeout.ms" => "1",
                "partitioner" => "random",
                "isolation.level" => "read_committed",
                _ if name.starts_with("enable.") => "false",
                _ => "x",
            };
            with_reserved.set(name, value);
        }
        assert!(with_reserved.create_native_config().is_ok(), "every reserved name exists");
    }
}
