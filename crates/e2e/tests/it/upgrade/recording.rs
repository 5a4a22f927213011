//! What the previous version wrote, as `tests/data/upgrade` has it: see the README there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::Outcome;
use platforms::{Platform, genesys, line};
use schemas::{Framing, TopicNames};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// Stands before the recorded topics' names.
pub(super) const PREFIX: &str = "naru.";

/// Topics and committed offsets after the run.
#[derive(Deserialize)]
pub(super) struct Recording {
    pub(super) topics: Vec<RecordedTopic>,
    pub(super) groups: Vec<RecordedGroup>,
}

/// A topic with its committed records, in each partition in order.
#[derive(Deserialize)]
pub(super) struct RecordedTopic {
    pub(super) topic: String,
    pub(super) config: BTreeMap<String, String>,
    pub(super) ends: Vec<RecordedEnd>,
    pub(super) records: Vec<RecordedRecord>,
}

#[derive(Deserialize)]
pub(super) struct RecordedEnd {
    pub(super) end: i64,
}

#[derive(Deserialize)]
pub(super) struct RecordedRecord {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    #[serde(deserialize_with = "from_base64")]
    pub(super) value: Option<Vec<u8>>,
}

#[derive(Deserialize)]
pub(super) struct RecordedGroup {
    pub(super) group: String,
    pub(super) offsets: Vec<RecordedOffset>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RecordedOffset {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) metadata: String,
}

impl RecordedRecord {
    /// A header's text; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

impl Recording {
    /// Reads `topics.json`.
    pub(super) fn read() -> Outcome<Self> {
        json("topics.json")
    }

    /// A topic by its name without the prefix.
    pub(super) fn topic(&self, name: &str) -> Outcome<&RecordedTopic> {
        let found = self.topics.iter().find(|topic| topic.topic.strip_prefix(PREFIX) == Some(name));
        found.ok_or_else(|| format!("{name} is not recorded"))
    }

    /// When the last record was written, ms since 1970.
    pub(super) fn end(&self) -> i64 {
        let records = self.topics.iter().flat_map(|topic| &topic.records);
        records.map(|record| record.timestamp).max().unwrap_or_default()
    }

    /// Sets the times at which unsent messages were received as if the run had ended at `now`: what is older than
    /// `egress.give_up_after` is not sent a second time. All other times stay: identities are made of them, and the
    /// processors compare them with the append times only.
    pub(super) fn ended_at(&mut self, now: i64) -> Outcome {
        let by = now - self.end();
        if by < 0 {
            return Err("this machine's clock is before the recording of tests/data/upgrade".to_owned());
        }
        for platform in [&genesys::PLATFORM, &line::PLATFORM] {
            let name = TopicNames::new(PREFIX).of(platform.destination.outbox);
            let topic = self.topics.iter_mut().find(|topic| topic.topic == name);
            for record in &mut topic.ok_or_else(|| format!("{name} is not recorded"))?.records {
                let value = record.value.as_mut().ok_or("an outbox record without a value")?;
                received_later(value, platform, by)?;
            }
        }
        Ok(())
    }
}

/// Moves `received` of an outbox value of the previous version by so many ms, in its place.
fn received_later(value: &mut [u8], platform: &Platform, by: i64) -> Outcome {
    let released = platform.api.released().ok_or("no reader of what was released")?;
    let message = (released.reader)(&Framing::single_object())(value).map_err(|error| error.to_string())?;
    let (old, new) = (avro_long(message.received), avro_long(message.received + by));
    // The event's time may be the same number; it is in front.
    let place = value.windows(old.len()).rposition(|bytes| bytes == old);
    let place = place.filter(|_| old.len() == new.len()).ok_or("no place for the new time")?;
    value[place..place + new.len()].copy_from_slice(&new);
    Ok(())
}

/// A long as Avro writes it: zigzag, seven bits a byte. Times have six bytes for centuries.
fn avro_long(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn from_base64<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(value)?;
    text.map(|text| STANDARD.decode(text).map_err(serde::de::Error::custom)).transpose()
}

/// The path of a recorded file.
pub(super) fn path(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/upgrade")).join(file)
}

/// A recorded file as text.
pub(super) fn text(file: &str) -> Outcome<String> {
    std::fs::read_to_string(path(file)).map_err(|error| format!("{file}: {error}"))
}

/// A recorded JSON file.
pub(super) fn json<T: DeserializeOwned>(file: &str) -> Outcome<T> {
    serde_json::from_str(&text(file)?).map_err(|error| format!("{file}: {error}"))
}
