//! Reading a LINE event into the model.

use std::borrow::Cow;

use schemas::{Content, Event, MediaKind, Message, Party, Reason, Speaker};
use serde_json::value::RawValue;

use crate::json::loose::{self, Loose, list, object};
use crate::translate::{UNKNOWN_FIELDS, address, refuse, type_name, unknown, unreadable};
use crate::{EventKey, RawRecord, Read, Refusal};

/// Keywords of a sticker that are read: as many as LINE sends.
const KEYWORDS: usize = 15;
/// Longest coordinate that is shown, in bytes.
const COORDINATE_BYTES: usize = 40;

object! {
    /// An event. What other types of event have is known too: a record without its type in a header is read to tell.
    struct LineEvent {
        kind: Loose<'a> = "type",
        mode: Loose<'a> = "mode",
        source: Option<Source<'a>> = "source",
        message: Option<LineContent<'a>> = "message",
    }
    ignored {
        "timestamp", "webhookEventId", "deliveryContext", "replyToken", "unsend", "follow", "joined", "left", "postback",
        "videoPlayComplete", "beacon", "link", "membership", "module", "chatControl", "delivery",
    }
}

object! {
    struct Source {
        kind: Loose<'a> = "type",
        user: Loose<'a> = "userId",
    }
    ignored { "groupId", "roomId" }
}

object! {
    struct LineContent {
        kind: Loose<'a> = "type",
        id: Loose<'a> = "id",
        text: Option<&'a RawValue> = "text",
        keywords: Option<&'a RawValue> = "keywords",
        title: Loose<'a> = "title",
        address: Loose<'a> = "address",
        latitude: Loose<'a> = "latitude",
        longitude: Loose<'a> = "longitude",
        file_name: Loose<'a> = "fileName",
        file_size: Loose<'a> = "fileSize",
    }
    ignored {
        "markAsReadToken", "quoteToken", "quotedMessageId", "emojis", "mention", "contentProvider", "imageSet", "duration",
        "packageId", "stickerId", "stickerResourceType",
    }
}

/// The type of event that carries what somebody wrote.
const MESSAGE: &str = "message";

/// The field of an event that differs in a redelivery.
const DELIVERY_CONTEXT: &str = "deliveryContext";

/// An event that is not for us may have any shape: its type alone decides.
pub(super) fn skips(kind: &str) -> Option<Reason> {
    (kind != MESSAGE).then_some(Reason::EventType)
}

/// Reads an event. Old events have no mode, and LINE adds members without notice: only `standby` says that another module
/// holds the chat.
pub(super) fn read<'a>(record: &RawRecord<'a>) -> Result<Read<'a>, Refusal> {
    let mut event: LineEvent<'a> = serde_json::from_str(record.json).map_err(|e| unreadable(&e))?;
    if let Some(reason) = skips(record.kind.unwrap_or(&event.kind)) {
        return Ok(Read::ignored(reason));
    }
    if &*event.mode == "standby" {
        return Ok(Read::ignored(Reason::Standby));
    }
    let mut content = event.message.ok_or_else(|| refuse(Reason::MissingField, "message"))?;
    let of_source = event.source.iter_mut().flat_map(|source| source.unknown.drain(..));
    let unknown = unknown("", event.unknown)
        .chain(unknown("source.", of_source))
        .chain(unknown("message.", content.unknown.drain(..)))
        .take(UNKNOWN_FIELDS)
        .collect();
    let address = address(record)?.to_owned();
    let id = content.id.0.clone();
    let key = match record.id {
        Some(id) => EventKey::Id(id),
        None if !id.is_empty() => EventKey::MessageId(MESSAGE.into(), id.clone()),
        None => EventKey::Content { kind: MESSAGE.into(), json: record.json, without: DELIVERY_CONTEXT },
    };
    let content = self::content(content)?;
    // An empty text says nothing, and the contact centre refuses it.
    let event = match &content {
        Content::Text { text } if text.trim().is_empty() => Event::Ignored(Reason::EventType),
        _ => Event::Message(Message {
            party: Party::Customer { address, speaker: speaker(event.source) },
            id: (!id.is_empty()).then(|| id.into_owned()),
            contents: vec![content],
            unknown,
        }),
    };
    // LINE's event ids are ULIDs, whose order within one millisecond is not defined.
    Ok(Read { key, event, sequence: 0 })
}

fn speaker(source: Option<Source<'_>>) -> Speaker {
    match source {
        Some(source) if matches!(&*source.kind, "group" | "room") => match source.user.into_owned() {
            user if user.is_empty() => Speaker::Unnamed,
            user => Speaker::Member(user),
        },
        _ => Speaker::Alone,
    }
}

fn content(content: LineContent<'_>) -> Result<Content, Refusal> {
    let media = |kind, name: String, size: String| Content::Media {
        kind,
        url: String::new(),
        name,
        size,
        caption: String::new(),
    };
    Ok(match &*content.kind {
        "text" => {
            let text = content.text.and_then(loose::text);
            let text = text.ok_or_else(|| refuse(Reason::MissingField, "message.text"))?;
            Content::Text { text: text.into_owned() }
        }
        "sticker" => Content::Sticker {
            text: content.text.and_then(loose::text).map(Cow::into_owned).unwrap_or_default(),
            keywords: list::<Loose<'_>>(content.keywords)
                .into_iter()
                .take(KEYWORDS)
                .map(Loose::into_owned)
                .collect(),
        },
        "location" => Content::Location {
            title: content.title.into_owned(),
            address: content.address.into_owned(),
            latitude: coordinate(&content.latitude),
            longitude: coordinate(&content.longitude),
            url: String::new(),
        },
        "file" => media(MediaKind::File, content.file_name.into_owned(), content.file_size.into_owned()),
        "image" => media(MediaKind::Image, String::new(), String::new()),
        "video" => media(MediaKind::Video, String::new(), String::new()),
        "audio" => media(MediaKind::Audio, String::new(), String::new()),
        "" => return Err(refuse(Reason::MissingField, "message.type")),
        other => Content::Unsupported { name: type_name(other).to_owned() },
    })
}

/// A coordinate as received, or nothing where it is no number: it goes into a URL.
fn coordinate(text: &str) -> String {
    let number = !text.is_empty()
        && text.len() <= COORDINATE_BYTES
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if number { text.to_owned() } else { String::new() }
}

