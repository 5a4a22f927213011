//! LINE Messaging API: message → push, outcome → verdict. A push carries a retry key, so it can be sent again safely.

use http::Method;
use schemas::Content;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::code_at;
use crate::{Api, Call, Dispatch, Outcome, Policy, Released, Repeat, Transport, Verdict};

use super::released;

/// LINE's calls.
pub(super) struct LineApi;

impl Api for LineApi {
    fn policy(&self) -> Policy {
        Policy {
            repeat: Repeat::Safe,
            needs_address: true,
            has_conversations: false,
            correlation_header: "x-line-request-id",
        }
    }

    /// A push (Messaging API reference, "Send push message").
    fn call(&self, dispatch: &Dispatch<'_>) -> Call {
        let Dispatch { record, address, .. } = dispatch;
        let objects: Vec<Value> = record.contents.iter().filter_map(object).collect();
        let body = json!({"to": address, "messages": objects});
        let mut call = Call::json(Method::POST, "/v2/bot/message/push".into(), &body);
        let key = retry_key(&record.identity).expect("the reader of the outbox checks identities");
        call.headers.push(("x-line-retry-key", key.hyphenated().to_string()));
        call
    }

    fn verdict(&self, outcome: &Outcome, _: bool) -> Verdict {
        verdict(outcome)
    }

    fn released(&self) -> Option<Released> {
        Some(released::RELEASED)
    }
}

/// A message object.
fn object(content: &Content) -> Option<Value> {
    match content {
        Content::Text { text } => Some(json!({"type": "text", "text": text})),
        // `write` makes nothing else, and this is the only writer of the outbox.
        other => {
            let text = crate::readable::lines(None, std::slice::from_ref(other));
            (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
        }
    }
}

/// The retry key of an event: its identity (32 hex digits) as a UUID of version 8, the same on every try and after
/// every restart. None where the identity is no identity.
#[must_use]
pub fn retry_key(identity: &str) -> Option<Uuid> {
    let whole = identity.len() == 32 && identity.bytes().all(|b| b.is_ascii_hexdigit());
    let bits = u128::from_str_radix(identity, 16).ok().filter(|_| whole)?;
    Some(uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid())
}

/// What the outcome of a push means. Whatever may have been taken is sent again with the same key: LINE then answers
/// 409 and sends nothing.
fn verdict(outcome: &Outcome) -> Verdict {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(Transport::NotSent | Transport::Unknown) => return Verdict::RetryAfter(None),
    };
    let body = answer.json();
    match answer.status {
        200..=299 | 409 => {
            Verdict::Delivered { platform_id: code_at(&body, "/sentMessages/0/id"), conversation: None }
        }
        401 => Verdict::Reauthorise,
        429 if is_quota(&body) => Verdict::Refused("status 429: monthly limit reached".into()),
        408 | 429 | 500..=599 => Verdict::RetryAfter(answer.retry_after()),
        status => {
            let property =
                code_at(&body, "/details/0/property").unwrap_or_else(|| "no property named".into());
            Verdict::Refused(format!("status {status}: {property}"))
        }
    }
}

/// LINE has one status for "too fast" and for "no more this month"; only the words differ.
fn is_quota(body: &Value) -> bool {
    body["message"].as_str().is_some_and(|message| message.contains("monthly limit"))
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
