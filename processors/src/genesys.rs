//! Parse `webhooks.genesys`: one outbound message of Genesys Cloud Open Messaging.

use std::sync::Arc;

use keys::KeyRing;
use schemas::Reason;
use serde::Deserialize;
use serde_json::value::RawValue;
use streams::Record;
use uuid::Uuid;

use crate::dedupe::{self, EventKey};
use crate::head::{self, Head, Refusal, refuse};
use crate::json::{Loose, Text, list, object};
use crate::message::{Body, Message, Who, Written};
use crate::settings::{Accounts, Settings};
use crate::unknown::Unknown;

object! {
    /// A webhook.
    struct Webhook {
        id: Loose<'a> = "id",
        kind: Loose<'a> = "type",
        direction: Loose<'a> = "direction",
        text: Loose<'a> = "text",
        content: Option<&'a RawValue> = "content",
    }
    ignored {
        "channel", "events", "originatingEntity", "conversationId", "status", "reasons", "isFinalReceipt",
        "relatedMessages", "messageMetadata", "metadata",
    }
}

/// An element of `content`. Which field is there says what it is; `contentType` only names what Naru does not know.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Content {
    pub(crate) content_type: Text,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) quick_reply: Option<Labelled>,
    pub(crate) quick_reply_v2: Option<QuickReplies>,
    pub(crate) card: Option<Card>,
    pub(crate) carousel: Option<Carousel>,
    pub(crate) date_picker: Option<DatePicker>,
    pub(crate) template: Option<Template>,
    pub(crate) text: Option<Bodied>,
    pub(crate) location: Option<Location>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Attachment {
    pub(crate) media_type: Text,
    pub(crate) url: Text,
    pub(crate) filename: Text,
    pub(crate) text: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Labelled {
    pub(crate) text: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Bodied {
    pub(crate) body: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct QuickReplies {
    pub(crate) title: Text,
    pub(crate) actions: Vec<Labelled>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Card {
    pub(crate) title: Text,
    pub(crate) description: Text,
    pub(crate) image: Text,
    pub(crate) video: Text,
    pub(crate) actions: Vec<Action>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Action {
    pub(crate) text: Text,
    pub(crate) url: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Carousel {
    pub(crate) cards: Vec<Card>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DatePicker {
    pub(crate) title: Text,
    pub(crate) subtitle: Text,
    pub(crate) available_times: Vec<AvailableTime>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AvailableTime {
    pub(crate) date_time: Text,
    /// In seconds.
    pub(crate) duration: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Template {
    pub(crate) header: Option<TemplateHeader>,
    pub(crate) body: Option<Labelled>,
    pub(crate) footer: Option<Labelled>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct TemplateHeader {
    pub(crate) text: Text,
    pub(crate) media: Option<Attachment>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Location {
    pub(crate) text: Text,
    pub(crate) address: Text,
    pub(crate) url: Text,
}

/// Reads records of `webhooks.genesys`.
pub(crate) struct Parser {
    accounts: Accounts,
    keys: Option<Arc<KeyRing>>,
}

impl Parser {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { accounts: settings.by_integration(), keys: settings.keys.clone() }
    }

    pub(crate) fn parse(&self, record: &Record<'_>) -> Result<Message, Refusal> {
        let head = Head::of(record)?;
        let account = self.accounts.get(head.account).cloned();
        let account =
            account.ok_or_else(|| refuse(Reason::UnknownAccount, "no account has this integration"))?;
        let mut message = Message {
            account,
            event: 0,
            conversation: dedupe::conversation_hash(record.key),
            event_time: head.event_time,
            received: head.received,
            bytes: size_of::<Message>() + record.value.len(),
            message_id: String::new(),
            who: Who::Person { guid: String::new(), prefix: String::new() },
            body: Body::Nothing(Reason::EventType),
            unknown: Vec::new(),
            finds: Vec::new(),
            tokens: Vec::new(),
        };
        // Typing indicators are the most frequent event: the header spares reading them.
        if let Some(reason) = head.event_type.and_then(filtered) {
            message.body = Body::Nothing(reason);
            return Ok(message);
        }
        let json = head::text(record, self.keys.as_deref())?;
        let json = &*json;
        let webhook: Webhook<'_> = serde_json::from_str(json).map_err(|e| head::unreadable(&e))?;
        if let Some(reason) = filtered(head.event_type.unwrap_or(&webhook.kind)) {
            message.body = Body::Nothing(reason);
        } else if matches!(&*webhook.direction, "Outbound" | "") {
            read(&mut message, webhook, &head, record.key, json)?;
        }
        Ok(message)
    }
}

/// Why a webhook of this type does not go on. Types that Naru does not know go on by what they carry.
fn filtered(kind: &str) -> Option<Reason> {
    match kind {
        "Receipt" => Some(Reason::Receipt),
        "Event" | "Message" | "Unknown" => Some(Reason::EventType),
        _ => None,
    }
}

fn read(
    m: &mut Message,
    webhook: Webhook<'_>,
    head: &Head<'_>,
    key: &[u8],
    json: &str,
) -> Result<(), Refusal> {
    let written = Written { content: list(webhook.content), text: webhook.text.into_owned() };
    let blank = |text: &str| text.trim().is_empty();
    if blank(&written.text) && blank(&crate::to_line::readable(&written)) {
        return Ok(());
    }
    let kind = head.event_type.unwrap_or(&webhook.kind);
    let event_key = match head.event_id {
        Some(id) => EventKey::Id(id),
        None if !webhook.id.is_empty() => EventKey::MessageId(kind, &webhook.id),
        None => EventKey::Content(kind, json),
    };
    m.event = dedupe::event_hash(key, head.event_time, &event_key);
    m.message_id = match webhook.id.0.is_empty() {
        true => dedupe::identity_text(m.event),
        false => webhook.id.0.to_string(),
    };
    m.who = Who::Person { guid: guid(key)?, prefix: String::new() };
    m.tells(Unknown::all("", webhook.unknown));
    m.body = Body::Genesys(written);
    Ok(())
}

/// The key of a raw record is the person's GUID, as we gave it to Genesys.
fn guid(key: &[u8]) -> Result<String, Refusal> {
    let guid =
        std::str::from_utf8(key).ok().filter(|key| key.len() == 36).and_then(|key| Uuid::try_parse(key).ok());
    let guid = guid.ok_or_else(|| refuse(Reason::NoConversation, "the key is not the GUID of a person"))?;
    Ok(guid.hyphenated().to_string())
}
