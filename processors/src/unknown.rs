//! Unknown fields: what a platform has added to its webhooks is ignored, never refused, and reported
//! on `audit.unknown-fields`, so that somebody can look what it is. It may be anything, so it is masked as a text is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mask::Masker;
use schemas::{AccountRef, Codec, Message, Topic, Unknown, UnknownField};
use serde_json::Value;
use streams::{Millis, Output};

use crate::settings::Settings;

/// Longest name and value that are reported, in bytes; the rest is left off.
const NAME_BYTES: usize = 100;
const VALUE_BYTES: usize = 1024;
/// A field is reported once in so long, by the times at which its records were received: a platform adds one to all.
const REPORTED_FOR: Millis = 60 * 60 * 1000;
/// Fields of which it is remembered that they were reported. At this number all are forgotten: what follows may be
/// reported again within the hour.
const REMEMBERED: usize = 1_000;
/// What is written for a value that is JSON only from afar, such as one with half a character.
const UNREADABLE: &str = "(not readable)";

/// The step: reports the unknown fields of a message. Belongs to one task: what it has reported must not outlive a commit
/// that failed.
pub(crate) struct Reporter {
    source: &'static str,
    masker: Arc<Masker>,
    codec: Codec<UnknownField>,
    /// When each was reported last.
    reported: HashMap<String, i64>,
}

impl Reporter {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            source: settings.source.source.webhooks.name(),
            masker: settings.masker.clone(),
            codec: Codec::new(&settings.framings.of(Topic::UNKNOWN_FIELDS)),
            reported: HashMap::new(),
        }
    }

    pub(crate) fn report(
        &mut self,
        account: &AccountRef,
        received: i64,
        message: &mut Message,
        out: &mut Vec<Output>,
    ) {
        message.texts_mut(&mut |_| {}, &mut |unknown| self.field(account, received, unknown, out));
    }

    fn field(&mut self, account: &AccountRef, received: i64, unknown: &Unknown, out: &mut Vec<Output>) {
        let Unknown { field, json } = unknown;
        let last = self.reported.get(field);
        if last.is_some_and(|last| received - last < REPORTED_FOR) {
            return;
        }
        let (name, value) = masked(&self.masker, field, json);
        let record = UnknownField {
            source: self.source.to_owned(),
            account: account.name.to_string(),
            field: truncate(name, NAME_BYTES),
            value: truncate(value, VALUE_BYTES),
            received,
        };
        if self.reported.len() >= REMEMBERED {
            self.reported.clear();
        }
        self.reported.insert(field.clone(), received);
        out.push(Output {
            topic: Topic::UNKNOWN_FIELDS.name(),
            key: record.field.as_bytes().to_vec(),
            partition_by: None,
            headers: Vec::new(),
            value: self.codec.encode(&record),
        });
    }
}

/// A field's name and its JSON as text, without personal data: every string by itself, as whoever reads it sees it, then
/// all of it with the names, which may be the words that a rule asks for.
fn masked(masker: &Masker, field: &str, json: &str) -> (String, String) {
    let name = masker.mask(field).into_owned();
    let Ok(mut value) = serde_json::from_str::<Value>(json) else {
        return (name, UNREADABLE.to_owned());
    };
    mask_strings(masker, &mut value);
    let all = format!("{field}: {value}");
    let all = masker.mask(&all);
    // Where a find goes over both, the value is reported with its name.
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

fn truncate(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}
