//! Records of earlier versions: written here with the Avro library alone, from the schemas as they were released.

use std::collections::HashMap;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use schemas::{Content, DeliveryStatus, Outbox, VaultToken};

use crate::kafka::broker;
use crate::rig::{
    GENESYS, INTEGRATION, LINE, address, config, encode, identity, message, platforms, rig, settings, until,
};

const TO_LINE: &str = include_str!("../../../platforms/src/line/to_line.avsc");
const TO_GENESYS_1: &str = include_str!("../../../platforms/src/genesys/to_genesys.1.avsc");
const TO_GENESYS: &str = include_str!("../../../platforms/src/genesys/to_genesys.avsc");
const DELIVERY_1: &str = include_str!("../../../schemas/avsc/delivery.1.avsc");
const DELIVERY_2: &str = include_str!("../../../schemas/avsc/delivery.2.avsc");

/// A value of a schema, out of `fields`, which may have more than the schema.
fn written(schema: &str, fields: &HashMap<&str, Value>) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let Schema::Record(record) = &schema else { panic!("a record") };
    let values = record.fields.iter().map(|field| (field.name.clone(), fields[field.name.as_str()].clone()));
    let mut bytes = vec![0xC3, 0x01];
    bytes.extend(&*schema.fingerprint::<Rabin>().bytes);
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value(&mut bytes, Value::Record(values.collect())).unwrap();
    bytes
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

/// The same message in a type of an earlier version.
fn outbox(schema: &str, message: &Outbox) -> Vec<u8> {
    let texts: Vec<Value> = message
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::Text { text } => Some(Value::String(text.clone())),
            _ => None,
        })
        .collect();
    let tokens = message
        .tokens
        .iter()
        .map(|one| Value::Record(vec![("kind".into(), text(&one.kind)), ("token".into(), text(&one.token))]));
    let attributes = message.attributes.iter().map(|(key, value)| (key.clone(), text(value)));
    let fields = HashMap::from([
        ("identity", text(&message.identity)),
        ("account", text(&message.account)),
        ("integration", text(&message.integration)),
        ("person", text(&message.person)),
        ("message_id", text(&message.message_id)),
        ("event_time", Value::TimestampMillis(message.event_time)),
        ("text", texts[0].clone()),
        ("texts", Value::Array(texts)),
        ("attributes", Value::Map(attributes.collect())),
        ("late_by", Value::Long(message.late_by)),
        ("received", Value::TimestampMillis(message.received)),
        ("tokens", Value::Array(tokens.collect())),
    ]);
    written(schema, &fields)
}

/// An earlier version's record of a message that arrived.
fn delivered(schema: &str, n: i64, destination: &str) -> Vec<u8> {
    let none = || Value::Union(0, Box::new(Value::Null));
    let mut fields = HashMap::from([
        ("identity", text(&identity(n))),
        ("destination", text(destination)),
        ("account", text("th")),
        ("person", text("p")),
        ("status", Value::Enum(1, "delivered".into())),
        ("attempt", Value::Int(1)),
        ("at", Value::TimestampMillis(runtime::clock::now_ms())),
    ]);
    for field in [
        "reason",
        "http_status",
        "platform_id",
        "correlation_id",
        "ours_ms",
        "platform_ms",
        "deadline",
        "conversation_id",
    ] {
        fields.insert(field, none());
    }
    written(schema, &fields)
}

#[tokio::test]
async fn customers_messages_of_earlier_versions_are_delivered_like_new_ones() {
    let token = VaultToken { kind: "phone".into(), token: "t1".into() };
    let mut with_tokens = message(1, LINE.name, "th", "p", "[phone]");
    with_tokens.tokens = vec![token];
    for (schema, message) in
        [(TO_GENESYS_1, message(0, LINE.name, "th", "p", "สวัสดี")), (TO_GENESYS, with_tokens)]
    {
        let mut arrived = Vec::new();
        for payload in [outbox(schema, &message), encode(&message)] {
            let platforms = platforms(|_| {}).await;
            let config = config(platforms.address);
            let mut rig = rig(GENESYS, &config, settings(&config));
            rig.put("p", Some(payload), None);
            let delivery = rig.finished(1).await.remove(0);
            assert_eq!(
                (delivery.status, delivery.identity),
                (DeliveryStatus::Delivered, message.identity.clone())
            );
            assert_eq!((delivery.platform.as_deref(), delivery.account.as_str()), (Some("line"), "th"));
            let received = platforms.standins.genesys().received().after(0).remove(0);
            assert_eq!(received.integration, INTEGRATION);
            arrived.push((
                (received.conversation, received.text, received.message_id, received.event_time),
                (received.attributes, received.metadata),
            ));
        }
        assert!(arrived[0] == arrived[1], "the same call");
    }
}

#[tokio::test]
async fn agents_messages_of_earlier_versions_are_delivered_like_new_ones() {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let mut rig = rig(LINE, &config, settings(&config));
    let mut message = message(0, LINE.name, "th", "p", "1");
    message.contents.push(Content::Text { text: "2".into() });
    rig.put("p", Some(outbox(TO_LINE, &message)), None);
    rig.put("p", Some(encode(&message)), None);
    let finals = rig.finished(2).await;
    let statuses: Vec<_> = finals.iter().map(|d| (d.status, d.http_status)).collect();
    let expected = [(DeliveryStatus::Delivered, Some(200)), (DeliveryStatus::Delivered, Some(409))];
    assert_eq!(statuses, expected, "both have the same retry key");
    assert!(finals.iter().all(|d| d.platform.as_deref() == Some("line") && d.account == "th"));
    let pushed = platforms.standins.line().received().after(0);
    let pushed: Vec<_> = pushed.into_iter().map(|m| (m.user, m.text)).collect();
    assert_eq!(pushed, [(address("p"), "1".to_owned()), (address("p"), "2".to_owned())]);
}

#[tokio::test]
async fn another_destinations_type_is_not_read() {
    let platforms = platforms(|_| {}).await;
    let config = config(platforms.address);
    let mut rig = rig(GENESYS, &config, settings(&config));
    rig.put("p", Some(outbox(TO_LINE, &message(0, LINE.name, "th", "p", "1"))), None);
    let delivery = rig.finished(1).await.remove(0);
    assert_eq!(delivery.reason.as_deref(), Some("undecodable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_versions_finished_is_not_sent_again() {
    let platforms = platforms(|_| {}).await;
    let broker = broker(config(platforms.address));
    let to_genesys = |n: i64| message(n, LINE.name, "th", "p", &n.to_string());
    // What was finished by an earlier version: its record is read again in the form of then, or in that of now.
    let schemas = [DELIVERY_1, DELIVERY_2, DELIVERY_1, DELIVERY_2];
    for (n, schema) in (0..).zip(schemas) {
        for destination in [GENESYS, LINE] {
            let name = destination.name;
            broker.put(&format!("naru.deliveries.{name}"), n, "p", &delivered(schema, n, name)).await;
            let released = if destination == LINE { TO_LINE } else { TO_GENESYS };
            let payload = if n < 2 { outbox(released, &to_genesys(n)) } else { encode(&to_genesys(n)) };
            broker.put(&format!("naru.outbox.{name}"), n, "p", &payload).await;
        }
    }
    for (n, payload) in [(4, outbox(TO_GENESYS_1, &to_genesys(4))), (5, encode(&to_genesys(5)))] {
        broker.put("naru.outbox.genesys", n, "p", &payload).await;
    }
    for (n, payload) in [(4, outbox(TO_LINE, &to_genesys(4))), (5, encode(&to_genesys(5)))] {
        broker.put("naru.outbox.line", n, "p", &payload).await;
    }
    let (genesys, line) = (platforms.standins.genesys().received(), platforms.standins.line().received());
    let (shutdown, _, service) = broker.serve();
    until("the new ones", Duration::from_secs(40), || genesys.len() >= 2 && line.len() >= 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    shutdown.trigger();
    service.await.unwrap().unwrap();
    let mut texts: Vec<_> = genesys.after(0).into_iter().map(|m| m.text).collect();
    texts.sort();
    assert_eq!(texts, ["4", "5"]);
    let mut texts: Vec<_> = line.after(0).into_iter().map(|m| m.text).collect();
    texts.sort();
    assert_eq!(texts, ["4", "5"]);
}
