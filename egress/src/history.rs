//! What an earlier owner of a partition wrote to `deliveries`: which records are finished, which were begun, and which
//! calls still count for the limit.

use std::collections::HashMap;

use schemas::{Delivery, DeliveryStatus};

use crate::conversations::Conversations;
use crate::seam::Earlier;

/// How far back calls count for a limit, in ms: Genesys's minute and some more.
pub const LIMIT_MEMORY_MS: i64 = 65_000;

/// The history of one partition.
#[derive(Debug, Default)]
pub struct History {
    by_identity: HashMap<u128, Earlier>,
    /// Calls of the last minute with an end: account, time (ms since 1970).
    calls: Vec<(String, i64)>,
    /// Calls without an end yet: their account.
    open: HashMap<u128, String>,
    conversations: Conversations,
}

impl History {
    /// Takes in a record of `deliveries`.
    pub fn learn(&mut self, delivery: &Delivery, now: i64) {
        if let Some(conversation) = &delivery.conversation_id {
            self.conversations.set(&delivery.person, conversation);
        }
        let is_end = matches!(
            delivery.status,
            DeliveryStatus::Delivered | DeliveryStatus::Failed | DeliveryStatus::Refused
        );
        if is_end && delivery.attempt > 0 && delivery.at > now - LIMIT_MEMORY_MS {
            self.calls.push((delivery.account.clone(), delivery.at));
        }
        let Ok(identity) = u128::from_str_radix(&delivery.identity, 16) else { return };
        if is_end {
            self.open.remove(&identity);
            self.by_identity.insert(identity, Earlier::Finished);
            return;
        }
        let begun = Earlier::Started { at: delivery.at, deadline: delivery.deadline };
        let entry = self.by_identity.entry(identity).or_insert(begun);
        // Every call is announced, and the last one ends last. What is finished stays finished.
        if *entry != Earlier::Finished {
            *entry = begun;
            self.open.insert(identity, delivery.account.clone());
        }
    }

    /// What was written about this identity (32 hex digits).
    #[must_use]
    pub fn of(&self, identity: &str) -> Option<Earlier> {
        self.by_identity.get(&u128::from_str_radix(identity, 16).ok()?).copied()
    }

    /// The calls of the last minute, also those whose end nobody has written; they are handed out once.
    #[must_use]
    pub fn take_calls(&mut self, now: i64) -> Vec<(String, i64)> {
        let mut calls = std::mem::take(&mut self.calls);
        for (identity, account) in std::mem::take(&mut self.open) {
            if let Some(Earlier::Started { at, .. }) = self.by_identity.get(&identity)
                && *at > now - LIMIT_MEMORY_MS
            {
                calls.push((account, *at));
            }
        }
        calls
    }

    /// The conversations that persons were in: person, conversation; they are handed out once.
    #[must_use]
    pub fn take_conversations(&mut self) -> Vec<(String, String)> {
        self.conversations.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(identity: &str, status: DeliveryStatus, at: i64) -> Delivery {
        Delivery {
            identity: identity.repeat(32),
            destination: "genesys".into(),
            account: "th".into(),
            person: "p".into(),
            status,
            attempt: 1,
            reason: None,
            http_status: None,
            platform_id: None,
            correlation_id: None,
            at,
            ours_ms: None,
            platform_ms: None,
            deadline: None,
            conversation_id: None,
        }
    }

    #[test]
    fn the_last_word_counts_and_begun_is_not_finished() {
        let mut history = History::default();
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
        let mut history = History::default();
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
        assert_eq!(history.take_calls(100), [("th".into(), 21), ("th".into(), 20)]);
        assert!(history.take_calls(100).is_empty());
    }

    #[test]
    fn a_call_without_an_end_counts_for_the_limit_for_a_minute() {
        let mut history = History::default();
        history.learn(&delivery("a", DeliveryStatus::Started, 1), 2);
        history.learn(&delivery("b", DeliveryStatus::Started, 70_000), 70_001);
        assert_eq!(history.take_calls(70_002), [("th".into(), 70_000)]);
    }

    #[test]
    fn the_last_conversation_of_a_person_is_known_whoever_named_it() {
        let mut history = History::default();
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
}
