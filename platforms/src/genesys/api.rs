//! Genesys Cloud Open Messaging: message → call, outcome → verdict.

use std::time::Duration;

use http::Method;
use schemas::{Content, Outbox, VaultToken};
use serde_json::json;

use super::reconcile::Questions;
use super::released;
use crate::api::{code_at, segment};
use crate::{
    Answer, Api, Call, Dispatch, Outcome, Policy, Reconcile, ReconcileTimes, Released, Repeat, Transport, Verdict,
    readable, time,
};

/// Genesys's calls.
pub(super) struct GenesysApi;

impl Api for GenesysApi {
    fn policy(&self) -> Policy {
        Policy {
            repeat: Repeat::Ask,
            needs_address: false,
            has_conversations: true,
            correlation_header: "inin-correlation-id",
        }
    }

    fn call(&self, dispatch: &Dispatch<'_>) -> Call {
        call(dispatch.record)
    }

    fn verdict(&self, outcome: &Outcome, doubted: bool) -> Verdict {
        verdict(outcome, doubted)
    }

    fn rest(&self, answer: &Answer) -> Option<Duration> {
        rest(answer)
    }

    fn reconcile(
        &self,
        record: &Outbox,
        conversation: Option<&str>,
        times: ReconcileTimes,
    ) -> Option<Box<dyn Reconcile>> {
        Some(Box::new(Questions::new(record, conversation, times)))
    }

    fn released(&self) -> Option<Released> {
        Some(released::RELEASED)
    }
}

/// The call that hands a customer's message to Genesys. `prefetchConversationId` puts the conversation into the
/// answer: without it a later doubt could not be settled.
fn call(record: &Outbox) -> Call {
    let mut channel = json!({
        "from": {"id": record.person, "idType": "Opaque"},
        "time": time::iso(record.event_time),
        "messageId": record.message_id,
    });
    if !record.attributes.is_empty() {
        channel["metadata"] = json!({"customAttributes": record.attributes});
    }
    let path = format!(
        "/api/v2/conversations/messages/{}/inbound/open/message?prefetchConversationId=true",
        segment(&record.integration)
    );
    let mut body = json!({"channel": channel, "text": text(&record.contents)});
    if !record.tokens.is_empty() {
        body["metadata"] = json!({TOKENS: tokens(&record.tokens)});
    }
    Call::json(Method::POST, path, &body)
}

/// The text of a message: `write` makes one of all contents.
fn text(contents: &[Content]) -> String {
    match contents {
        [Content::Text { text }] => text.clone(),
        others => readable::lines(None, others),
    }
}

/// The key in a message's metadata, which Genesys takes as flat text, under which the vault's tokens go.
const TOKENS: &str = "naruTokens";

/// `kind:token kind:token`, in the order of the text.
fn tokens(tokens: &[VaultToken]) -> String {
    let each: Vec<String> = tokens.iter().map(|one| format!("{}:{}", one.kind, one.token)).collect();
    each.join(" ")
}

/// What the outcome of a call means. Genesys does not drop a message that it already has, so whatever leaves open
/// whether it took the message is a doubt. `doubted` says that an earlier call of this message was one.
fn verdict(outcome: &Outcome, doubted: bool) -> Verdict {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(Transport::NotSent) => return Verdict::RetryAfter(None),
        Err(Transport::Unknown) => return Verdict::InDoubt(None),
    };
    let body = answer.json();
    match answer.status {
        200..=299 if body["status"] == "Failed" => {
            let why = code_at(&body, "/reasons/0/code").unwrap_or_else(|| "no reason code".into());
            Verdict::Refused(format!("accepted, then failed: {why}"))
        }
        200..=299 => Verdict::Delivered {
            platform_id: code_at(&body, "/id"),
            conversation: code_at(&body, "/conversationId"),
        },
        401 => Verdict::Reauthorise,
        429 => Verdict::RetryAfter(answer.retry_after()),
        // The contract: on a retry it is "already there". Without an earlier call that may have arrived, it says
        // nothing that we know.
        409 if doubted => Verdict::Delivered { platform_id: None, conversation: None },
        408 | 409 | 500..=599 => Verdict::InDoubt(answer.retry_after()),
        status => {
            let code = code_at(&body, "/code").unwrap_or_else(|| "no code".into());
            Verdict::Refused(format!("status {status}: {code}"))
        }
    }
}

/// How long the token must rest after this answer: `Retry-After` of a 429, and the rate headers where they say that
/// nothing is left.
fn rest(answer: &Answer) -> Option<Duration> {
    if answer.status == 429 {
        return answer.retry_after();
    }
    let (count, allowed) = (answer.number("inin-ratelimit-count")?, answer.number("inin-ratelimit-allowed")?);
    (count >= allowed).then(|| answer.number("inin-ratelimit-reset").map(Duration::from_secs))?
}

#[cfg(test)]
#[path = "api_tests.rs"]
pub(crate) mod tests;
