//! The records that both sides process: LINE text events of some 400 bytes, as ingress writes them, with the times of
//! ten minutes of traffic.

use std::time::Duration;

use e2e::Outcome;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::header;

/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 8;
/// People who write.
const PEOPLE: u64 = 5_000;
/// What they write, in turn: of ten texts three have numbers, and one of these is a telephone's.
pub(crate) const TEXTS: [&str; 10] = [
    "สวัสดีค่ะ สอบถามสถานะพัสดุหน่อยค่ะ ยังไม่ได้รับของเลย",
    "배송이 너무 늦어서 취소하고 싶은데 어떻게 하면 되나요?",
    "ขอเลขพัสดุของคำสั่งซื้อ 20261103-4417 ด้วยค่ะ",
    "こんにちは、商品がまだ届いていないのですが確認していただけますか？",
    "ขอบคุณมากนะคะ 🙏",
    "請問這個顏色還有貨嗎? 我想要大一點的",
    "제 번호는 010-2345-6789 입니다. 전화 부탁드려요",
    "ได้ครับ เดี๋ยวรอแจ้งอีกทีนะครับ",
    "ありがとうございます！助かりました",
    "I ordered 2 and got only 1, can you check please?",
];
/// Traffic time between two records, in ms.
const SPACING: i64 = 1;
const REQUEST: Duration = Duration::from_secs(30);

/// One record's key, value and headers.
pub(crate) struct Line {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) event_id: String,
}

/// The nth event, at `time` ms.
pub(crate) fn line(n: u64, time: i64) -> Line {
    let person = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) % PEOPLE;
    let user = format!("U{person:032x}");
    let event_id = format!("01H{n:023}");
    let value = format!(
        r#"{{"type":"message","message":{{"type":"text","id":"{id}","quoteToken":"q3Plxr4AgKd-{n}","text":"{text}"}},"webhookEventId":"{event_id}","deliveryContext":{{"isRedelivery":false}},"timestamp":{time},"source":{{"type":"user","userId":"{user}"}},"replyToken":"nHuyWiB7yP5Zw52FIkcQobQuGDXCTA{n}","mode":"active"}}"#,
        text = TEXTS[usize::try_from(n % 10).expect("below ten")],
        id = 461_230_966_842_000_000 + n
    );
    Line { key: format!("{}:{user}", e2e::process::account::LINE), value, event_id }
}

fn client(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("log_level", "3");
    client
}

/// Makes topics whose records keep the time that the producer gives them.
pub(crate) async fn make_topics(brokers: &str, names: &[&str]) -> Outcome {
    let admin: AdminClient<DefaultClientContext> =
        client(brokers).create().map_err(|error| error.to_string())?;
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
    let made = admin.create_topics(&topics, &AdminOptions::new().request_timeout(Some(REQUEST))).await;
    for result in made.map_err(|error| error.to_string())? {
        result.map_err(|(topic, error)| format!("{topic}: {error}"))?;
    }
    Ok(())
}

/// Writes `count` records, the first at `start` ms.
pub(crate) fn fill(brokers: &str, topic: &str, count: u64, start: i64) -> Outcome {
    let producer: BaseProducer = client(brokers)
        .set("linger.ms", "20")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "500000")
        .create()
        .map_err(|error| error.to_string())?;
    for n in 0..count {
        send(&producer, topic, n, start + n.cast_signed() * SPACING)?;
    }
    producer.flush(REQUEST).map_err(|error| error.to_string())
}

/// Hands the nth record, received at `time`, to the producer.
fn send(producer: &BaseProducer, topic: &str, n: u64, time: i64) -> Outcome {
    let Line { key, value, event_id } = line(n, time - 80);
    let (event_time, received) = ((time - 80).to_string(), time.to_string());
    let headers = [
        (header::EVENT_TIME, event_time.as_str()),
        (header::EVENT_ID, &event_id),
        (header::EVENT_TYPE, "message"),
        (header::REDELIVERY, "false"),
        (header::ACCOUNT, e2e::process::account::LINE),
        (header::RECEIVED, &received),
    ];
    let headers = headers.into_iter().fold(OwnedHeaders::new_with_capacity(6), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let mut record = BaseRecord::to(topic).key(&key).payload(&value).headers(headers).timestamp(time);
    while let Err((error, back)) = producer.send(record) {
        let KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) = error else {
            return Err(error.to_string());
        };
        producer.poll(Duration::from_millis(10));
        record = back;
    }
    Ok(())
}

/// Counts what stands in topics, by their ends. Control records of transactions count too: a few a commit.
pub(crate) struct Counter(BaseConsumer);

impl Counter {
    pub(crate) fn new(brokers: &str) -> Outcome<Self> {
        client(brokers).create().map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn written(&self, topic: &str) -> Outcome<u64> {
        (0..PARTITIONS).try_fold(0, |sum, partition| {
            let ends =
                self.0.fetch_watermarks(topic, partition, REQUEST).map_err(|error| error.to_string())?;
            Ok(sum + ends.1.max(0).cast_unsigned())
        })
    }
}

/// Writes records at a steady rate, each with the time of its writing.
pub(crate) fn pace(brokers: &str, topic: &str, rate: f64, run: Duration) -> Outcome {
    let producer: BaseProducer = client(brokers)
        .set("linger.ms", "5")
        .set("partitioner", "murmur2_random")
        .set("delivery.report.only.error", "true")
        .create()
        .map_err(|error| error.to_string())?;
    let begun = std::time::Instant::now();
    let mut n = 0_u64;
    while begun.elapsed() < run {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of a short run")]
        let due = (begun.elapsed().as_secs_f64() * rate) as u64;
        while n < due {
            send(&producer, topic, n, runtime::clock::now_ms())?;
            n += 1;
        }
        producer.poll(Duration::ZERO);
        // The client's own wait of a millisecond would spin: the machine is shared with what is measured.
        std::thread::sleep(Duration::from_millis(1));
    }
    producer.flush(REQUEST).map_err(|error| error.to_string())
}
