//! Map to `outbox.genesys`: a customer's message as the text that an agent reads.

use schemas::{Codec, ToGenesys, Topic};
use streams::{Output, Released};

use crate::dedupe::identity_text;
use crate::message::{Body, Message, Said, Who};
use crate::settings::{Settings, outbox_headers};

/// Writes records of `outbox.genesys`.
pub(crate) struct Writer {
    codec: Codec<ToGenesys>,
}

impl Writer {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { codec: Codec::new(settings.framings.to_genesys) }
    }

    pub(crate) fn write(&self, released: Released<Box<Message>>, out: &mut Vec<Output>) {
        let Released { message, late_by, .. } = released;
        let (Who::Person { guid, prefix }, Body::Line(said)) = (message.who, message.body) else {
            return;
        };
        let account = &*message.account;
        let record = ToGenesys {
            identity: identity_text(message.event),
            account: account.name.clone(),
            integration: account.integration.clone(),
            person: guid,
            message_id: message.message_id,
            event_time: message.event_time,
            text: readable(prefix, said),
            attributes: account.attributes.clone(),
            late_by,
            received: message.received,
            tokens: message.tokens,
        };
        out.push(Output {
            topic: Topic::OutboxGenesys.name(),
            key: record.person.as_bytes().to_vec(),
            partition_by: Some(account.genesys.as_bytes().to_vec()),
            headers: outbox_headers(&record.identity, account),
            value: self.codec.encode(&record),
        });
    }
}

/// A LINE message as text, behind what says who speaks.
fn readable(prefix: String, said: Said) -> String {
    match said {
        Said::Text(text) if prefix.is_empty() => text,
        Said::Text(text) => prefix + &text,
        Said::Sticker { text, .. } if !text.is_empty() => prefix + &labelled("sticker", &[&text]),
        Said::Sticker { keywords, .. } => {
            let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
            prefix + &labelled("sticker", &keywords)
        }
        Said::Location { title, address, latitude, longitude } => {
            let map = if latitude.is_empty() || longitude.is_empty() {
                String::new()
            } else {
                format!("https://www.google.com/maps/search/?api=1&query={latitude},{longitude}")
            };
            prefix + &labelled("location", &[&title, &address, &map])
        }
        Said::File { name, size } => {
            let size = if size.is_empty() { size } else { format!("{size} bytes") };
            prefix + &labelled("file", &[&name, &size])
        }
        Said::Media(kind) => prefix + &labelled(kind, &[]),
        Said::Unknown(kind) => format!("{prefix}[unsupported message: {kind}]"),
    }
}

/// `[label] part, part`, without the empty ones.
fn labelled(label: &str, parts: &[&str]) -> String {
    let mut text = format!("[{label}]");
    let mut between = " ";
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push_str(between);
        text.push_str(part);
        between = ", ";
    }
    text
}
