//! `POST /analytics/conversations/details/query`: conversations as analytics shows them, some time after they began.

use serde::Deserialize;
use serde_json::{Value, json};

use super::conversation::{Conversations, Shown};
use super::error::Error;
use crate::clock::{iso, parse_iso};

const DAY_MS: u64 = 86_400_000;

/// The most conversations of a page.
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    interval: String,
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    order_by: Option<String>,
    #[serde(default)]
    segment_filters: Vec<Filter>,
    #[serde(default)]
    paging: Paging,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(rename = "type")]
    combine: String,
    #[serde(default)]
    predicates: Vec<Predicate>,
}

#[derive(Deserialize)]
struct Predicate {
    dimension: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Paging {
    page_size: usize,
    page_number: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self { page_size: 25, page_number: 1 }
    }
}

/// The conversations that a query finds among those that began `lag_ms` ago or earlier.
pub(super) fn query(
    body: &[u8],
    conversations: &Conversations,
    now: u64,
    lag_ms: u64,
) -> Result<Value, Error> {
    let query: Query = serde_json::from_slice(body)
        .map_err(|_| Error::bad_request("The request body is not a query for conversation details."))?;
    let (from, to) = interval(&query.interval)?;
    if query.order_by.as_deref().is_some_and(|by| by != "conversationStart") {
        return Err(Error::bad_request("orderBy is not known here."));
    }
    if query.paging.page_size > PAGE_MAX || query.paging.page_number == 0 {
        return Err(Error::bad_request("paging is out of bounds."));
    }
    let mut found: Vec<Shown<'_>> = Vec::new();
    for shown in conversations.shown() {
        // Days that the interval touches count as a whole.
        let is_in_time = shown.started >= from / DAY_MS * DAY_MS
            && shown.started < (to / DAY_MS + 1) * DAY_MS
            && shown.started.saturating_add(lag_ms) <= now;
        if is_in_time && matches(&query.segment_filters, &shown)? {
            found.push(shown);
        }
    }
    found.sort_by_key(|shown| shown.started);
    if query.order.as_deref() == Some("desc") {
        found.reverse();
    }
    let total = found.len();
    let skipped = (query.paging.page_number - 1).saturating_mul(query.paging.page_size);
    let page: Vec<Value> = found.iter().skip(skipped).take(query.paging.page_size).map(entry).collect();
    Ok(if total == 0 { json!({}) } else { json!({"conversations": page, "totalHits": total}) })
}

fn interval(text: &str) -> Result<(u64, u64), Error> {
    let parsed = text.split_once('/').and_then(|(from, to)| Some((parse_iso(from)?, parse_iso(to)?)));
    parsed
        .filter(|(from, to)| from < to)
        .ok_or_else(|| Error::bad_request("interval is not two ISO-8601 UTC times."))
}

/// Whether every filter holds for the customer's session.
fn matches(filters: &[Filter], shown: &Shown<'_>) -> Result<bool, Error> {
    let holds = |predicate: &Predicate| {
        let own = match predicate.dimension.as_str() {
            "mediaType" => "message",
            "messageType" => "open",
            "purpose" => "customer",
            "direction" => "inbound",
            "addressFrom" | "remote" => shown.person,
            "addressTo" => shown.integration,
            _ => return Err(Error::bad_request("A dimension is not known here.")),
        };
        Ok(own == predicate.value)
    };
    for filter in filters {
        let each: Vec<bool> = filter.predicates.iter().map(holds).collect::<Result<_, _>>()?;
        let holds = match filter.combine.as_str() {
            "and" => each.iter().all(|holds| *holds),
            "or" => each.iter().any(|holds| *holds),
            _ => return Err(Error::bad_request("A filter is neither and nor or.")),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entry(shown: &Shown<'_>) -> Value {
    let mut entry = json!({
        "conversationId": shown.id, "conversationStart": iso(shown.started), "originatingDirection": "inbound",
        "participants": [{
            "participantId": shown.participant, "purpose": "customer",
            "sessions": [{
                "mediaType": "message", "messageType": "open", "direction": "inbound",
                "addressFrom": shown.person, "remote": shown.person, "addressTo": shown.integration,
            }],
        }],
    });
    if let Some(ended) = shown.ended {
        entry["conversationEnd"] = json!(iso(ended));
    }
    entry
}
