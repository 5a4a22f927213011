//! What an earlier owner wrote, as sequences of its records.

use super::*;

fn history() -> History {
    History::new(LEAST_LIMIT_MEMORY)
}

fn call(name: &str, at: i64) -> (AccountRef, i64) {
    (AccountRef::new("line", name), at)
}

fn delivery(identity: &str, status: DeliveryStatus, at: i64) -> Delivery {
    let delivery = delivery::new("genesys", &identity.repeat(32), Some("line"), "th", "p");
    Delivery { status, attempt: 1, at, ..delivery }
}

#[test]
fn the_last_status_counts_and_begun_is_not_finished() {
    let mut history = history();
    for (identity, status, at) in [
        ("a", DeliveryStatus::Started, 1),
        ("a", DeliveryStatus::Delivered, 2),
        ("b", DeliveryStatus::Started, 3),
        ("c", DeliveryStatus::Refused, 100_000),
        ("d", DeliveryStatus::Failed, 100_000),
    ] {
        history.learn(&delivery(identity, status, at), 100_000);
    }
    let of = |identity: &str| history.of(&identity.repeat(32));
    assert_eq!(of("a"), Some(Earlier::Finished));
    assert_eq!(of("b"), Some(Earlier::Started { at: 3, deadline: None }));
    assert_eq!((of("c"), of("d"), of("e")), (Some(Earlier::Finished), Some(Earlier::Finished), None));
    assert_eq!(history.take_calls(100_000).len(), 2, "older calls no longer count for the limit");
}

#[test]
fn the_last_announced_call_is_the_one_that_may_still_run() {
    let mut history = history();
    for (identity, status, at, deadline) in [
        ("a", DeliveryStatus::Started, 1, 10),
        ("a", DeliveryStatus::Started, 20, 30),
        ("b", DeliveryStatus::Delivered, 21, 0),
        ("b", DeliveryStatus::Started, 22, 32),
    ] {
        let deadline = Some(deadline).filter(|at| *at > 0);
        history.learn(&Delivery { deadline, ..delivery(identity, status, at) }, 100);
    }
    let of = |identity: &str| history.of(&identity.repeat(32));
    assert_eq!(of("a"), Some(Earlier::Started { at: 20, deadline: Some(30) }));
    assert_eq!(of("b"), Some(Earlier::Finished), "nobody begins what is finished");
    assert_eq!(history.take_calls(100), [call("th", 21), call("th", 20)]);
    assert!(history.take_calls(100).is_empty());
}

#[test]
fn a_call_without_an_end_counts_for_the_limit_for_a_minute() {
    let mut history = history();
    history.learn(&delivery("a", DeliveryStatus::Started, 1), 2);
    history.learn(&delivery("b", DeliveryStatus::Started, 70_000), 70_001);
    assert_eq!(history.take_calls(70_002), [call("th", 70_000)]);
}

#[test]
fn the_last_conversation_of_a_person_is_known_whoever_named_it() {
    let mut history = history();
    for (status, conversation) in [
        (DeliveryStatus::Delivered, Some("c1")),
        (DeliveryStatus::Started, Some("c2")),
        (DeliveryStatus::Failed, None),
    ] {
        let conversation_id = conversation.map(Into::into);
        history.learn(&Delivery { conversation_id, ..delivery("a", status, 1) }, 2);
    }
    assert_eq!(history.take_conversations(), [("p".into(), "c2".into())]);
    assert!(history.take_conversations().is_empty());
}

#[test]
fn calls_of_two_accounts_of_one_name_do_not_mix_and_older_records_name_no_platform() {
    let mut history = history();
    let of = |platform: Option<&str>, identity| Delivery {
        platform: platform.map(Into::into),
        ..delivery(identity, DeliveryStatus::Delivered, 1)
    };
    history.learn(&of(None, "a"), 2);
    history.learn(&of(Some("web"), "b"), 2);
    assert_eq!(history.take_calls(2), [call("th", 1), (AccountRef::new("web", "th"), 1)]);
}

#[test]
fn calls_are_remembered_for_the_longest_window_and_a_margin() {
    let endpoint = |seconds| platforms::Endpoint {
        platform: &platforms::line::PLATFORM,
        name: "th".into(),
        api_url: String::new(),
        authorization: platforms::Authorization::Signed(Vec::new()),
        rate: platforms::Rate { calls: 1, window: Duration::from_secs(seconds) },
    };
    for (windows, seconds) in [(vec![], 65), (vec![1], 65), (vec![60], 65), (vec![1, 3_600, 60], 3_605)] {
        let endpoints = windows.into_iter().map(endpoint).collect();
        let setup = Setup { endpoints, ..Setup::default() };
        let memory = limit_memory(&platforms::line::PLATFORM, &setup);
        assert_eq!(memory, Duration::from_secs(seconds));
        let of_another = limit_memory(&platforms::genesys::PLATFORM, &setup);
        assert_eq!(of_another, LEAST_LIMIT_MEMORY);
    }
    let mut history = History::new(Duration::from_secs(3_605));
    history.learn(&delivery("a", DeliveryStatus::Delivered, 0), 3_604_000);
    assert_eq!(history.take_calls(3_604_000).len(), 1);
}
