//! Results into Kafka: delivery records beside their outbox record, dead letters with the reason in their headers.

use platforms::Platform;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use runtime::kafka::{LogContext, producer_config};
use runtime::{config, metrics};
use schemas::{Codec, Delivery, DestinationTopics, Framing, Reason, Topic, TopicNames, header};

use crate::seam::{Record, Sink, SinkError};

/// How long the producer waits for other records before it sends, in ms: each message waits for two of them.
const LINGER_MS: &str = "1";

/// The stage that dead letters name.
const STAGE: &str = "egress";

/// The sink of one destination.
pub struct KafkaSink {
    destination: &'static Platform,
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
        destination: &'static Platform,
        framing: &Framing,
    ) -> Result<Self, KafkaError> {
        let DestinationTopics { outbox, deliveries } = destination.destination;
        let names = TopicNames::new(&kafka.topic_prefix);
        let producer = producer_config(kafka).set("linger.ms", LINGER_MS).create_with_context(LogContext)?;
        Ok(Self {
            destination,
            producer,
            codec: Codec::new(framing),
            outbox: names.of(outbox),
            deliveries: names.of(deliveries),
            dead_letters: names.of(Topic::DEAD_LETTERS),
        })
    }

    async fn send(&self, record: FutureRecord<'_, [u8], [u8]>) -> Result<i64, KafkaError> {
        let sent = self.producer.send(record, Timeout::Never).await;
        sent.map(|at| at.offset).map_err(|(error, _)| error)
    }
}

fn sink_error(error: &KafkaError) -> SinkError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal) => {
            SinkError::Fatal(format!("the producer failed permanently: {error}"))
        }
        _ => SinkError::Retry(error.to_string()),
    }
}

/// How much of a record a dead letter carries: with our headers it may be larger than a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// All of it, and the detail.
    Whole,
    /// All of it, without the detail.
    Brief,
    /// Its key and its place: the record itself stays where it is for as long as the outbox keeps it.
    Place,
}

/// The detail of a dead letter that carries no more than the place.
const LEFT_OUT: &str = "too large for the dead letters: the record is where the headers say";

/// The headers of a dead letter.
fn headers(record: &Record, reason: Reason, detail: &str, outbox: &str, form: Form) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 6);
    if form != Form::Place {
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
    }
    let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
    let detail = match form {
        Form::Whole => detail,
        Form::Brief => "",
        Form::Place => LEFT_OUT,
    };
    for (key, value) in [
        (header::DEAD_REASON, reason.code()),
        (header::DEAD_DETAIL, detail),
        (header::DEAD_STAGE, STAGE),
        (header::DEAD_TOPIC, outbox),
        (header::DEAD_PARTITION, &partition),
        (header::DEAD_OFFSET, &offset),
    ] {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
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
        self.send(record).await.map(Some).map_err(|error| sink_error(&error))
    }

    async fn dead_letter(&self, record: &Record, reason: Reason, detail: &str) -> Result<(), SinkError> {
        let mut last = None;
        for form in [Form::Whole, Form::Brief, Form::Place] {
            let mut dead = FutureRecord::to(&self.dead_letters).headers(headers(
                record,
                reason,
                detail,
                &self.outbox,
                form,
            ));
            dead.key = record.key.as_deref();
            dead.payload = record.payload.as_deref().filter(|_| form != Form::Place);
            match self.send(dead).await {
                Ok(_) if form == Form::Whole => return Ok(()),
                Ok(_) => {
                    metrics::EGRESS_DEAD_LETTERS_CUT.add([self.destination.name], 1);
                    let Record { partition, offset, .. } = record;
                    let topic = &self.outbox;
                    tracing::warn!(
                        topic,
                        partition,
                        offset,
                        "a dead letter is truncated: it was too large as it is"
                    );
                    return Ok(());
                }
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    last = Some(sink_error(&error));
                }
                Err(error) => return Err(sink_error(&error)),
            }
        }
        last.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;

    #[test]
    fn a_dead_letter_is_truncated_step_by_step_and_never_loses_its_place() {
        let record = Record {
            partition: 3,
            offset: 7,
            key: Some(b"p".to_vec()),
            payload: Some(b"v".to_vec()),
            headers: vec![(header::IDENTITY.into(), Some(b"id".to_vec()))],
        };
        for (form, is_identified, detail) in
            [(Form::Whole, true, "why"), (Form::Brief, true, ""), (Form::Place, false, LEFT_OUT)]
        {
            let headers = headers(&record, Reason::Refused, "why", "naru.outbox.line", form);
            let of = |name: &str| {
                let found = headers.iter().find(|header| header.key == name)?;
                found.value.and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned)
            };
            assert_eq!(of(header::IDENTITY).is_some(), is_identified, "{form:?}");
            assert_eq!(of(header::DEAD_DETAIL).as_deref(), Some(detail), "{form:?}");
            for (name, value) in [
                (header::DEAD_REASON, "refused"),
                (header::DEAD_STAGE, "egress"),
                (header::DEAD_TOPIC, "naru.outbox.line"),
                (header::DEAD_PARTITION, "3"),
                (header::DEAD_OFFSET, "7"),
            ] {
                assert_eq!(of(name).as_deref(), Some(value), "{form:?} {name}");
            }
        }
    }
}
