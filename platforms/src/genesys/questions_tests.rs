//! What is asked about a doubt, and what the answers say.

use super::super::api::tests::record;
use super::*;

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
fn analytics_is_asked_for_the_person_and_only_their_conversations_count() {
    let about = About::of(&record());
    let request = ask_analytics(&about, 1_790_910_245_678);
    assert_eq!(request.path, "/api/v2/analytics/conversations/details/query");
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body["interval"], "2026-09-25T03:04:05.678Z/2026-10-02T03:09:05.678Z");
    assert_eq!(body["segmentFilters"][1]["predicates"][1]["value"], about.person.as_str());
    let entry = |id: &str, start: &str, session: Value| json!({"conversationId": id, "conversationStart": start, "participants": [{"sessions": [session]}]});
    let (person, ours) = (about.person.as_str(), &*about.integration);
    let found = json!({"conversations": [
        entry("older", "2026-10-01T00:00:00.000Z", json!({"addressFrom": person, "addressTo": ours})),
        entry("other-person", "2026-10-02T03:00:00.000Z", json!({"remote": "somebody", "addressTo": ours})),
        entry("newest", "2026-10-02T00:00:00.000Z", json!({"remote": person})),
        entry("other-integration", "2026-10-02T00:00:00.000Z", json!({"remote": person, "addressTo": "x"})),
    ]});
    assert_eq!(conversations(&found, &about), ["newest", "older"]);
    assert!(conversations(&json!({}), &about).is_empty());
}
