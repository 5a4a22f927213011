//! Records that the version before wrote, as `crates/e2e/tests/data/upgrade` has them: each is read with every framing,
//! and those of outboxes give the calls that they gave.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platforms::{Authorization, Dispatch, Platform};
use schemas::{
    AvroRecord, Codec, Content, Delivery, Framing, IdentityEntry, Outbox, Reveal, UnknownField, VaultEntry,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const RECORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/e2e/tests/data/upgrade/records.json");
/// Who the recorded pushes to LINE are for.
const ADDRESS: &str = "U00000000000000000000000000000abc";
/// Its bytes differ, so that their order matters.
const FIRST_ID: u32 = 0x0102_0304;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    case: String,
    #[serde(rename = "type")]
    of: String,
    /// `1`, or `present`: the last one of that version.
    schema: String,
    topic: String,
    key: String,
    value: String,
    decoded: Value,
    call: Option<Value>,
}

/// The records of a type, of which there are so many.
fn recorded(of: &str, count: usize) -> Vec<Recorded> {
    let all: Vec<Recorded> = serde_json::from_str(&std::fs::read_to_string(RECORDS).unwrap()).unwrap();
    assert_eq!(all.len(), 38, "the counts of the tests below add up to this");
    let records: Vec<Recorded> = all.into_iter().filter(|record| record.of == of).collect();
    assert_eq!(records.len(), count, "all records of {of} are found");
    records
}

impl Recorded {
    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.value).unwrap()
    }

    /// The value as it was written without a registry and with one that has these schemas, and how each may be read.
    fn framed(&self, schemas: &[&str]) -> [(Framing, Vec<u8>); 3] {
        let ids: Vec<(&str, u32)> = schemas.iter().copied().zip(FIRST_ID..).collect();
        let written = if self.schema == "1" { ids.first() } else { ids.last() };
        let (bytes, id) = (self.bytes(), written.unwrap().1);
        let (head, body) = bytes.split_at(10);
        assert_eq!(head[..2], [0xC3, 0x01]);
        let confluent = [&[0], &id.to_be_bytes()[..], body].concat();
        let registry = Framing::confluent(&ids);
        [(Framing::single_object(), bytes), (registry.clone(), self.bytes()), (registry, confluent)]
    }
}

#[test]
fn the_outbox_of_genesys_is_read() {
    read_outbox("ToGenesys", 5, |record| {
        let [Content::Text { text }] = &record.contents[..] else { panic!("not one text") };
        let mut fields = serde_json::to_value(record).unwrap();
        fields["text"] = json!(text);
        fields
    });
}

#[test]
fn the_outbox_of_line_is_read() {
    read_outbox("ToLine", 2, |record| {
        let texts = record.contents.iter().map(|content| match content {
            Content::Text { text } => text,
            _ => panic!("not a text"),
        });
        let mut fields = serde_json::to_value(record).unwrap();
        fields["texts"] = texts.map(String::as_str).collect();
        for field in ["attributes", "tokens"] {
            let empty = fields.as_object_mut().unwrap().remove(field).unwrap();
            assert!(empty == json!({}) || empty == json!([]), "{field}");
        }
        fields
    });
}

/// `before` gives the fields of the type that it was, besides those that it did not have.
fn read_outbox(of: &str, count: usize, before: impl Fn(&Outbox) -> Value) {
    for recorded in recorded(of, count) {
        let outbox = |platform: &&&Platform| platform.destination.outbox.name() == recorded.topic;
        let platform = platforms::ALL.iter().find(outbox).unwrap();
        let released = platform.api.released().unwrap();
        for (framing, bytes) in recorded.framed(released.schemas) {
            let record = (released.reader)(&framing)(&bytes).unwrap();
            assert_eq!((&*record.platform, &record.person), ("line", &recorded.key));
            let mut fields = before(&record);
            fields.as_object_mut().unwrap().retain(|name, _| name != "platform" && name != "contents");
            assert_eq!(fields, recorded.decoded, "{}, {framing:?}", recorded.case);
            assert_eq!(Some(call(platform, &record)), recorded.call, "{}, {framing:?}", recorded.case);
        }
    }
}

fn call(platform: &Platform, record: &Outbox) -> Value {
    let address = platform.api.policy().needs_address.then_some(ADDRESS);
    let authorization = &Authorization::Bearer(config::Secret::new("x"));
    let call = platform.api.call(&Dispatch { record, address, authorization, now: 0 });
    let count = call.headers.len();
    let headers: Map<String, Value> =
        call.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    assert_eq!(headers.len(), count, "each header is once");
    let body: Value = serde_json::from_slice(&call.body.unwrap()).unwrap();
    json!({"method": call.method.as_str(), "path": call.path, "headers": headers, "body": body})
}

#[test]
fn deliveries_are_read() {
    for mut recorded in recorded("Delivery", 21) {
        recorded.decoded["platform"] = Value::Null;
        read::<Delivery>(&recorded, Delivery::EARLIER);
    }
}

#[test]
fn the_other_types_are_what_they_were() {
    unchanged::<IdentityEntry>("Identity", 3);
    unchanged::<VaultEntry>("Vault", 3);
    unchanged::<UnknownField>("UnknownField", 2);
    unchanged::<Reveal>("Reveal", 2);
}

/// Also written as before, so that the version before can read it.
fn unchanged<T: AvroRecord>(of: &str, count: usize) {
    let codec = Codec::<T>::new(&Framing::single_object());
    for recorded in recorded(of, count) {
        let value = read::<T>(&recorded, &[T::SCHEMA]);
        assert_eq!(codec.encode(&value), recorded.bytes(), "{of}, {}", recorded.case);
    }
}

/// `schemas` are those that the version before had.
fn read<T: AvroRecord>(recorded: &Recorded, schemas: &[&str]) -> T {
    assert!(recorded.call.is_none());
    let [first, ..] = recorded.framed(schemas).map(|(framing, bytes)| {
        let value = Codec::<T>::new(&framing).decode(&bytes).unwrap();
        let fields = serde_json::to_value(&value).unwrap();
        assert_eq!(fields, plain(&recorded.decoded), "{}, {framing:?}", recorded.case);
        value
    });
    first
}

/// With each `{"base64": …}` as the list of its bytes.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("base64") {
            Some(text) => json!(STANDARD.decode(text.as_str().unwrap()).unwrap()),
            None => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        },
        other => other.clone(),
    }
}
