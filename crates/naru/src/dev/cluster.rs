//! The broker inside the process: librdkafka's own mock cluster. It keeps a few megabytes a partition and nothing
//! over the end of the process; it is no proof of anything, only a way to see Naru without installing Kafka.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use runtime::config::Config;
use runtime::kafka::{LogContext, client_config};
use schemas::{Topic, TopicNames};

use crate::Failure;

/// Partitions of each topic: more than one, so that a demo shows what is true of one conversation only.
pub(crate) const PARTITIONS: i32 = 2;
/// For one request.
const REQUEST: Duration = Duration::from_secs(5);

/// A running mock cluster.
pub(crate) struct Cluster {
    brokers: String,
    names: TopicNames,
    _mock: MockCluster<'static, DefaultProducerContext>,
}

impl Cluster {
    /// Starts it, with every topic that a configuration needs.
    pub(crate) fn start(config: &Config) -> Result<Self, Failure> {
        let mock = MockCluster::new(1).map_err(Failure::failed)?;
        let names = TopicNames::new(&config.kafka.topic_prefix);
        for topic in platforms::topics(config.platforms.platforms()) {
            mock.create_topic(&names.of(topic), PARTITIONS, 1).map_err(Failure::failed)?;
        }
        Ok(Self { brokers: mock.bootstrap_servers(), names, _mock: mock })
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A counter of what stands in topics.
    pub(crate) fn counter(&self, kafka: &runtime::config::Kafka) -> Result<Counter, Failure> {
        let client = client_config(kafka).create_with_context(LogContext).map_err(Failure::failed)?;
        Ok(Counter { client, names: self.names.clone() })
    }
}

/// Counts records by the ends of a topic's partitions.
pub(crate) struct Counter {
    client: BaseConsumer<LogContext>,
    names: TopicNames,
}

impl Counter {
    /// Records that were ever written to `topic`.
    pub(crate) fn written(&self, topic: Topic) -> Result<u64, Failure> {
        let name = self.names.of(topic);
        (0..PARTITIONS).try_fold(0, |sum, partition| {
            let (_, high) =
                self.client.fetch_watermarks(&name, partition, REQUEST).map_err(Failure::failed)?;
            Ok(sum + high.max(0).cast_unsigned())
        })
    }
}
