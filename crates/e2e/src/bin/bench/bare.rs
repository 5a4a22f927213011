//! The base line: consume and produce in transactions, committed every 100 ms, and nothing in between. With the
//! settings that the worker has.

use std::time::{Duration, Instant};

use e2e::Outcome;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::meter;

const COMMIT: Duration = Duration::from_millis(100);
const REQUEST: Duration = Duration::from_secs(30);

/// Copies `count` records; gives how long it took and the CPU time of this process.
pub(crate) fn run(brokers: &str, from: &str, to: &str, count: u64) -> Outcome<(Duration, Duration)> {
    let text = |error: KafkaError| error.to_string();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", to)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "100000")
        .create()
        .map_err(text)?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", to)
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "500000")
        .create()
        .map_err(text)?;
    producer.init_transactions(REQUEST).map_err(text)?;
    consumer.subscribe(&[from]).map_err(text)?;

    let (mut seen, mut begun) = (0, None);
    let mut positions = std::collections::BTreeMap::new();
    let mut commit_at = Instant::now() + COMMIT;
    let mut open = false;
    while seen < count {
        if let Some(message) = consumer.poll(Duration::from_millis(10)) {
            let message = message.map_err(text)?;
            begun.get_or_insert_with(|| (Instant::now(), meter::cpu(std::process::id())));
            if !open {
                producer.begin_transaction().map_err(text)?;
                open = true;
            }
            let headers = message.headers().map(|headers| {
                headers.iter().fold(OwnedHeaders::new_with_capacity(headers.count()), OwnedHeaders::insert)
            });
            let mut record = BaseRecord::to(to)
                .key(message.key().unwrap_or_default())
                .payload(message.payload().unwrap_or_default())
                .headers(headers.unwrap_or_default());
            while let Err((error, back)) = producer.send(record) {
                let KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) = error else {
                    return Err(error.to_string());
                };
                producer.poll(Duration::from_millis(1));
                record = back;
            }
            positions.insert(message.partition(), message.offset() + 1);
            seen += 1;
        }
        if (Instant::now() >= commit_at || seen == count) && open {
            // As the worker does it: the client's own wait of a millisecond would spin.
            while producer.flush(Duration::ZERO).is_err() {
                let before = producer.in_flight_count();
                producer.poll(Duration::ZERO);
                if producer.in_flight_count() == before {
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
            let mut offsets = TopicPartitionList::new();
            for (partition, next) in &positions {
                offsets.add_partition_offset(from, *partition, Offset::Offset(*next)).map_err(text)?;
            }
            let group = consumer.group_metadata().ok_or("no group metadata")?;
            producer.send_offsets_to_transaction(&offsets, &group, REQUEST).map_err(text)?;
            producer.commit_transaction(REQUEST).map_err(text)?;
            open = false;
            commit_at = Instant::now() + COMMIT;
        }
    }
    let (start, cpu) = begun.ok_or("nothing was read")?;
    Ok((start.elapsed(), meter::cpu(std::process::id())? - cpu?))
}
