//! LINE: `{"destination": …, "events": [ … ]}`, one record an event.

use std::fmt;

use bytes::Bytes;
use schemas::Reason;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::pick::{Name, Unfit, pick, string};
use super::{Envelope, Facts, Flaw, MAX_ID_BYTES};
use crate::log::NewRecord;

/// Most events of a body. A real one has 200 bytes and more, so the body limit holds fewer; a body with more is
/// made of something else, and is kept as one dead letter instead of half a million.
const MAX_EVENTS: usize = 5_000;

/// What a customer said or took back: without a source it can never be delivered, so it is a dead letter. Any other
/// event may lack one (LINE leaves it out of failed account links, module and bot-state events, and adds types
/// without notice): it is keyed by the account alone, and the processors filter and count it by its type.
const SPOKEN: [&str; 4] = ["message", "messageEdited", "unsend", "postback"];

/// The records of a body.
pub(super) fn cut(envelope: &Envelope<'_>, body: &Bytes) -> Vec<NewRecord> {
    match events(body) {
        Ok(events) => events
            .into_iter()
            .map(|event| {
                envelope.record(facts(envelope, event.get()), body.slice_ref(event.get().as_bytes()))
            })
            .collect(),
        Err(flaw) => vec![envelope.dead(flaw, body.clone())],
    }
}

/// The events of a body, each a slice of it.
fn events(body: &[u8]) -> Result<Vec<&RawValue>, Flaw> {
    let not_json = |detail| Flaw::new(Reason::NotJson, detail);
    let text = std::str::from_utf8(body).map_err(|_| not_json("body is not UTF-8"))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(Body).and_then(|found| reader.end().map(|()| found));
    match found {
        Ok(Found { twice: true, .. }) => Err(not_json("events stands twice")),
        Ok(Found { events: None, .. }) => Err(Flaw::new(Reason::NoEvents, "body has no events")),
        Ok(Found { events: Some(events), .. }) if events.len() > MAX_EVENTS => {
            Err(Flaw::new(Reason::NoEvents, "more events than a real body can hold"))
        }
        Ok(Found { events: Some(events), .. }) => Ok(events),
        Err(error) if error.classify() == Category::Data => {
            Err(Flaw::new(Reason::NoEvents, "body is not an object with an array of events"))
        }
        Err(_) => Err(not_json("body is not JSON")),
    }
}

struct Found<'a> {
    events: Option<Vec<&'a RawValue>>,
    twice: bool,
}

struct Body;

impl<'de> Visitor<'de> for Body {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a webhook body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found { events: None, twice: false };
        while let Some(name) = map.next_key_seed(Name(&["events"]))? {
            match name {
                Some(_) => {
                    found.twice |= found.events.is_some();
                    found.events = Some(map.next_value()?);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// What key and time need of an event.
fn facts<'a>(envelope: &Envelope<'_>, event: &'a str) -> Result<Facts<'a>, Flaw> {
    let names = ["type", "source", "timestamp", "webhookEventId", "deliveryContext"];
    let [kind, source, timestamp, id, delivery] = pick(event, names).map_err(|unfit| match unfit {
        Unfit::NotJson => Flaw::new(Reason::NotJson, "event is not JSON"),
        Unfit::NotObject => Flaw::new(Reason::NoConversation, "event is not an object"),
        Unfit::Twice => Flaw::new(Reason::NotJson, "a field that key or time needs stands twice"),
    })?;
    let kind = kind.and_then(|kind| string(kind, MAX_ID_BYTES));
    let key = match source.map(conversation).transpose()?.flatten() {
        Some(conversation) => format!("{}:{conversation}", envelope.account),
        None if kind.as_deref().is_none_or(|kind| SPOKEN.contains(&kind)) => {
            return Err(Flaw::new(Reason::NoConversation, "event has no usable source"));
        }
        None => envelope.nobody(),
    };
    let Some(time) = timestamp.and_then(millis) else {
        let flaw = Flaw::new(Reason::NoTimestamp, "timestamp is not an integer of ms since 1970");
        return Err(Flaw { key: Some(key), ..flaw });
    };
    let id = id.and_then(|id| string(id, MAX_ID_BYTES));
    Ok(Facts { key, time, id, kind, redelivery: delivery.is_some_and(is_redelivery) })
}

/// The conversation of a source: the group, else the room, else the user. An id that is there but unusable is not
/// passed over for the next one, which would be another conversation.
fn conversation(source: &str) -> Result<Option<std::borrow::Cow<'_, str>>, Flaw> {
    match pick(source, ["groupId", "roomId", "userId"]) {
        Ok([group, room, user]) => Ok(group.or(room).or(user).and_then(|id| string(id, MAX_ID_BYTES))),
        Err(Unfit::Twice) => Err(Flaw::new(Reason::NotJson, "an id of the source stands twice")),
        Err(Unfit::NotJson | Unfit::NotObject) => Ok(None),
    }
}

fn millis(json: &str) -> Option<i64> {
    // JSON's grammar is checked already: digits alone are an integer that is not negative.
    json.bytes().all(|b| b.is_ascii_digit()).then(|| json.parse().ok()).flatten()
}

fn is_redelivery(delivery: &str) -> bool {
    matches!(pick(delivery, ["isRedelivery"]), Ok([Some("true")]))
}
