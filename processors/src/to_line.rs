//! Map to `outbox.line`: an agent's message as the text objects of one push, or of several.

use std::borrow::Cow;
use std::sync::Arc;

use schemas::{Codec, ToLine, Topic};
use streams::{Output, Released};

use crate::dedupe::{derived_identity, identity_text};
use crate::genesys::{Attachment, Card, Content, DatePicker, Template};
use crate::mask::Masker;
use crate::message::{Body, Message, Who, Written};
use crate::settings::{Settings, outbox_headers};
use crate::split::{LINE_OBJECTS, LINE_UNITS, split};

/// Writes records of `outbox.line`.
pub(crate) struct Writer {
    codec: Codec<ToLine>,
    /// Where agents' texts are masked too.
    masker: Option<Arc<Masker>>,
}

impl Writer {
    pub(crate) fn new(settings: &Settings) -> Self {
        let masker = settings.mask_agent_texts.then(|| settings.masker.clone());
        Self { codec: Codec::new(settings.framings.to_line), masker }
    }

    /// What does not fit one push goes out in further records, in order, each with an identity of its own.
    pub(crate) fn write(&self, released: Released<Box<Message>>, out: &mut Vec<Output>) {
        let Released { message, late_by, .. } = released;
        let (Who::Person { guid, .. }, Body::Genesys(written)) = (&message.who, &message.body) else {
            return;
        };
        let account = &*message.account;
        let text = readable(written);
        let text = self.masker.as_ref().map_or(Cow::Borrowed(&*text), |masker| masker.mask(&text));
        // LINE refuses a whole push for one blank object.
        let texts: Vec<&str> = split(&text, LINE_UNITS).filter(|piece| !piece.trim().is_empty()).collect();
        for (part, texts) in (0..).zip(texts.chunks(LINE_OBJECTS)) {
            let record = ToLine {
                identity: identity_text(derived_identity(message.event, part)),
                account: account.name.clone(),
                integration: account.integration.clone(),
                person: guid.clone(),
                message_id: message.message_id.clone(),
                event_time: message.event_time,
                texts: texts.iter().map(|&text| text.to_owned()).collect(),
                late_by,
                received: message.received,
            };
            out.push(Output {
                topic: Topic::OutboxLine.name(),
                key: guid.as_bytes().to_vec(),
                partition_by: Some(account.name.as_bytes().to_vec()),
                headers: outbox_headers(&record.identity, account),
                value: self.codec.encode(&record),
            });
        }
    }
}

/// Text and content as lines of text. Empty only if the message carries nothing.
pub(crate) fn readable(written: &Written) -> String {
    let mut lines = Lines(written.text.clone());
    for content in &written.content {
        element(&mut lines, content, &written.text);
    }
    lines.0
}

fn element(lines: &mut Lines, content: &Content, said: &str) {
    if let Some(attachment) = &content.attachment {
        self::attachment(lines, attachment);
    } else if let Some(reply) = &content.quick_reply {
        lines.choice(&reply.text, "");
    } else if let Some(replies) = &content.quick_reply_v2 {
        lines.add(&replies.title);
        replies.actions.iter().for_each(|action| lines.choice(&action.text, ""));
    } else if let Some(card) = &content.card {
        self::card(lines, card);
    } else if let Some(carousel) = &content.carousel {
        carousel.cards.iter().for_each(|card| self::card(lines, card));
    } else if let Some(picker) = &content.date_picker {
        date_picker(lines, picker);
    } else if let Some(template) = &content.template {
        self::template(lines, template);
    } else if let Some(text) = &content.text {
        // Genesys repeats the message's text as an element of some messages.
        if *text.body != *said {
            lines.add(&text.body);
        }
    } else if let Some(location) = &content.location {
        for part in [&location.text, &location.address, &location.url] {
            lines.add(part);
        }
    } else {
        lines.add(&format!("[unsupported content: {}]", crate::line::type_name(&content.content_type)));
    }
}

fn attachment(lines: &mut Lines, attachment: &Attachment) {
    let label = match &*attachment.media_type {
        "Image" => "[image]",
        "Video" => "[video]",
        "Audio" => "[audio]",
        "Link" => "[link]",
        _ => "[file]",
    };
    lines.add(label);
    if !attachment.filename.is_empty() {
        lines.0.push(' ');
        lines.0.push_str(&attachment.filename);
    }
    lines.add(&attachment.text);
    lines.add(&attachment.url);
}

fn card(lines: &mut Lines, card: &Card) {
    for part in [&card.title, &card.description, &card.image, &card.video] {
        lines.add(part);
    }
    card.actions.iter().for_each(|action| lines.choice(&action.text, &action.url));
}

fn date_picker(lines: &mut Lines, picker: &DatePicker) {
    lines.add(&picker.title);
    lines.add(&picker.subtitle);
    for time in &picker.available_times {
        match time.duration.parse::<u64>() {
            Ok(seconds) => lines.choice(&time.date_time, &format!("({} min)", seconds.div_ceil(60))),
            Err(_) => lines.choice(&time.date_time, ""),
        }
    }
}

fn template(lines: &mut Lines, template: &Template) {
    if let Some(header) = &template.header {
        lines.add(&header.text);
        if let Some(media) = &header.media {
            attachment(lines, media);
        }
    }
    for part in [&template.body, &template.footer].into_iter().flatten() {
        lines.add(&part.text);
    }
}

/// Text that grows by whole lines.
struct Lines(String);

impl Lines {
    fn add(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(line);
    }

    fn choice(&mut self, label: &str, detail: &str) {
        match (label, detail) {
            ("", "") => {}
            (label, "") => self.add(&format!("- {label}")),
            ("", detail) => self.add(&format!("- {detail}")),
            (label, detail) => self.add(&format!("- {label} {detail}")),
        }
    }
}
