//! Reading an outbound message of Open Messaging into the model.

use std::borrow::Cow;

use schemas::{Card, ChoiceOption, Content, Event, MediaKind, Message, Party, Reason};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::json::loose::{Loose, Text, list, object};
use crate::translate::{UNKNOWN_FIELDS, refuse, type_name, unknown, unreadable};
use crate::{EventKey, RawRecord, Read, Refusal, readable};

object! {
    /// A webhook.
    struct OpenMessage {
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
struct Element {
    content_type: Text,
    attachment: Option<Attachment>,
    quick_reply: Option<Labelled>,
    quick_reply_v2: Option<QuickReplies>,
    card: Option<CardElement>,
    carousel: Option<Carousel>,
    date_picker: Option<DatePicker>,
    template: Option<Template>,
    text: Option<Bodied>,
    location: Option<Location>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Attachment {
    media_type: Text,
    url: Text,
    filename: Text,
    text: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Labelled {
    text: Text,
    /// What comes back when it is chosen.
    payload: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Bodied {
    body: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct QuickReplies {
    title: Text,
    actions: Vec<Labelled>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CardElement {
    title: Text,
    description: Text,
    image: Text,
    video: Text,
    actions: Vec<Action>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Action {
    text: Text,
    /// What comes back when it is chosen.
    payload: Text,
    url: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Carousel {
    cards: Vec<CardElement>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DatePicker {
    title: Text,
    subtitle: Text,
    available_times: Vec<AvailableTime>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AvailableTime {
    date_time: Text,
    /// In seconds.
    duration: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Template {
    header: Option<TemplateHeader>,
    body: Option<Labelled>,
    footer: Option<Labelled>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TemplateHeader {
    text: Text,
    media: Option<Attachment>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Location {
    text: Text,
    address: Text,
    url: Text,
}

/// The field that is left out of what makes a webhook without any id the same when it comes again. Genesys has none such;
/// the hashes of events that are known already were made so.
const DELIVERY_CONTEXT: &str = "deliveryContext";

/// Why a webhook of this type does not go on. Types that Naru does not know go on by what they carry.
pub(super) fn skips(kind: &str) -> Option<Reason> {
    match kind {
        "Receipt" => Some(Reason::Receipt),
        "Event" | "Message" | "Unknown" => Some(Reason::EventType),
        _ => None,
    }
}

/// Reads a webhook.
pub(super) fn read<'a>(record: &RawRecord<'a>) -> Result<Read<'a>, Refusal> {
    let webhook: OpenMessage<'a> = serde_json::from_str(record.json).map_err(|e| unreadable(&e))?;
    if let Some(reason) = skips(record.kind.unwrap_or(&webhook.kind)) {
        return Ok(Read::ignored(reason));
    }
    if !matches!(&*webhook.direction, "Outbound" | "") {
        return Ok(Read::ignored(Reason::EventType));
    }
    let contents = contents(webhook.text.into_owned(), list(webhook.content));
    if readable::lines(None, &contents).trim().is_empty() {
        return Ok(Read::ignored(Reason::EventType));
    }
    let id = webhook.id.0;
    let kind = record.kind.map_or(webhook.kind.0, Cow::Borrowed);
    let key = match record.id {
        Some(id) => EventKey::Id(id),
        None if !id.is_empty() => EventKey::MessageId(kind, id.clone()),
        None => EventKey::Content { kind, json: record.json, without: DELIVERY_CONTEXT },
    };
    let message = Message {
        party: Party::Agent { person: person(record.key)? },
        id: (!id.is_empty()).then(|| id.into_owned()),
        contents,
        unknown: unknown("", webhook.unknown).take(UNKNOWN_FIELDS).collect(),
    };
    // Genesys has no sequence.
    Ok(Read { key, event: Event::Message(message), sequence: 0 })
}

/// The key of a raw record is the person's GUID, as we gave it to Genesys.
fn person(key: &[u8]) -> Result<String, Refusal> {
    let guid =
        std::str::from_utf8(key).ok().filter(|key| key.len() == 36).and_then(|key| Uuid::try_parse(key).ok());
    let guid = guid.ok_or_else(|| refuse(Reason::NoConversation, "the key is not the GUID of a person"))?;
    Ok(guid.hyphenated().to_string())
}

/// Text and elements, in order; without a text that is empty.
fn contents(text: String, elements: Vec<Element>) -> Vec<Content> {
    // Genesys repeats the message's text as an element of some messages.
    let repeats = |element: &Element| {
        element.is_text() && element.text.as_ref().is_some_and(|repeated| *repeated.body == *text)
    };
    let mut contents = Vec::with_capacity(1 + elements.len());
    let elements: Vec<Element> = elements.into_iter().filter(|element| !repeats(element)).collect();
    if !text.is_empty() {
        contents.push(Content::Text { text });
    }
    elements.into_iter().for_each(|one| element(&mut contents, one));
    contents
}

impl Element {
    /// Whether it is a text and nothing that counts before it.
    fn is_text(&self) -> bool {
        let Self {
            content_type: _,
            attachment,
            quick_reply,
            quick_reply_v2,
            card,
            carousel,
            date_picker,
            template,
            text,
            location: _,
        } = self;
        text.is_some()
            && attachment.is_none()
            && quick_reply.is_none()
            && quick_reply_v2.is_none()
            && card.is_none()
            && carousel.is_none()
            && date_picker.is_none()
            && template.is_none()
    }
}

fn element(contents: &mut Vec<Content>, element: Element) {
    if let Some(attachment) = element.attachment {
        contents.push(media(attachment));
    } else if let Some(reply) = element.quick_reply {
        quick_reply(contents, reply.option());
    } else if let Some(replies) = element.quick_reply_v2 {
        let options = replies.actions.into_iter().map(Labelled::option).collect();
        contents.push(Content::Choices { title: replies.title.0, subtitle: String::new(), options });
    } else if let Some(card) = element.card {
        contents.push(Content::Cards { cards: vec![card.into()] });
    } else if let Some(carousel) = element.carousel {
        contents.push(Content::Cards { cards: carousel.cards.into_iter().map(Into::into).collect() });
    } else if let Some(picker) = element.date_picker {
        contents.push(date_picker(picker));
    } else if let Some(template) = element.template {
        self::template(contents, template);
    } else if let Some(text) = element.text {
        contents.push(Content::Text { text: text.body.0 });
    } else if let Some(place) = element.location {
        contents.push(Content::Location {
            title: place.text.0,
            address: place.address.0,
            latitude: String::new(),
            longitude: String::new(),
            url: place.url.0,
        });
    } else {
        contents.push(Content::Unsupported { name: type_name(&element.content_type).to_owned() });
    }
}

/// Each reply is an element of its own; those in a row belong together.
fn quick_reply(contents: &mut Vec<Content>, option: ChoiceOption) {
    match contents.last_mut() {
        Some(Content::Choices { title, subtitle, options }) if title.is_empty() && subtitle.is_empty() => {
            options.push(option);
        }
        _ => contents.push(Content::Choices {
            title: String::new(),
            subtitle: String::new(),
            options: vec![option],
        }),
    }
}

fn media(attachment: Attachment) -> Content {
    let kind = match &*attachment.media_type {
        "Image" => MediaKind::Image,
        "Video" => MediaKind::Video,
        "Audio" => MediaKind::Audio,
        "Link" => MediaKind::Link,
        _ => MediaKind::File,
    };
    Content::Media {
        kind,
        url: attachment.url.0,
        name: attachment.filename.0,
        size: String::new(),
        caption: attachment.text.0,
    }
}

fn date_picker(picker: DatePicker) -> Content {
    let option = |time: AvailableTime| ChoiceOption {
        detail: match time.duration.parse::<u64>() {
            Ok(seconds) => format!("({} min)", seconds.div_ceil(60)),
            Err(_) => String::new(),
        },
        value: time.date_time.0.clone(),
        text: time.date_time.0,
        url: String::new(),
    };
    Content::Choices {
        title: picker.title.0,
        subtitle: picker.subtitle.0,
        options: picker.available_times.into_iter().map(option).collect(),
    }
}

fn template(contents: &mut Vec<Content>, template: Template) {
    let mut text = |text: Text| {
        if !text.is_empty() {
            contents.push(Content::Text { text: text.0 });
        }
    };
    let (header, header_media) = template.header.map_or((None, None), |header| (Some(header.text), header.media));
    header.into_iter().for_each(&mut text);
    let rest = [template.body, template.footer];
    contents.extend(header_media.map(media));
    let texts = rest.into_iter().flatten().map(|labelled| labelled.text.0).filter(|text| !text.is_empty());
    contents.extend(texts.map(|text| Content::Text { text }));
}

impl Labelled {
    fn option(self) -> ChoiceOption {
        let Self { text, payload } = self;
        ChoiceOption { text: text.0, value: payload.0, ..ChoiceOption::default() }
    }
}

impl From<CardElement> for Card {
    fn from(card: CardElement) -> Self {
        let option = |action: Action| ChoiceOption {
            text: action.text.0,
            value: action.payload.0,
            url: action.url.0,
            ..ChoiceOption::default()
        };
        Self {
            title: card.title.0,
            description: card.description.0,
            image: card.image.0,
            video: card.video.0,
            options: card.actions.into_iter().map(option).collect(),
        }
    }
}
