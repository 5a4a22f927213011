//! Reading a channel's event into the model.

use schemas::{Content, Event, MediaKind, Message, Party, Reason, Session, Speaker};
use serde_json::value::RawValue;

use crate::json::loose::{Loose, object};
use crate::translate::{UNKNOWN_FIELDS, address, refuse, type_name, unknown, unreadable};
use crate::{EventKey, RawRecord, Read, Refusal};

object! {
    /// An event of a channel.
    struct Envelope {
        kind: Loose<'a> = "type",
        data: Option<Data<'a>> = "data",
    }
    ignored { "timestamp" }
}

object! {
    /// What happened to whom.
    struct Data {
        id: Loose<'a> = "id",
        sequence: Option<&'a RawValue> = "sequence",
        content: Option<In<'a>> = "content",
    }
    ignored { "person" }
}

object! {
    /// The content of a customer's message. Which fields count is said by its type.
    struct In {
        kind: Loose<'a> = "type",
        text: Option<Loose<'a>> = "text",
        media: Loose<'a> = "kind",
        url: Loose<'a> = "url",
        name: Loose<'a> = "name",
        caption: Loose<'a> = "caption",
        title: Loose<'a> = "title",
        address: Loose<'a> = "address",
        latitude: Loose<'a> = "latitude",
        longitude: Loose<'a> = "longitude",
        value: Loose<'a> = "value",
    }
    ignored { "size" }
}

/// The greatest number up to which all whole ones are exact in JSON (RFC 8259, section 6).
const EXACT: f64 = 9_007_199_254_740_991.0;

/// Longest coordinate, in bytes.
const COORDINATE_BYTES: usize = 40;

const MESSAGE: &str = "message";
const OPENED: &str = "session.opened";
const CLOSED: &str = "session.closed";

/// Types that the contract does not have may come with a later version of it. Without a type it is a mistake.
pub(super) fn skips(kind: &str) -> Option<Reason> {
    (!matches!(kind, MESSAGE | OPENED | CLOSED | "")).then_some(Reason::EventType)
}

/// Reads an event.
pub(super) fn read<'a>(record: &RawRecord<'a>) -> Result<Read<'a>, Refusal> {
    let mut envelope: Envelope<'a> = serde_json::from_str(record.json).map_err(|e| unreadable(&e))?;
    let kind = record.kind.unwrap_or(&envelope.kind);
    if let Some(reason) = skips(kind) {
        return Ok(Read::ignored(reason));
    }
    if kind.is_empty() {
        return Err(refuse(Reason::MissingField, "type"));
    }
    let address = address(record)?.to_owned();
    let mut data = envelope.data.take().ok_or_else(|| refuse(Reason::MissingField, "data"))?;
    let id = data.id.0;
    if id.is_empty() {
        return Err(refuse(Reason::MissingField, "data.id"));
    }
    let sequence = sequence(data.sequence)?;
    let session = match kind {
        OPENED => Some(Session::Opened),
        CLOSED => Some(Session::Closed),
        _ => None,
    };
    // The prefix keeps it apart from a message of another platform with the same account, person, time and id.
    let key = EventKey::MessageId(format!("custom.{kind}").into(), id);
    if let Some(session) = session {
        return Ok(Read { key, event: Event::Session(session), sequence });
    }
    let mut content = data.content.take().ok_or_else(|| refuse(Reason::MissingField, "data.content"))?;
    let unknown = unknown("", envelope.unknown)
        .chain(unknown("data.", data.unknown))
        .chain(unknown("data.content.", content.unknown.drain(..)))
        .take(UNKNOWN_FIELDS)
        .collect();
    let content = self::content(content)?;
    let event = match &content {
        // An empty text says nothing, and the contact centre refuses it.
        Content::Text { text } if text.trim().is_empty() => Event::Ignored(Reason::EventType),
        _ => Event::Message(Message {
            party: Party::Customer { address, speaker: Speaker::Alone },
            // The channel's id may come again at another time, for another message: the contact centre gets the identity.
            id: None,
            contents: vec![content],
            unknown,
        }),
    };
    Ok(Read { key, event, sequence })
}

/// A sequence number orders events of one millisecond: a whole number from 0 on.
fn sequence(json: Option<&RawValue>) -> Result<u64, Refusal> {
    match json.map(RawValue::get) {
        None | Some("null") => Ok(0),
        Some(number) => whole(number)
            .ok_or_else(|| refuse(Reason::MissingField, "data.sequence is not a whole number from 0 on")),
    }
}

/// A whole number from 0 on, however JSON writes it: `7`, `7.0` and `7e0` are one.
fn whole(number: &str) -> Option<u64> {
    number.parse().ok().or_else(|| {
        let number: f64 = number.parse().ok()?;
        let is_whole = (0.0..=EXACT).contains(&number) && number.fract() == 0.0;
        is_whole.then(|| format!("{:.0}", number.abs()).parse().ok())?
    })
}

fn content(content: In<'_>) -> Result<Content, Refusal> {
    let required = |name: &str, text: String| {
        if text.trim().is_empty() { Err(refuse(Reason::MissingField, format!("data.content.{name}"))) } else { Ok(text) }
    };
    Ok(match &*content.kind {
        "text" => {
            let text = content.text.ok_or_else(|| refuse(Reason::MissingField, "data.content.text"))?;
            Content::Text { text: text.into_owned() }
        }
        "media" => Content::Media {
            kind: match &*content.media {
                "image" => MediaKind::Image,
                "video" => MediaKind::Video,
                "audio" => MediaKind::Audio,
                _ => MediaKind::File,
            },
            url: required("url", link(content.url.into_owned()))?,
            name: content.name.into_owned(),
            size: String::new(),
            caption: content.caption.into_owned(),
        },
        "location" => Content::Location {
            title: content.title.into_owned(),
            address: content.address.into_owned(),
            latitude: required("latitude", coordinate(&content.latitude))?,
            longitude: required("longitude", coordinate(&content.longitude))?,
            url: link(content.url.into_owned()),
        },
        "choice" => Content::Choice {
            text: required("text", content.text.map(Loose::into_owned).unwrap_or_default())?,
            value: content.value.into_owned(),
        },
        "" => return Err(refuse(Reason::MissingField, "data.content.type")),
        other => Content::Unsupported { name: type_name(other).to_owned() },
    })
}

/// An address that an agent may open: nothing but `https://` and `http://`, and no blanks in it.
fn link(url: String) -> String {
    let is_web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    let is_one = !url.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_web && is_one { url } else { String::new() }
}

/// A coordinate as received, or nothing where it is no number: it goes into a URL.
fn coordinate(text: &str) -> String {
    let number = text.len() <= COORDINATE_BYTES && text.parse::<f64>().is_ok_and(f64::is_finite);
    if number { text.to_owned() } else { String::new() }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
