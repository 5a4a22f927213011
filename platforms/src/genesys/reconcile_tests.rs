//! Doubts as sequences of steps: what is asked, waited for and concluded, without a clock or a socket.

use serde_json::json;

use super::super::api::tests::record;
use super::*;

const TIMES: ReconcileTimes =
    ReconcileTimes { ask_after: Duration::from_secs(5), ask_for: Duration::from_secs(60) };

/// Drives the questions in virtual time; `answer` says what comes of each call, by its path.
fn settle(known: Option<&str>, mut answer: impl FnMut(&str, u32) -> Reply) -> (Settled, Duration, u32) {
    let mut questions = Questions::new(&record(), known, TIMES);
    let (mut since, mut reply, mut asked) = (Duration::ZERO, Reply::Go, 0);
    loop {
        match questions.next(reply, since, 1_790_000_000_000) {
            Step::Wait(wait) => {
                since += wait;
                reply = Reply::Go;
            }
            Step::Ask(Question { call, until_answered }) => {
                asked += 1;
                assert!(asked < 100, "it ends");
                assert_eq!(until_answered, !call.path.contains("analytics"));
                reply = answer(&call.path, asked);
            }
            Step::Settled(settled) => return (settled, since, asked),
        }
    }
}

fn listed(state: &str) -> Reply {
    Reply::Answer(json!({"participants": [{
        "purpose": "customer", "state": state,
        "messages": [{"messageId": "m1", "messageTime": "2026-10-02T03:00:01Z"}],
    }]}))
}

fn bulk(id: &str) -> Reply {
    Reply::Answer(json!({"entities": [{"id": "g1", "providerMessageId": id}]}))
}

fn found(conversation: &str) -> Reply {
    let record = record();
    Reply::Answer(json!({"conversations": [{
        "conversationId": conversation, "conversationStart": "2026-10-02T00:00:00.000Z",
        "participants": [{"sessions": [{"remote": record.person, "addressTo": &*record.integration}]}],
    }]}))
}

#[test]
fn a_conversation_that_has_it_says_so_at_once() {
    let id = record().message_id;
    let (settled, since, asked) =
        settle(Some("c"), |path, _| if path.ends_with("bulk") { bulk(&id) } else { listed("connected") });
    assert_eq!(settled, Settled::Found { id: Some("g1".into()), conversation: "c".into() });
    assert_eq!((since, asked), (Duration::from_secs(5), 2));
}

#[test]
fn absent_must_be_said_twice_by_a_conversation_that_goes_on() {
    let (settled, since, asked) =
        settle(Some("c"), |path, _| if path.ends_with("bulk") { bulk("other") } else { listed("connected") });
    assert_eq!((settled, since, asked), (Settled::Absent, Duration::from_secs(10), 4));
}

#[test]
fn one_that_has_ended_says_nothing_and_analytics_is_asked() {
    let id = record().message_id;
    let (settled, since, _) = settle(Some("old"), |path, _| match path {
        path if path.contains("analytics") => found("new"),
        path if path.contains("/new/") => bulk(&id),
        path if path.ends_with("/new") => listed("connected"),
        path if path.ends_with("bulk") => bulk("other"),
        _ => listed("disconnected"),
    });
    assert_eq!(settled, Settled::Found { id: Some("g1".into()), conversation: "new".into() });
    assert_eq!(since, Duration::from_secs(10), "a pause before the conversation, and one before analytics");
}

#[test]
fn analytics_is_asked_at_growing_distances_for_so_long() {
    let (settled, since, asked) = settle(None, |_, _| Reply::Answer(json!({"conversations": []})));
    assert_eq!(settled, Settled::Unknown);
    assert_eq!(since, Duration::from_secs(5 + 60), "counted from its first answer");
    assert_eq!(asked, 4, "after 5, 15, 35 and 65 s: the last pause is what is left of the time");
}

#[test]
fn a_platform_that_is_away_gets_ten_times_as_long() {
    let (settled, since, _) = settle(None, |_, _| Reply::NoAnswer(Some(Duration::from_secs(100))));
    assert_eq!((settled, since), (Settled::Unknown, Duration::from_secs(600)));
}

#[test]
fn what_may_not_be_asked_leaves_it_unknown() {
    assert_eq!(settle(None, |_, _| Reply::Refused(403)).0, Settled::Unknown);
    let refused_in_conversation = settle(Some("c"), |path, _| {
        if path.contains("analytics") { Reply::Answer(json!({})) } else { Reply::Refused(403) }
    });
    assert_eq!(refused_in_conversation.0, Settled::Unknown);
    assert_eq!(settle(Some("c"), |_, _| Reply::NoAnswer(None)).0, Settled::Unanswered);
}

#[test]
fn analytics_too_must_say_absent_twice() {
    let (settled, since, _) = settle(None, |path, _| match path {
        path if path.contains("analytics") => found("c"),
        path if path.ends_with("bulk") => bulk("other"),
        _ => listed("connected"),
    });
    assert_eq!((settled, since), (Settled::Absent, Duration::from_secs(15)));
}
