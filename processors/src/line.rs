//! Parse `webhooks.line`: one LINE event as ingress cut it out of its webhook.

use std::borrow::Cow;
use std::sync::Arc;

use keys::KeyRing;
use schemas::Reason;
use serde_json::value::RawValue;
use streams::Record;

use crate::dedupe::{self, EventKey};
use crate::head::{self, Head, Refusal, refuse};
use crate::json::{self, Loose, list, object};
use crate::message::{Body, Message, Said, Speaker, Who};
use crate::settings::{Accounts, Settings};
use crate::unknown::Unknown;

/// Keywords of a sticker that are read: as many as LINE sends.
const KEYWORDS: usize = 15;
/// Longest name of an unknown type that is shown, in bytes.
const TYPE_BYTES: usize = 40;
/// Longest coordinate that is shown, in bytes.
const COORDINATE_BYTES: usize = 40;

object! {
    /// An event. What other types of event have is known too: a record without its type in a header is read to tell.
    struct Event {
        kind: Loose<'a> = "type",
        mode: Loose<'a> = "mode",
        source: Option<Source<'a>> = "source",
        message: Option<Content<'a>> = "message",
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
    struct Content {
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

/// Reads records of `webhooks.line`.
pub(crate) struct Parser {
    accounts: Accounts,
    keys: Option<Arc<KeyRing>>,
}

impl Parser {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { accounts: settings.by_name(), keys: settings.keys.clone() }
    }

    pub(crate) fn parse(&self, record: &Record<'_>) -> Result<Message, Refusal> {
        let head = Head::of(record)?;
        let account = self.accounts.get(head.account).cloned();
        let account = account.ok_or_else(|| refuse(Reason::UnknownAccount, "no such LINE account"))?;
        let mut message = Message {
            account,
            event: 0,
            conversation: dedupe::conversation_hash(record.key),
            event_time: head.event_time,
            received: head.received,
            bytes: size_of::<Message>() + record.value.len(),
            message_id: String::new(),
            who: Who::Address { address: String::new(), speaker: Speaker::Alone },
            body: Body::Nothing(Reason::EventType),
            unknown: Vec::new(),
            finds: Vec::new(),
            tokens: Vec::new(),
        };
        // The header decides where there is one: an event that is not for us may have any shape.
        if head.event_type.is_some_and(|kind| kind != "message") {
            return Ok(message);
        }
        let json = head::text(record, self.keys.as_deref())?;
        let json = &*json;
        let event: Event<'_> = serde_json::from_str(json).map_err(|e| head::unreadable(&e))?;
        match filtered(head.event_type.unwrap_or(&event.kind), &event.mode) {
            Some(reason) => message.body = Body::Nothing(reason),
            None => read(&mut message, event, &head, record.key, json)?,
        }
        Ok(message)
    }
}

/// Why an event of this type and mode does not go on. Old events have no mode, and LINE adds members without
/// notice: only `standby` says that another module holds the chat.
fn filtered(kind: &str, mode: &str) -> Option<Reason> {
    match (kind, mode) {
        ("message", "standby") => Some(Reason::Standby),
        ("message", _) => None,
        _ => Some(Reason::EventType),
    }
}

fn read(
    m: &mut Message,
    mut event: Event<'_>,
    head: &Head<'_>,
    key: &[u8],
    json: &str,
) -> Result<(), Refusal> {
    let mut content = event.message.ok_or_else(|| refuse(Reason::MissingField, "message"))?;
    let of_source = event.source.iter_mut().flat_map(|source| source.unknown.drain(..));
    m.tells(
        Unknown::all("", event.unknown)
            .chain(Unknown::all("source.", of_source))
            .chain(Unknown::all("message.", content.unknown.drain(..))),
    );
    let address = address(key, head.account)?;
    let event_key = match head.event_id {
        Some(id) => EventKey::Id(id),
        None if !content.id.is_empty() => EventKey::MessageId("message", &content.id),
        None => EventKey::Content("message", json),
    };
    m.event = dedupe::event_hash(key, head.event_time, &event_key);
    m.message_id = match content.id.0.is_empty() {
        true => dedupe::identity_text(m.event),
        false => content.id.0.to_string(),
    };
    m.who = Who::Address { address: address.to_owned(), speaker: speaker(event.source) };
    let said = said(content)?;
    // An empty text says nothing, and Genesys refuses it.
    m.body = match &said {
        Said::Text(text) if text.trim().is_empty() => Body::Nothing(Reason::EventType),
        _ => Body::Line(said),
    };
    Ok(())
}

/// The key of a raw record is `account:address`.
fn address<'a>(key: &'a [u8], account: &str) -> Result<&'a str, Refusal> {
    std::str::from_utf8(key)
        .ok()
        .and_then(|key| key.strip_prefix(account)?.strip_prefix(':'))
        .filter(|address| !address.is_empty())
        .ok_or_else(|| {
            refuse(Reason::NoConversation, "the key does not name a person, group or room of the account")
        })
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

fn said(content: Content<'_>) -> Result<Said, Refusal> {
    Ok(match &*content.kind {
        "text" => {
            let text = content.text.and_then(json::text);
            let text = text.ok_or_else(|| refuse(Reason::MissingField, "message.text"))?;
            Said::Text(text.into_owned())
        }
        "sticker" => Said::Sticker {
            text: content.text.and_then(json::text).map(Cow::into_owned).unwrap_or_default(),
            keywords: list::<Loose<'_>>(content.keywords)
                .into_iter()
                .take(KEYWORDS)
                .map(Loose::into_owned)
                .collect(),
        },
        "location" => Said::Location {
            title: content.title.into_owned(),
            address: content.address.into_owned(),
            latitude: coordinate(&content.latitude),
            longitude: coordinate(&content.longitude),
        },
        "file" => Said::File { name: content.file_name.into_owned(), size: content.file_size.into_owned() },
        "image" => Said::Media("image"),
        "video" => Said::Media("video"),
        "audio" => Said::Media("audio"),
        "" => return Err(refuse(Reason::MissingField, "message.type")),
        other => Said::Unknown(type_name(other).to_owned()),
    })
}

/// A coordinate as received, or nothing where it is no number: it goes into a URL.
fn coordinate(text: &str) -> String {
    let number = !text.is_empty()
        && text.len() <= COORDINATE_BYTES
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if number { text.to_owned() } else { String::new() }
}

/// The name of an unknown type, if it looks like one: it is shown to an agent.
pub(crate) fn type_name(name: &str) -> &str {
    let plain = name.len() <= TYPE_BYTES
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if plain && !name.is_empty() { name } else { "unknown" }
}
