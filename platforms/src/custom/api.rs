//! The call that carries a message: a signed POST to the account's own address, the same on every try but for its time.

use http::Method;
use schemas::{ChoiceOption, Content, MediaKind, Outbox};

use super::sign;
use super::wire::{Out, OutData, OutEvent, OutOption};
use crate::{Api, Authorization, Call, Dispatch, Outcome, Policy, Repeat, Transport, Verdict, readable, time};

/// The calls of custom channels.
pub(super) struct CustomApi;

impl Api for CustomApi {
    fn policy(&self) -> Policy {
        Policy {
            repeat: Repeat::Safe,
            needs_address: true,
            has_conversations: false,
            correlation_header: "x-request-id",
        }
    }

    fn call(&self, dispatch: &Dispatch<'_>) -> Call {
        let Dispatch { record, address, authorization, now } = dispatch;
        let body = body(record, address.unwrap_or_default());
        let Authorization::Signed(secrets) = authorization else {
            unreachable!("the section of a custom account gives nothing else")
        };
        let id = format!("msg_{}", record.identity);
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(sign::headers(&sign::keys(secrets), &id, &body, *now));
        Call { method: Method::POST, path: String::new(), headers, body: Some(body) }
    }

    /// Whatever may have been taken is sent again with the same `webhook-id`: the receiver drops it then.
    fn verdict(&self, outcome: &Outcome, _: bool) -> Verdict {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(Transport::NotSent | Transport::Unknown) => return Verdict::RetryAfter(None),
        };
        match answer.status {
            200..=299 => Verdict::Delivered { platform_id: None, conversation: None },
            401 => Verdict::Reauthorise,
            410 => Verdict::Gone("status 410".into()),
            408 | 429 | 500..=599 => Verdict::RetryAfter(answer.retry_after()),
            status => Verdict::Refused(format!("status {status}")),
        }
    }
}

/// The event that carries a record. Its id is the record's identity: a message of several parts is several events.
fn body(record: &Outbox, person: &str) -> Vec<u8> {
    let text;
    let content = match &record.contents[..] {
        [content] => native(content),
        _ => None,
    };
    let content = match content {
        Some(content) => content,
        None => {
            text = readable::lines(None, &record.contents);
            Out::Text { text: &text }
        }
    };
    let data = OutData { id: &record.identity, person, content };
    let event = OutEvent { r#type: "message", timestamp: time::iso(record.event_time), data };
    serde_json::to_vec(&event).expect("texts and numbers are JSON")
}

/// A content in its own shape, where it has one.
fn native(content: &Content) -> Option<Out<'_>> {
    Some(match content {
        Content::Text { text } => Out::Text { text },
        Content::Media { kind, url, name, size: _, caption } => Out::Media {
            kind: match kind {
                MediaKind::Image => "image",
                MediaKind::Video => "video",
                MediaKind::Audio => "audio",
                MediaKind::File | MediaKind::Link => "file",
            },
            url,
            name,
            caption,
        },
        Content::Location { title, address, latitude, longitude, url } => Out::Location {
            latitude: latitude.parse().ok(),
            longitude: longitude.parse().ok(),
            title,
            address,
            url,
        },
        Content::Choices { title, subtitle, options } => {
            let lines: Vec<&str> =
                [title, subtitle].into_iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
            Out::Choices { text: lines.join("\n"), options: options.iter().map(option).collect() }
        }
        Content::Sticker { .. }
        | Content::Cards { .. }
        | Content::Choice { .. }
        | Content::Unsupported { .. } => return None,
    })
}

fn option(option: &ChoiceOption) -> OutOption<'_> {
    let ChoiceOption { text, detail, value, url } = option;
    let text = if detail.is_empty() { text.clone() } else { format!("{text} {detail}") };
    OutOption { text, value, url }
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
