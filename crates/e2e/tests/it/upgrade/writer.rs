//! Writes records so that each gets the offset that it is to have: a transaction's end takes an offset of its own.

use std::ops::Range;
use std::time::{Duration, Instant};

use e2e::Outcome;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::recording::RecordedRecord;

/// For each request to the broker.
const REQUEST: Duration = Duration::from_secs(20);
/// Between two looks for a marker.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Two producers: one with transactions, one without.
pub(super) struct Writer {
    plain: BaseProducer,
    transactional: BaseProducer,
}

impl Writer {
    /// A writer whose transactions have this id.
    pub(super) fn new(brokers: &str, id: &str) -> Outcome<Self> {
        let make = || {
            let plain = client(brokers).create()?;
            let transactional: BaseProducer = client(brokers).set("transactional.id", id).create()?;
            transactional.init_transactions(REQUEST)?;
            Ok(Self { plain, transactional })
        };
        make().map_err(|error: KafkaError| error.to_string())
    }

    /// Writes the records of an empty partition up to its end. Records without a gap before the end were written
    /// without a transaction. Every other run without a gap is a transaction and its marker, and what is left of a gap
    /// is one that was aborted.
    pub(super) fn write_all(
        &self,
        topic: &str,
        partition: i32,
        records: &[&RecordedRecord],
        end: i64,
    ) -> Outcome {
        let runs: Vec<_> = records.chunk_by(|one, next| one.offset + 1 == next.offset).collect();
        let starts = runs.iter().map(|run| run[0].offset).chain([end]).collect::<Vec<_>>();
        let write = || {
            self.abort(topic, partition, 0..starts[0])?;
            for (run, next) in runs.iter().zip(&starts[1..]) {
                let behind = run[run.len() - 1].offset + 1;
                if behind == *next {
                    run.iter().try_for_each(|record| send(&self.plain, topic, record))?;
                    self.plain.flush(REQUEST)?;
                } else {
                    self.transactional.begin_transaction()?;
                    run.iter().try_for_each(|record| send(&self.transactional, topic, record))?;
                    self.transactional.commit_transaction(REQUEST)?;
                    self.ended(topic, partition, behind + 1)?;
                    self.abort(topic, partition, behind + 1..*next)?;
                }
            }
            Ok(())
        };
        write().map_err(|error: KafkaError| format!("{topic}/{partition}: {error}"))
    }

    /// Takes these offsets by records of an aborted transaction and its marker.
    fn abort(&self, topic: &str, partition: i32, offsets: Range<i64>) -> Result<(), KafkaError> {
        if offsets.is_empty() {
            return Ok(());
        }
        self.transactional.begin_transaction()?;
        for _ in offsets.clone().skip(1) {
            let record =
                BaseRecord::<str, str>::to(topic).partition(partition).key("aborted").payload("aborted");
            self.transactional.send(record).map_err(|(error, _)| error)?;
        }
        self.transactional.flush(REQUEST)?;
        self.transactional.abort_transaction(REQUEST)?;
        self.ended(topic, partition, offsets.end)
    }

    /// Waits for a transaction's marker, which the broker writes after its answer. Where it never gets there, the
    /// records are found at other offsets.
    fn ended(&self, topic: &str, partition: i32, end: i64) -> Result<(), KafkaError> {
        let deadline = Instant::now() + REQUEST;
        while self.plain.client().fetch_watermarks(topic, partition, REQUEST)?.1 < end
            && Instant::now() < deadline
        {
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// Writes records behind all others, without a transaction.
pub(super) fn append(brokers: &str, topic: &str, records: &[RecordedRecord]) -> Outcome {
    let append = || {
        let producer = client(brokers).create()?;
        records.iter().try_for_each(|record| send(&producer, topic, record))?;
        producer.flush(REQUEST)
    };
    append().map_err(|error: KafkaError| format!("{topic}: {error}"))
}

fn client(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("linger.ms", "0");
    client
}

fn send(producer: &BaseProducer, topic: &str, record: &RecordedRecord) -> Result<(), KafkaError> {
    let mut new = BaseRecord::<str, [u8]>::to(topic).partition(record.partition).timestamp(record.timestamp);
    let headers = record.headers.iter().map(|(key, value)| Header { key, value: Some(value) });
    new.headers = Some(headers.fold(OwnedHeaders::new(), |all, header| all.insert(header)));
    (new.key, new.payload) = (record.key.as_deref(), record.value.as_deref());
    producer.send(new).map_err(|(error, _)| error)
}
