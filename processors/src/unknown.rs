//! Unknown fields: what a platform has added to its webhooks is ignored, never refused, and told on
//! `audit.unknown-fields`, so that somebody can look what it is. It may be anything, so it is masked as a text is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use schemas::{Codec, Topic, UnknownField};
use serde_json::Value;
use serde_json::value::RawValue;
use streams::{Millis, Output};

use crate::mask::Masker;
use crate::message::Message;
use crate::settings::Settings;

/// Unknown fields of one message that are told; the others stay in its raw record.
pub(crate) const FIELDS: usize = 16;
/// Longest name and value that are told, in bytes; the rest is cut off.
const NAME_BYTES: usize = 100;
const VALUE_BYTES: usize = 1024;
/// A field is told once in so long, by the times at which its records were received: a platform adds one to all.
const TOLD_FOR: Millis = 60 * 60 * 1000;
/// Fields of which it is remembered that they were told. At this number all are forgotten: what follows may be told once
/// more within the hour.
const REMEMBERED: usize = 1_000;
/// What stands for a value that is JSON only from afar, such as one with half a character.
const UNREADABLE: &str = "(not readable)";

/// A field that Naru does not know, as it stands. Has no `Debug`: it may hold what a person wrote.
pub(crate) struct Unknown {
    field: String,
    json: Box<RawValue>,
}

impl Unknown {
    /// Those of one object, which stands at `place`.
    pub(crate) fn all<'a>(
        place: &'static str,
        fields: impl IntoIterator<Item = (Cow<'a, str>, &'a RawValue)>,
    ) -> impl Iterator<Item = Self> {
        let of = move |(name, json): (Cow<'a, str>, &'a RawValue)| Self {
            field: format!("{place}{name}"),
            json: json.to_owned(),
        };
        fields.into_iter().map(of)
    }

    /// What holding it costs.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.field.len() + self.json.get().len()
    }
}

/// The step: tells the unknown fields of a message. Belongs to one task: what it has told must not outlive a commit that
/// failed.
pub(crate) struct Tell {
    source: &'static str,
    masker: Arc<Masker>,
    codec: Codec<UnknownField>,
    /// When each was told last.
    told: HashMap<String, i64>,
}

impl Tell {
    pub(crate) fn new(source: Topic, settings: &Settings) -> Self {
        Self {
            source: source.name(),
            masker: settings.masker.clone(),
            codec: Codec::new(settings.framings.unknown_fields),
            told: HashMap::new(),
        }
    }

    pub(crate) fn tell(&mut self, message: &mut Message, out: &mut Vec<Output>) {
        for Unknown { field, json } in std::mem::take(&mut message.unknown) {
            let last = self.told.get(&field);
            if last.is_some_and(|last| message.received - last < TOLD_FOR) {
                continue;
            }
            let (name, value) = masked(&self.masker, &field, &json);
            let record = UnknownField {
                source: self.source.to_owned(),
                account: message.account.name.to_string(),
                field: cut(name, NAME_BYTES),
                value: cut(value, VALUE_BYTES),
                received: message.received,
            };
            if self.told.len() >= REMEMBERED {
                self.told.clear();
            }
            self.told.insert(field, message.received);
            out.push(Output {
                topic: Topic::UnknownFields.name(),
                key: record.field.as_bytes().to_vec(),
                partition_by: None,
                headers: Vec::new(),
                value: self.codec.encode(&record),
            });
        }
    }
}

/// A field's name and its JSON as text, without personal data: every string by itself, as whoever reads it sees it, then
/// all of it with the names, which may be the words that a rule asks for.
fn masked(masker: &Masker, field: &str, json: &RawValue) -> (String, String) {
    let name = masker.mask(field).into_owned();
    let Ok(mut value) = serde_json::from_str::<Value>(json.get()) else {
        return (name, UNREADABLE.to_owned());
    };
    mask_strings(masker, &mut value);
    let all = format!("{field}: {value}");
    let all = masker.mask(&all);
    // Where a find goes over both, the value is told with its name.
    let value = all.strip_prefix(&name).and_then(|rest| rest.strip_prefix(": "));
    (name, value.unwrap_or(&all).to_owned())
}

/// It ends: serde_json reads nothing that is nested deeper than 128 times.
fn mask_strings(masker: &Masker, value: &mut Value) {
    let mask = |text: &mut String| {
        if let Cow::Owned(masked) = masker.mask(text) {
            *text = masked;
        }
    };
    match value {
        Value::String(text) => mask(text),
        Value::Array(elements) => elements.iter_mut().for_each(|element| mask_strings(masker, element)),
        Value::Object(fields) => {
            let all = std::mem::take(fields).into_iter();
            fields.extend(all.map(|(mut name, mut value)| {
                mask(&mut name);
                mask_strings(masker, &mut value);
                (name, value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn cut(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}
