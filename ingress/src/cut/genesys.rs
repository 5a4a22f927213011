//! Genesys: a body is one message, keyed by the customer's id.

use bytes::Bytes;
use schemas::Reason;

use super::pick::{Unfit, pick, string};
use super::time::parse_utc;
use super::{Envelope, Facts, Flaw, MAX_ID_BYTES};
use crate::log::NewRecord;

/// The record of a body: the body itself.
pub(super) fn cut(envelope: &Envelope<'_>, body: &Bytes) -> NewRecord {
    let facts = match std::str::from_utf8(body) {
        Ok(text) => facts(text),
        Err(_) => Err(Flaw::new(Reason::NotJson, "body is not UTF-8")),
    };
    envelope.record(facts, body.clone())
}

/// What key and time need of a body. Genesys does not say when it sends a message again.
fn facts(body: &str) -> Result<Facts<'_>, Flaw> {
    let fields = pick(body, ["type", "id", "direction", "channel"]).map_err(|unfit| match unfit {
        Unfit::NotJson => Flaw::new(Reason::NotJson, "body is not JSON"),
        Unfit::NotObject => Flaw::new(Reason::NoConversation, "body is not an object"),
        Unfit::Twice => Flaw::new(Reason::NotJson, "a field that key or time needs stands twice"),
    })?;
    let [kind, id, direction, channel] = fields;
    let no_channel = || Flaw::new(Reason::NoConversation, "body has no channel");
    let [to, from, time] =
        pick(channel.ok_or_else(no_channel)?, ["to", "from", "time"]).map_err(|unfit| match unfit {
            Unfit::Twice => Flaw::new(Reason::NotJson, "a field of the channel stands twice"),
            Unfit::NotJson | Unfit::NotObject => no_channel(),
        })?;
    // A receipt is about a message of ours: there the customer is who it came from.
    let inbound = direction.and_then(|text| string(text, MAX_ID_BYTES)).as_deref() == Some("Inbound");
    let customer = if inbound { party(from)?.or(party(to)?) } else { party(to)? };
    let key = customer.ok_or_else(|| Flaw::new(Reason::NoConversation, "channel names no customer"))?;
    let Some(time) = time.and_then(|time| string(time, MAX_ID_BYTES)).and_then(|time| parse_utc(&time))
    else {
        let flaw = Flaw::new(Reason::NoTimestamp, "channel.time is not an ISO 8601 time in UTC");
        return Err(Flaw { key: Some(key), ..flaw });
    };
    let id = id.and_then(|id| string(id, MAX_ID_BYTES));
    let kind = kind.and_then(|kind| string(kind, MAX_ID_BYTES));
    Ok(Facts { key, time, id, kind, redelivery: false })
}

/// The id of `channel.to` or `channel.from`.
fn party(json: Option<&str>) -> Result<Option<String>, Flaw> {
    match json.map(|json| pick(json, ["id"])) {
        Some(Ok([id])) => Ok(id.and_then(|id| string(id, MAX_ID_BYTES)).map(std::borrow::Cow::into_owned)),
        Some(Err(Unfit::Twice)) => Err(Flaw::new(Reason::NotJson, "the customer's id stands twice")),
        Some(Err(Unfit::NotJson | Unfit::NotObject)) | None => Ok(None),
    }
}
