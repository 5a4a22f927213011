//! A record that cannot be processed: it is in the dead letters unchanged, with the reason and its place, once.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::harness::Stage;
use e2e::process::account;
use e2e::{Outcome, Service, World, wait};
use platforms::line;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use schemas::{Reason, Topic, header};
use serde_json::{Value, json};

use crate::{expect, play};

const CUSTOMER: &str = "U4af4980629000000000000000000d001";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// Further back than the dedupe set can vouch for, in ms.
const LONG_AGO: i64 = 40 * 24 * 60 * 60 * 1000;

/// One dead letter as another Kafka tool sees it.
struct Letter {
    value: Vec<u8>,
    key: Vec<u8>,
    headers: BTreeMap<String, String>,
}

/// Two events that cannot be processed, each for a reason of its own, and one that can.
pub(crate) fn record_and_place(stage: &mut Stage) -> Outcome {
    play(stage, "dead", async |_stage, world| {
        let _ingress = world.product.start(Service::Ingress, "ingress").await?;
        let processors = world.product.start(Service::Processors, "processors").await?;
        let now = runtime::clock::now_ms();
        let textless = event("01HTEXTLESS000000000000000", now, &json!({"type": "text", "id": "1"}));
        let ancient = event(
            "01HANCIENT0000000000000000",
            now - LONG_AGO,
            &json!({"type": "text", "id": "2", "text": "old"}),
        );
        let events = vec![textless.clone(), ancient.clone()];
        let webhook = world.standins.line().compose(account::LINE, events).ok_or("the account is set up")?;
        world.accepted(&webhook).await?;

        let letters = until_dead(world, 2).await?;
        for (event, reason) in [(textless, Reason::MissingField), (ancient, Reason::TooOld)] {
            let letter = letters.iter().find(|letter| letter.headers[header::DEAD_REASON] == reason.code());
            let letter = letter.ok_or(format!("no dead letter for {}", reason.code()))?;
            let value: Value = serde_json::from_slice(&letter.value).map_err(|error| error.to_string())?;
            expect(value == event, "the record is not the event as it came")?;
            expect(letter.key == format!("{}:{CUSTOMER}", account::LINE).as_bytes(), "the key is another")?;
            let told = |name: &str| letter.headers.get(name).map(String::as_str);
            expect(told(header::DEAD_STAGE) == Some("processors"), "the stage is another")?;
            let source = world.topics().of(line::SOURCE.webhooks);
            expect(told(header::DEAD_TOPIC) == Some(&source), "the topic is another")?;
            expect(told(header::EVENT_ID) == value["webhookEventId"].as_str(), "its own headers are gone")?;
            let place = |name: &str| told(name).and_then(|text| text.parse::<i64>().ok());
            let (partition, offset) = (place(header::DEAD_PARTITION), place(header::DEAD_OFFSET));
            let (Some(partition), Some(offset)) = (partition, offset) else {
                return Err("no place".to_owned());
            };
            let there = record_at(world, &source, i32::try_from(partition).unwrap_or(-1), offset)?;
            expect(there == letter.value, "at the place that it names stands another record")?;
        }

        // A second instance reads the same records again after a kill, and writes none of them a second time.
        processors.kill9()?;
        let _processors = world.product.start(Service::Processors, "another").await?;
        let webhook = world.text_of(CUSTOMER, "");
        world.accepted(&webhook).await?;
        let third = event(
            "01HTEXTLESS000000000000001",
            runtime::clock::now_ms(),
            &json!({"type": "text", "id": "3"}),
        );
        let webhook =
            world.standins.line().compose(account::LINE, vec![third]).ok_or("the account is set up")?;
        world.accepted(&webhook).await?;
        let letters = until_dead(world, 3).await?;
        expect(letters.len() == 3, format!("{} dead letters instead of 3", letters.len()))
    })
}

fn event(id: &str, time: i64, message: &Value) -> Value {
    json!({
        "type": "message", "mode": "active", "timestamp": time, "source": {"type": "user", "userId": CUSTOMER},
        "webhookEventId": id, "deliveryContext": {"isRedelivery": false}, "message": message,
    })
}

/// Waits for so many dead letters and gives all that are there.
async fn until_dead(world: &World, count: usize) -> Outcome<Vec<Letter>> {
    let topic = world.topics().of(Topic::DEAD_LETTERS);
    let consumer = reader(world)?;
    consumer.subscribe(&[&topic]).map_err(|error| error.to_string())?;
    let mut letters = Vec::new();
    wait::until(&format!("{count} dead letters"), ARRIVES_WITHIN, || {
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            let headers = message.headers().map(|headers| {
                let text =
                    |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                headers.iter().map(|h| (h.key.to_owned(), text(h.value))).collect()
            });
            letters.push(Letter {
                value: message.payload().unwrap_or_default().to_vec(),
                key: message.key().unwrap_or_default().to_vec(),
                headers: headers.unwrap_or_default(),
            });
        }
        let done = letters.len() >= count;
        async move { done.then_some(()) }
    })
    .await?;
    Ok(letters)
}

/// The value that stands at a place.
fn record_at(world: &World, topic: &str, partition: i32, offset: i64) -> Outcome<Vec<u8>> {
    let consumer = reader(world)?;
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(offset))
        .map_err(|error| error.to_string())?;
    consumer.assign(&list).map_err(|error| error.to_string())?;
    match consumer.poll(ARRIVES_WITHIN) {
        Some(Ok(message)) => Ok(message.payload().unwrap_or_default().to_vec()),
        other => Err(format!("nothing at {topic}/{partition}/{offset}: {:?}", other.map(|o| o.map(drop)))),
    }
}

fn reader(world: &World) -> Outcome<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .set("group.id", format!("reader-{}", runtime::clock::now_ms()))
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .create()
        .map_err(|error| error.to_string())
}
