//! Genesys Cloud Open Messaging: message → request, outcome → verdict, and the questions that settle a doubt.

use std::time::Duration;

use reqwest::Method;
use runtime::clock;
use schemas::{ToGenesys, VaultToken};
use serde_json::{Value, json};

use super::{Outcome, Request, Transport, Verdict, code_at, segment};

/// The call that hands a customer's message to Genesys. `prefetchConversationId` puts the conversation into the
/// answer: without it a later doubt could not be settled.
#[must_use]
pub fn request(message: &ToGenesys) -> Request {
    let mut channel = json!({
        "from": {"id": message.person, "idType": "Opaque"},
        "time": clock::iso(message.event_time),
        "messageId": message.message_id,
    });
    if !message.attributes.is_empty() {
        channel["metadata"] = json!({"customAttributes": message.attributes});
    }
    let path = format!(
        "/api/v2/conversations/messages/{}/inbound/open/message?prefetchConversationId=true",
        segment(&message.integration)
    );
    let mut body = json!({"channel": channel, "text": message.text});
    if !message.tokens.is_empty() {
        body["metadata"] = json!({TOKENS: tokens(&message.tokens)});
    }
    Request::json(Method::POST, path, &body)
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
#[must_use]
pub fn verdict(outcome: &Outcome, doubted: bool) -> Verdict {
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
#[must_use]
pub fn rest(outcome: &Outcome) -> Option<Duration> {
    let answer = outcome.as_ref().ok()?;
    if answer.status == 429 {
        return answer.retry_after();
    }
    let (count, allowed) = (answer.number("inin-ratelimit-count")?, answer.number("inin-ratelimit-allowed")?);
    (count >= allowed).then(|| answer.number("inin-ratelimit-reset").map(Duration::from_secs))?
}

/// First question of a doubt: which messages does the conversation hold?
#[must_use]
pub fn ask_conversation(conversation: &str) -> Request {
    Request::get(format!("/api/v2/conversations/messages/{}", segment(conversation)))
}

/// How many of the customer's newest messages are looked through. A lane sends one message at a time, so the one in
/// doubt is the newest of its person; the rest is room for other senders.
const NEWEST: usize = 100;

/// The ids of the customer's newest messages, out of the first answer.
#[must_use]
pub fn message_ids(conversation: &Value) -> Vec<String> {
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
#[must_use]
pub fn is_live(conversation: &Value) -> bool {
    let has_ended = |p: &Value| matches!(p["state"].as_str(), Some("disconnected" | "terminated"));
    let mut participants = conversation["participants"].as_array().into_iter().flatten();
    participants.any(|p| p["purpose"].as_str().is_none_or(|purpose| purpose == "customer") && !has_ended(p))
}

/// Second question: what do these messages say about their origin?
#[must_use]
pub fn ask_messages(conversation: &str, ids: &[String]) -> Request {
    let path = format!("/api/v2/conversations/messages/{}/messages/bulk", segment(conversation));
    Request::json(Method::POST, path, &json!(ids))
}

/// Genesys's id of the message that we sent as `message_id`, out of the second answer.
#[must_use]
pub fn find(bulk: &Value, message_id: &str) -> Option<String> {
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
#[must_use]
pub fn ask_analytics(message: &ToGenesys, now: i64) -> Request {
    let interval = format!("{}/{}", clock::iso(now - SEARCH_BACK_MS), clock::iso(now + SEARCH_AHEAD_MS));
    let is = |dimension: &str, value: &str| json!({"dimension": dimension, "value": value});
    let body = json!({
        "interval": interval,
        "order": "desc",
        "orderBy": "conversationStart",
        "segmentFilters": [
            {"type": "and", "predicates": [is("mediaType", "message"), is("messageType", "open")]},
            {"type": "or", "predicates": [is("addressFrom", &message.person), is("remote", &message.person)]},
        ],
        "paging": {"pageSize": 25, "pageNumber": 1},
    });
    Request::json(Method::POST, "/api/v2/analytics/conversations/details/query".into(), &body)
}

/// The conversations of the message's person over its integration, the newest first, out of the answer.
#[must_use]
pub fn conversations(found: &Value, message: &ToGenesys) -> Vec<String> {
    let is_ours = |session: &Value| {
        let from = ["addressFrom", "remote"].iter().any(|key| session[*key] == message.person.as_str());
        from && session["addressTo"].as_str().is_none_or(|to| to == &*message.integration)
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::platform::tests::answer;

    fn message() -> ToGenesys {
        ToGenesys {
            identity: "0f".repeat(16),
            account: "shop-th".into(),
            integration: "a2171742-7359-41cf-aa68-ad5049250806".into(),
            person: "6f4a0c1e-0000-8000-8000-000000000001".into(),
            message_id: "461230966842064897".into(),
            event_time: 1_790_910_245_678,
            text: "สวัสดี 🙏".into(),
            attributes: BTreeMap::from([("market".into(), "Thailand".into())]).into(),
            late_by: 0,
            received: 1_790_910_245_700,
            tokens: Vec::new(),
        }
    }

    #[test]
    fn the_request_is_the_contracts() {
        let request = request(&message());
        assert_eq!(request.method, Method::POST);
        assert_eq!(
            request.path,
            "/api/v2/conversations/messages/a2171742-7359-41cf-aa68-ad5049250806/inbound/open/message?prefetchConversationId=true"
        );
        let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
        let expected = json!({
            "channel": {
                "from": {"id": "6f4a0c1e-0000-8000-8000-000000000001", "idType": "Opaque"},
                "time": "2026-10-02T03:04:05.678Z",
                "messageId": "461230966842064897",
                "metadata": {"customAttributes": {"market": "Thailand"}},
            },
            "text": "สวัสดี 🙏",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn without_attributes_there_is_no_metadata() {
        let request = request(&ToGenesys { attributes: BTreeMap::new().into(), ..message() });
        let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
        assert!(body["channel"].get("metadata").is_none());
    }

    #[test]
    fn tokens_go_as_flat_metadata_of_the_message() {
        let token = |kind: &str, token: &str| VaultToken { kind: kind.into(), token: token.into() };
        let tokens = vec![token("phone", "abc"), token("email", "def")];
        let request = request(&ToGenesys { tokens, ..message() });
        let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
        assert_eq!(body["metadata"], json!({"naruTokens": "phone:abc email:def"}));
        assert!(body["channel"]["metadata"].get("naruTokens").is_none());
    }

    #[test]
    fn verdicts() {
        use Verdict::{Delivered, InDoubt, Reauthorise, RetryAfter};
        let refused = |text: &str| Verdict::Refused(text.into());
        let taken = |id: Option<&str>, conversation: Option<&str>| Delivered {
            platform_id: id.map(Into::into),
            conversation: conversation.map(Into::into),
        };
        let s = |n| Some(Duration::from_secs(n));
        let body = |text: &'static str| text;
        let rows: [(&str, Outcome, bool, Verdict); 19] = [
            (
                "202",
                answer(202, &[], body(r#"{"id":"ab","conversationId":"c-1"}"#)),
                false,
                taken(Some("ab"), Some("c-1")),
            ),
            ("200, no JSON", answer(200, &[], "<html>"), false, taken(None, None)),
            (
                "2xx that failed",
                answer(200, &[], r#"{"status":"Failed","reasons":[{"code":"RateLimited","message":"m"}]}"#),
                false,
                refused("accepted, then failed: RateLimited"),
            ),
            (
                "prose is not repeated",
                answer(200, &[], r#"{"status":"Failed","reasons":[{"code":"call 010"}]}"#),
                false,
                refused("accepted, then failed: no reason code"),
            ),
            (
                "400",
                answer(400, &[], r#"{"code":"bad.request","message":"สวัสดี"}"#),
                false,
                refused("status 400: bad.request"),
            ),
            ("401", answer(401, &[], r#"{"code":"bad.credentials"}"#), false, Reauthorise),
            (
                "403",
                answer(403, &[], r#"{"code":"missing.permissions"}"#),
                false,
                refused("status 403: missing.permissions"),
            ),
            ("404", answer(404, &[], ""), false, refused("status 404: no code")),
            ("408", answer(408, &[], ""), false, InDoubt(None)),
            ("409 first", answer(409, &[], ""), false, InDoubt(None)),
            ("409 after a doubt", answer(409, &[], ""), true, taken(None, None)),
            (
                "413",
                answer(413, &[], r#"{"code":"request.entity.too.large"}"#),
                false,
                refused("status 413: request.entity.too.large"),
            ),
            ("429", answer(429, &[("retry-after", "7")], ""), false, RetryAfter(s(7))),
            ("429 bare", answer(429, &[], ""), false, RetryAfter(None)),
            ("500", answer(500, &[], ""), false, InDoubt(None)),
            ("503", answer(503, &[("retry-after", "2")], ""), false, InDoubt(s(2))),
            ("redirect", answer(302, &[], ""), false, refused("status 302: no code")),
            ("no connection", Err(Transport::NotSent), false, RetryAfter(None)),
            ("cut or timed out", Err(Transport::Unknown), false, InDoubt(None)),
        ];
        for (name, outcome, doubted, expected) in rows {
            assert_eq!(verdict(&outcome, doubted), expected, "{name}");
        }
    }

    #[test]
    fn the_token_rests_when_nothing_is_left() {
        let s = |n| Some(Duration::from_secs(n));
        let rate = |status, count: &str, reset: &str| {
            answer(
                status,
                &[
                    ("inin-ratelimit-count", count),
                    ("inin-ratelimit-allowed", "300"),
                    ("inin-ratelimit-reset", reset),
                ],
                "",
            )
        };
        assert_eq!(rest(&rate(202, "299", "40")), None);
        assert_eq!(rest(&rate(202, "300", "40")), s(40));
        assert_eq!(rest(&answer(429, &[("retry-after", "9")], "")), s(9));
        assert_eq!(rest(&answer(202, &[], "")), None);
        assert_eq!(rest(&Err(Transport::Unknown)), None);
    }

    #[test]
    fn a_doubt_is_settled_by_the_providers_message_id() {
        let conversation = json!({"participants": [
            {"purpose": "agent", "messages": [{"messageId": "from-agent", "messageTime": "2026-10-02T03:00:09Z"}]},
            {"purpose": "customer", "messages": [
                {"messageId": "old", "messageTime": "2026-10-02T03:00:01Z"},
                {"messageId": "new", "messageTime": "2026-10-02T03:00:05Z"},
            ]},
        ]});
        assert_eq!(message_ids(&conversation), ["new", "old"]);
        assert!(message_ids(&Value::Null).is_empty());
        let bulk = json!({"entities": [{"id": "g1", "providerMessageId": "1"}, {"id": "g2", "providerMessageId": "2"}]});
        assert_eq!(find(&bulk, "2").as_deref(), Some("g2"));
        assert_eq!(find(&bulk, "3"), None);
        assert_eq!(find(&Value::Null, "3"), None);
        assert_eq!(
            ask_messages("c/1", &["a".into()]).path,
            "/api/v2/conversations/messages/c%2F1/messages/bulk"
        );
    }

    #[test]
    fn a_conversation_is_live_while_its_customer_is() {
        let conversation =
            |purpose: &str, state: &str| json!({"participants": [{"purpose": purpose, "state": state}]});
        for (purpose, state, live) in [
            ("customer", "connected", true),
            ("customer", "alerting", true),
            ("customer", "disconnected", false),
            ("customer", "terminated", false),
            ("agent", "connected", false),
        ] {
            assert_eq!(is_live(&conversation(purpose, state)), live, "{purpose} {state}");
        }
        assert!(!is_live(&Value::Null), "nobody knows it");
        let again = json!({"participants": [
            {"purpose": "customer", "state": "disconnected"}, {"purpose": "customer", "state": "connected"},
        ]});
        assert!(is_live(&again), "it was joined again");
    }

    #[test]
    fn analytics_is_asked_for_the_person_and_only_her_conversations_count() {
        let message = message();
        let request = ask_analytics(&message, 1_790_910_245_678);
        assert_eq!(request.path, "/api/v2/analytics/conversations/details/query");
        let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
        assert_eq!(body["interval"], "2026-09-25T03:04:05.678Z/2026-10-02T03:09:05.678Z");
        assert_eq!(body["segmentFilters"][1]["predicates"][1]["value"], message.person.as_str());
        let entry = |id: &str, start: &str, session: Value| json!({"conversationId": id, "conversationStart": start, "participants": [{"sessions": [session]}]});
        let (person, ours) = (message.person.as_str(), &*message.integration);
        let found = json!({"conversations": [
            entry("older", "2026-10-01T00:00:00.000Z", json!({"addressFrom": person, "addressTo": ours})),
            entry("other-person", "2026-10-02T03:00:00.000Z", json!({"remote": "somebody", "addressTo": ours})),
            entry("newest", "2026-10-02T00:00:00.000Z", json!({"remote": person})),
            entry("other-integration", "2026-10-02T00:00:00.000Z", json!({"remote": person, "addressTo": "x"})),
        ]});
        assert_eq!(conversations(&found, &message), ["newest", "older"]);
        assert!(conversations(&json!({}), &message).is_empty());
    }
}
