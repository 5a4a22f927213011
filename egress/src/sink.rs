//! Results into Kafka: delivery records beside their outbox record, dead letters with the reason in their headers.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use runtime::config;
use runtime::kafka::{LogContext, producer_config};
use schemas::{Codec, Delivery, Framing, Reason, Topic, TopicNames, header};

use crate::outbox::Destination;
use crate::seam::{Record, Sink, SinkError};

/// How long the producer waits for other records before it sends, in ms: each message waits for two of them.
const LINGER_MS: &str = "1";

/// The stage that dead letters name.
const STAGE: &str = "egress";

/// The sink of one destination.
pub struct KafkaSink {
    producer: FutureProducer<LogContext>,
    codec: Codec<Delivery>,
    outbox: String,
    deliveries: String,
    dead_letters: String,
}

impl KafkaSink {
    /// A sink with a producer of its own.
    ///
    /// # Errors
    /// If librdkafka does not take the settings.
    pub fn new(
        kafka: &config::Kafka,
        destination: Destination,
        framing: Framing,
    ) -> Result<Self, KafkaError> {
        let names = TopicNames::new(&kafka.topic_prefix);
        let producer = producer_config(kafka).set("linger.ms", LINGER_MS).create_with_context(LogContext)?;
        Ok(Self {
            producer,
            codec: Codec::new(framing),
            outbox: names.of(destination.outbox()),
            deliveries: names.of(destination.deliveries()),
            dead_letters: names.of(Topic::DeadLetters),
        })
    }

    async fn send(&self, record: FutureRecord<'_, [u8], [u8]>) -> Result<i64, SinkError> {
        let sent = self.producer.send(record, Timeout::Never).await;
        sent.map(|at| at.offset).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => {
                SinkError::Fatal(format!("the producer failed for good: {error}"))
            }
            _ => SinkError::Retry(error.to_string()),
        })
    }
}

impl Sink for KafkaSink {
    async fn delivery(&self, partition: i32, delivery: &Delivery) -> Result<Option<i64>, SinkError> {
        let payload = self.codec.encode(delivery);
        let identity = Header { key: header::IDENTITY, value: Some(&delivery.identity) };
        let record = FutureRecord::to(&self.deliveries)
            .partition(partition)
            .key(delivery.person.as_bytes())
            .payload(payload.as_slice())
            .headers(OwnedHeaders::new().insert(identity));
        self.send(record).await.map(Some)
    }

    async fn dead_letter(&self, record: &Record, reason: Reason, detail: &str) -> Result<(), SinkError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 6);
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        for (key, value) in [
            (header::DEAD_REASON, reason.code()),
            (header::DEAD_DETAIL, detail),
            (header::DEAD_STAGE, STAGE),
            (header::DEAD_TOPIC, &self.outbox),
            (header::DEAD_PARTITION, &partition),
            (header::DEAD_OFFSET, &offset),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut dead = FutureRecord::to(&self.dead_letters).headers(headers);
        dead.key = record.key.as_deref();
        dead.payload = record.payload.as_deref();
        self.send(dead).await.map(|_| ())
    }
}
