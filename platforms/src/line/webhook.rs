//! Webhooks: `{"destination": …, "events": [ … ]}`, one record an event, signed with the channel secret.

use std::borrow::Cow;
use std::fmt;

use config::Secret;
use http::header::HeaderName;
use schemas::Reason;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::json::pick::{JsonError, Name, pick, string};
use crate::signature::{Keys, Signature};
use crate::webhook::MAX_ID_BYTES;
use crate::{
    Credentials, Denied, EventFields, Malformed, RawEvent, RequestHead, RequestView, Webhook, WebhookTarget,
};

/// The base64 of the digest, nothing before it (Messaging API reference, "Signature validation").
const SIGNATURE: HeaderName = HeaderName::from_static("x-line-signature");

/// LINE's webhooks.
pub(super) struct LineWebhook;

impl Webhook for LineWebhook {
    fn credentials(&self, secrets: &[Secret]) -> Credentials {
        Credentials::new(Keys::of_texts(secrets))
    }

    fn check_head(&self, _: &WebhookTarget<'_>, head: &RequestHead<'_>) -> Result<(), Denied> {
        Signature::of_header(head.headers, &SIGNATURE, b"").map(drop)
    }

    fn authenticate(&self, target: &WebhookTarget<'_>, request: &RequestView<'_>, _: i64) -> Result<(), Denied> {
        let signature = Signature::of_header(request.head.headers, &SIGNATURE, b"")?;
        target.credentials.keys().verify(&[signature], &[request.body])
    }

    fn events<'b>(
        &self,
        account: &str,
        request: &RequestView<'b>,
    ) -> Vec<Result<RawEvent<'b>, Malformed<'b>>> {
        match events(request.body) {
            Ok(events) => events.into_iter().map(|event| read(account, event.get())).collect(),
            Err(malformed) => vec![Err(malformed)],
        }
    }
}

/// Most events of a body. A real one has 200 bytes and more, so the body limit holds fewer; a body with more is
/// made of something else, and is kept as one dead letter instead of half a million.
const MAX_EVENTS: usize = 5_000;

/// What a customer said or took back: without a source it can never be delivered, so it is a dead letter. Any other
/// event may lack one (LINE leaves it out of failed account links, module and bot-state events, and adds types
/// without notice): it is keyed by the account alone, and the processors filter and count it by its type.
const SPOKEN: [&str; 4] = ["message", "messageEdited", "unsend", "postback"];

/// The events of a body, each a slice of it.
fn events(body: &[u8]) -> Result<Vec<&RawValue>, Malformed<'_>> {
    let malformed = |reason, detail| Malformed::new(reason, detail, body);
    let not_json = |detail| malformed(Reason::NotJson, detail);
    let text = std::str::from_utf8(body).map_err(|_| not_json("body is not UTF-8"))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(Body).and_then(|found| reader.end().map(|()| found));
    match found {
        Ok(Found { duplicate: true, .. }) => Err(not_json("events is a duplicate key")),
        Ok(Found { events: None, .. }) => Err(malformed(Reason::NoEvents, "body has no events")),
        Ok(Found { events: Some(events), .. }) if events.len() > MAX_EVENTS => {
            Err(malformed(Reason::NoEvents, "more events than a real body can hold"))
        }
        Ok(Found { events: Some(events), .. }) => Ok(events),
        Err(error) if error.classify() == Category::Data => {
            Err(malformed(Reason::NoEvents, "body is not an object with an array of events"))
        }
        Err(_) => Err(not_json("body is not JSON")),
    }
}

struct Found<'a> {
    events: Option<Vec<&'a RawValue>>,
    duplicate: bool,
}

struct Body;

impl<'de> Visitor<'de> for Body {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a webhook body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found { events: None, duplicate: false };
        while let Some(name) = map.next_key_seed(Name(&["events"]))? {
            match name {
                Some(_) => {
                    found.duplicate |= found.events.is_some();
                    found.events = Some(map.next_value()?);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// An event with what key and time need of it.
fn read<'b>(account: &str, event: &'b str) -> Result<RawEvent<'b>, Malformed<'b>> {
    let malformed = |reason, detail| Malformed::new(reason, detail, event.as_bytes());
    let names = ["type", "source", "timestamp", "webhookEventId", "deliveryContext"];
    let [kind, source, timestamp, id, delivery] = pick(event, names).map_err(|error| match error {
        JsonError::NotJson => malformed(Reason::NotJson, "event is not JSON"),
        JsonError::NotObject => malformed(Reason::NoConversation, "event is not an object"),
        JsonError::DuplicateKey => {
            malformed(Reason::NotJson, "a field that key or time needs is a duplicate key")
        }
    })?;
    let kind = kind.and_then(|kind| string(kind, MAX_ID_BYTES));
    let conversation = match source.map(conversation) {
        Some(Err(JsonError::DuplicateKey)) => {
            return Err(malformed(Reason::NotJson, "an id of the source is a duplicate key"));
        }
        Some(Ok(conversation)) => conversation,
        Some(Err(JsonError::NotJson | JsonError::NotObject)) | None => None,
    };
    let key = match conversation {
        Some(conversation) => format!("{account}:{conversation}"),
        None if kind.as_deref().is_none_or(|kind| SPOKEN.contains(&kind)) => {
            return Err(malformed(Reason::NoConversation, "event has no usable source"));
        }
        None => format!("{account}:"),
    };
    let Some(time) = timestamp.and_then(millis) else {
        let malformed = malformed(Reason::NoTimestamp, "timestamp is not an integer of ms since 1970");
        return Err(Malformed { key: Some(key), ..malformed });
    };
    let id = id.and_then(|id| string(id, MAX_ID_BYTES));
    let fields = EventFields { key, time, id, kind, redelivery: delivery.is_some_and(is_redelivery) };
    Ok(RawEvent { fields, value: event.as_bytes() })
}

/// The conversation of a source: the group, else the room, else the user. An id that is there but unusable is not
/// passed over for the next one, which would be another conversation.
fn conversation(source: &str) -> Result<Option<Cow<'_, str>>, JsonError> {
    let [group, room, user] = pick(source, ["groupId", "roomId", "userId"])?;
    Ok(group.or(room).or(user).and_then(|id| string(id, MAX_ID_BYTES)))
}

fn millis(json: &str) -> Option<i64> {
    // JSON's grammar is checked already: digits alone are an integer that is not negative.
    json.bytes().all(|b| b.is_ascii_digit()).then(|| json.parse().ok()).flatten()
}

fn is_redelivery(delivery: &str) -> bool {
    matches!(pick(delivery, ["isRedelivery"]), Ok([Some("true")]))
}
