//! Before the first thread starts: is every topic there that the sources read or write?

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use schemas::{Topic, TopicNames};

use super::Source;
use crate::config::{Config, Kafka};
use crate::kafka::{LogContext, client_config};
use crate::shutdown::Shutdown;

/// For the broker's answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries while it does not answer.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Why the stream threads cannot start.
#[derive(Debug)]
pub enum StartError {
    /// These topics are missing: full names.
    MissingTopics(Vec<String>),
    /// librdkafka does not take a setting.
    Kafka(KafkaError),
    /// The system gives no thread.
    Thread(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::MissingTopics(names) => {
                write!(f, "topics are missing: {}; `naru topics create` makes them", names.join(", "))
            }
            StartError::Kafka(error) => write!(f, "kafka: {error}"),
            StartError::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        StartError::Thread(error)
    }
}

/// Waits for the broker's answer, or for the shutdown, and compares.
pub(super) fn check<M>(
    config: &Config,
    sources: &[Source<M>],
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let own = sources.iter().flat_map(|source| {
        [source.topic, source.changelog].into_iter().chain(source.outputs.iter().copied())
    });
    let all: BTreeSet<Topic> = own.chain([Topic::DEAD_LETTERS]).collect();
    let (vaults, others): (Vec<Topic>, Vec<Topic>) =
        all.into_iter().partition(|topic| topic.family().is_vaults());
    let names = TopicNames::new(&config.kafka.topic_prefix);
    let mut missing = Vec::new();
    for (kafka, topics) in [(&config.kafka, others), (config.vault_kafka(), vaults)] {
        let Some(there) = topics_of(kafka, shutdown)? else { return Ok(()) };
        missing.extend(topics.iter().map(|topic| names.of(*topic)).filter(|name| !there.contains(name)));
    }
    if missing.is_empty() { Ok(()) } else { Err(StartError::MissingTopics(missing)) }
}

/// The topics of a cluster; `None` where the shutdown came first. All are asked for, since asking for one by name could
/// create it with the broker's defaults.
fn topics_of(kafka: &Kafka, shutdown: &Shutdown) -> Result<Option<BTreeSet<String>>, StartError> {
    let client: BaseConsumer<LogContext> =
        client_config(kafka).create_with_context(LogContext).map_err(StartError::Kafka)?;
    while !shutdown.is_set() {
        match client.fetch_metadata(None, ANSWERS_WITHIN) {
            Ok(metadata) => {
                return Ok(Some(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()));
            }
            Err(error) => {
                tracing::warn!(%error, "the broker does not answer yet");
                std::thread::sleep(TRY_AGAIN);
            }
        }
    }
    Ok(None)
}
