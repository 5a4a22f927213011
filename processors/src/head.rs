//! The headers that ingress writes, and the checks that all sources share.

use std::borrow::Cow;

use keys::KeyRing;
use platforms::Refusal;
use schemas::{Reason, WEBHOOK_BODY_LIMIT, header};
use streams::Record;

/// What the headers of a raw record say. `naru-redelivery` is not read: duplicates come without the flag too, so
/// nothing may hang on it.
pub(crate) struct Head<'a> {
    pub(crate) account: &'a str,
    pub(crate) event_time: i64,
    pub(crate) received: i64,
    pub(crate) event_id: Option<&'a str>,
    pub(crate) event_type: Option<&'a str>,
}

fn refuse(reason: Reason, detail: impl Into<String>) -> Refusal {
    (reason, detail.into())
}

impl<'a> Head<'a> {
    pub(crate) fn of(record: &Record<'a>) -> Result<Self, Refusal> {
        let (mut account, mut event_time, mut received) = (None, None, None);
        let (mut event_id, mut event_type) = (None, None);
        for (name, value) in record.headers {
            let slot = match *name {
                header::ACCOUNT => &mut account,
                header::EVENT_TIME => &mut event_time,
                header::RECEIVED => &mut received,
                header::EVENT_ID => &mut event_id,
                header::EVENT_TYPE => &mut event_type,
                _ => continue,
            };
            if slot.is_none() {
                *slot = std::str::from_utf8(value).ok();
            }
        }
        let required = |name: &str, value: Option<&'a str>| {
            value.ok_or_else(|| refuse(Reason::NoHeaders, format!("no header {name}, or not text")))
        };
        let millis = |name: &str, value: Option<&'a str>| {
            let text = required(name, value)?;
            text.parse::<i64>()
                .map_err(|_| refuse(Reason::NoHeaders, format!("header {name}: not a number of ms")))
        };
        Ok(Self {
            account: required(header::ACCOUNT, account)?,
            event_time: millis(header::EVENT_TIME, event_time)?,
            received: millis(header::RECEIVED, received)?,
            event_id: event_id.filter(|id| !id.is_empty()),
            event_type,
        })
    }
}

/// Whether a record lay in a spool of ingress.
pub(crate) fn is_spooled(record: &Record<'_>) -> bool {
    record.header(header::SPOOLED) == Some("true")
}

/// The value as text, opened if it is sealed.
///
/// It is bounded by what ingress takes: a message's text is never longer than its event, so that the outbox record
/// of an event within this bound is within the topic's.
pub(crate) fn text<'a>(record: &Record<'a>, keys: Option<&KeyRing>) -> Result<Cow<'a, str>, Refusal> {
    let value = match (record.header(header::KEY), keys) {
        (None, _) => Cow::Borrowed(record.value),
        (Some(key), None) => {
            return Err(refuse(
                Reason::Sealed,
                format!("sealed with the key {key}, and `keys.file` is not set"),
            ));
        }
        (Some(key), Some(keys)) => {
            let opened = keys.open(key, record.key, record.value);
            Cow::Owned(opened.map_err(|error| refuse(Reason::Sealed, error.to_string()))?)
        }
    };
    if value.len() > WEBHOOK_BODY_LIMIT {
        let detail = format!("{} bytes; at most {WEBHOOK_BODY_LIMIT} fit an outbox record", value.len());
        return Err(refuse(Reason::TooLarge, detail));
    }
    let not_utf8 = |valid: usize| refuse(Reason::NotJson, format!("not UTF-8 from byte {valid} on"));
    match value {
        Cow::Borrowed(value) => simdutf8::compat::from_utf8(value)
            .map(Cow::Borrowed)
            .map_err(|error| not_utf8(error.valid_up_to())),
        Cow::Owned(value) => String::from_utf8(value)
            .map(Cow::Owned)
            .map_err(|error| not_utf8(error.utf8_error().valid_up_to())),
    }
}
