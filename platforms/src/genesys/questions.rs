//! The questions that settle a doubt at Genesys Cloud, and what their answers say.

use std::sync::Arc;

use http::Method;
use schemas::Outbox;
use serde_json::{Value, json};

use crate::api::{code_at, segment};
use crate::{Call, time};

/// What is asked for.
pub(super) struct About {
    pub(super) person: String,
    pub(super) integration: Arc<str>,
    pub(super) message_id: String,
}

impl About {
    pub(super) fn of(record: &Outbox) -> Self {
        Self {
            person: record.person.clone(),
            integration: record.integration.clone(),
            message_id: record.message_id.clone(),
        }
    }
}

/// First question of a doubt: which messages does the conversation hold?
pub(super) fn ask_conversation(conversation: &str) -> Call {
    Call::get(format!("/api/v2/conversations/messages/{}", segment(conversation)))
}

/// How many of the customer's newest messages are looked through. A lane sends one message at a time, so the one in
/// doubt is the newest of its person; the rest is room for other senders.
const NEWEST: usize = 100;

/// The ids of the customer's newest messages, out of the first answer.
pub(super) fn message_ids(conversation: &Value) -> Vec<String> {
    let participants = conversation["participants"].as_array().into_iter().flatten();
    let customers =
        participants.filter(|p| p["purpose"].as_str().is_none_or(|purpose| purpose == "customer"));
    let mut messages: Vec<(&str, &str)> = customers
        .flat_map(|p| p["messages"].as_array().into_iter().flatten())
        .filter_map(|m| Some((m["messageTime"].as_str().unwrap_or(""), m["messageId"].as_str()?)))
        .collect();
    messages.sort_unstable();
    messages.iter().rev().take(NEWEST).map(|(_, id)| (*id).to_owned()).collect()
}

/// Whether the conversation goes on: whatever arrived since then has joined it. One that has ended says less, because
/// a message may have begun another one.
pub(super) fn is_live(conversation: &Value) -> bool {
    let has_ended = |p: &Value| matches!(p["state"].as_str(), Some("disconnected" | "terminated"));
    let mut participants = conversation["participants"].as_array().into_iter().flatten();
    participants.any(|p| p["purpose"].as_str().is_none_or(|purpose| purpose == "customer") && !has_ended(p))
}

/// Second question: what do these messages say about their origin?
pub(super) fn ask_messages(conversation: &str, ids: &[String]) -> Call {
    let path = format!("/api/v2/conversations/messages/{}/messages/bulk", segment(conversation));
    Call::json(Method::POST, path, &json!(ids))
}

/// Genesys's id of the message that we sent as `message_id`, out of the second answer.
pub(super) fn find(bulk: &Value, message_id: &str) -> Option<String> {
    let entities = bulk["entities"].as_array()?;
    let found = entities.iter().find(|entity| entity["providerMessageId"] == message_id)?;
    Some(code_at(found, "/id").unwrap_or_default())
}

/// How long before now a conversation may have begun that analytics is asked for, in ms: longer than a message joins
/// the conversation before it (three days by default).
const SEARCH_BACK_MS: i64 = 7 * 86_400_000;

/// How far the platform's clock may be ahead of ours in that question, in ms.
const SEARCH_AHEAD_MS: i64 = 5 * 60_000;

/// How many of a person's conversations are looked at, the newest first.
const SEARCHED: usize = 3;

/// The question where the conversation is not known: which conversations has this person? `remote` and `addressFrom`
/// are both asked for, because it is not published which of them holds the sender of an open message.
pub(super) fn ask_analytics(about: &About, now: i64) -> Call {
    let interval = format!("{}/{}", time::iso(now - SEARCH_BACK_MS), time::iso(now + SEARCH_AHEAD_MS));
    let is = |dimension: &str, value: &str| json!({"dimension": dimension, "value": value});
    let body = json!({
        "interval": interval,
        "order": "desc",
        "orderBy": "conversationStart",
        "segmentFilters": [
            {"type": "and", "predicates": [is("mediaType", "message"), is("messageType", "open")]},
            {"type": "or", "predicates": [is("addressFrom", &about.person), is("remote", &about.person)]},
        ],
        "paging": {"pageSize": 25, "pageNumber": 1},
    });
    Call::json(Method::POST, "/api/v2/analytics/conversations/details/query".into(), &body)
}

/// The conversations of the message's person over its integration, the newest first, out of the answer.
pub(super) fn conversations(found: &Value, about: &About) -> Vec<String> {
    let is_ours = |session: &Value| {
        let from = ["addressFrom", "remote"].iter().any(|key| session[*key] == about.person.as_str());
        from && session["addressTo"].as_str().is_none_or(|to| to == &*about.integration)
    };
    let sessions =
        |participant: &Value| participant["sessions"].as_array().into_iter().flatten().any(is_ours);
    let mut ours: Vec<(&str, &str)> = found["conversations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|c| c["participants"].as_array().into_iter().flatten().any(sessions))
        .filter_map(|c| Some((c["conversationStart"].as_str().unwrap_or(""), c["conversationId"].as_str()?)))
        .collect();
    ours.sort_unstable();
    ours.iter().rev().take(SEARCHED).map(|(_, id)| (*id).to_owned()).collect()
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
