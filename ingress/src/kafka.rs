//! The raw log on Kafka: one idempotent producer, all records of a request acknowledged by all replicas.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use runtime::{config, kafka};
use schemas::{Topic, TopicNames};
use tokio::sync::oneshot;

use crate::log::{AppendError, NewRecord, RawLog};

/// librdkafka settings of this producer, beside those of every producer.
const PRODUCER: [(&str, &str); 4] = [
    // A webhook waits this long for company in its batch, in ms.
    ("linger.ms", "5"),
    // After this, in ms, a record is given up. Its request went to the spool long before; a longer life would only
    // fill the queue with what dedupe has to absorb.
    ("message.timeout.ms", "5000"),
    // Bounds of the queue while the broker is away; beyond them webhooks go to the spool at once.
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "131072"),
];

/// Pause between looks for the topics, and the longest wait for the broker's answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

type Producer = ThreadedProducer<Context>;

/// The raw log on Kafka.
pub struct KafkaLog {
    kafka: config::Kafka,
    names: TopicNames,
    /// The topics that ingress writes, with their full names.
    topics: Vec<(Topic, String)>,
    producer: RwLock<Arc<Producer>>,
}

impl KafkaLog {
    /// A log on the cluster of `kafka` for records of `topics`. It connects by itself, also later.
    ///
    /// # Errors
    /// If librdkafka does not take a setting.
    pub fn new(kafka: &config::Kafka, topics: &[Topic]) -> Result<Self, KafkaError> {
        let producer = RwLock::new(Arc::new(producer(kafka)?));
        let names = TopicNames::new(&kafka.topic_prefix);
        let topics = topics.iter().map(|topic| (*topic, names.of(*topic))).collect();
        Ok(Self { kafka: kafka.clone(), names, topics, producer })
    }

    /// Waits until the broker answers and has every topic that ingress writes. Also warms the connection.
    pub async fn wait_for_topics(&self) {
        let mut logged = None;
        loop {
            let lack = self.lack().await;
            if lack.is_none() {
                return;
            }
            if lack != logged {
                tracing::warn!(lack, "not ready to take webhooks");
                logged = lack;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What is missing, for a person.
    async fn lack(&self) -> Option<String> {
        let producer = self.producer();
        // Of all topics, since asking for one by name can create it with the broker's defaults.
        let asked = tokio::task::spawn_blocking(move || {
            producer.client().fetch_metadata(None, METADATA_TIMEOUT).map(|metadata| {
                metadata.topics().iter().map(|topic| topic.name().to_owned()).collect::<BTreeSet<_>>()
            })
        });
        match asked.await {
            Ok(Ok(there)) => {
                let names = self.topics.iter().map(|(_, name)| name.as_str());
                let missing: Vec<_> = names.filter(|name| !there.contains(*name)).collect();
                (!missing.is_empty()).then(|| format!("topics missing: {}", missing.join(", ")))
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the look for topics broke off".to_owned()),
        }
    }

    /// The full name of a topic. A spool can hold records of one that is no longer written.
    fn name(&self, topic: Topic) -> Cow<'_, str> {
        let written = self.topics.iter().find(|(written, _)| *written == topic);
        written.map_or_else(|| self.names.of(topic).into(), |(_, name)| name.as_str().into())
    }

    fn producer(&self) -> Arc<Producer> {
        self.producer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands all records to the producer's queue.
    fn enqueue(
        &self,
        producer: &Producer,
        records: &[NewRecord],
        batch: &Arc<Batch>,
    ) -> Result<(), KafkaError> {
        for record in records {
            let topic = self.name(record.topic);
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let headers = record.headers.iter().fold(headers, |headers, (name, value)| {
                headers.insert(Header { key: name, value: Some(value.as_bytes()) })
            });
            let message = BaseRecord::with_opaque_to(&topic, batch.clone())
                .key(record.key.as_bytes())
                .payload(record.value.as_ref())
                .headers(headers);
            producer.send(message).map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// A producer that has failed permanently takes nothing any more; a new one takes its place.
    fn replace_if_failed(&self, failed: &Arc<Producer>) {
        let Some((code, _)) = failed.client().fatal_error() else { return };
        let mut current = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, failed) {
            return;
        }
        match producer(&self.kafka) {
            Ok(new) => {
                tracing::warn!(%code, "producer failed permanently, replaced");
                let old = std::mem::replace(&mut *current, Arc::new(new));
                // Its end joins a thread, which must not hold up other requests.
                tokio::task::spawn_blocking(move || drop(old));
            }
            Err(error) => {
                tracing::error!(%code, %error, "producer failed permanently and cannot be replaced");
            }
        }
    }
}

impl RawLog for KafkaLog {
    async fn append(&self, records: &[NewRecord]) -> Result<(), AppendError> {
        if records.is_empty() {
            return Ok(());
        }
        let producer = self.producer();
        let (batch, done) = Batch::of(records.len());
        let appended = match self.enqueue(&producer, records, &batch) {
            Ok(()) => {
                done.await.unwrap_or_else(|_| Err(AppendError::Unavailable("producer ended".to_owned())))
            }
            Err(error) => Err(verdict(&error)),
        };
        if appended.is_err() {
            self.replace_if_failed(&producer);
        }
        appended
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("kafka", &self.kafka).finish_non_exhaustive()
    }
}

fn producer(kafka: &config::Kafka) -> Result<Producer, KafkaError> {
    let mut client = kafka::producer_config(kafka);
    for (name, value) in PRODUCER {
        client.set(name, value);
    }
    client.create_with_context(Context)
}

/// Whether a record may still be taken some other time.
fn verdict(error: &KafkaError) -> AppendError {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(
            code @ (Code::MessageSizeTooLarge
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::MessageBatchTooLarge
            | Code::InvalidTopic
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::PolicyViolation),
        ) => AppendError::Refused(code.to_string()),
        Some(Code::MessageTimedOut) => AppendError::TimedOut,
        Some(code) => AppendError::Unavailable(code.to_string()),
        None => AppendError::Unavailable(error.to_string()),
    }
}

/// The records of one request on their way: the last report answers.
struct Batch(Mutex<Waiting>);

struct Waiting {
    left: usize,
    answer: Option<oneshot::Sender<Result<(), AppendError>>>,
}

impl Batch {
    fn of(records: usize) -> (Arc<Self>, oneshot::Receiver<Result<(), AppendError>>) {
        let (answer, done) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Waiting { left: records, answer: Some(answer) }))), done)
    }

    /// Takes one report. The first failure answers at once, the last success for all.
    fn report(&self, result: Result<(), AppendError>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.left = waiting.left.saturating_sub(1);
        if (result.is_err() || waiting.left == 0)
            && let Some(answer) = waiting.answer.take()
        {
            // Nobody waits any more where the request has timed out; dedupe absorbs what comes of it.
            let _ = answer.send(result);
        }
    }
}

struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        kafka::log_error(&error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        batch.report(match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(verdict(error)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_acknowledged_with_its_last_record() {
        let (batch, mut done) = Batch::of(2);
        batch.report(Ok(()));
        assert!(done.try_recv().is_err(), "one of two is not all");
        batch.report(Ok(()));
        assert_eq!(done.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_batch_fails_with_its_first_failure_and_stays_failed() {
        let (batch, mut done) = Batch::of(3);
        batch.report(Ok(()));
        batch.report(Err(AppendError::TimedOut));
        batch.report(Ok(()));
        assert_eq!(done.try_recv(), Ok(Err(AppendError::TimedOut)));
    }

    #[test]
    fn only_what_cannot_succeed_later_is_refused() {
        let of = |code| verdict(&KafkaError::MessageProduction(code)).cause();
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge), "refused");
        assert_eq!(of(RDKafkaErrorCode::MessageTimedOut), "timed_out");
        assert_eq!(of(RDKafkaErrorCode::QueueFull), "unavailable");
        assert_eq!(of(RDKafkaErrorCode::NotEnoughReplicas), "unavailable");
    }
}
