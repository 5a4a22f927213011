//! What an earlier owner of a partition wrote to `deliveries`: which records are finished, which were begun, and which
//! calls still count for the limit.

use std::collections::HashMap;

use schemas::{Delivery, DeliveryStatus};

use crate::seam::Earlier;

/// How far back calls count for a limit, in ms: Genesys's minute and some more.
pub const LIMIT_MEMORY_MS: i64 = 65_000;

/// The history of one partition.
#[derive(Debug, Default)]
pub struct History {
    by_identity: HashMap<u128, Earlier>,
    /// Calls of the last minute: account, time (ms since 1970).
    calls: Vec<(String, i64)>,
}

impl History {
    /// Takes in a record of `deliveries`.
    pub fn learn(&mut self, delivery: &Delivery, now: i64) {
        if delivery.status != DeliveryStatus::Started
            && delivery.attempt > 0
            && delivery.at > now - LIMIT_MEMORY_MS
        {
            self.calls.push((delivery.account.clone(), delivery.at));
        }
        let Ok(identity) = u128::from_str_radix(&delivery.identity, 16) else { return };
        let entry = match delivery.status {
            DeliveryStatus::Started => {
                self.by_identity.entry(identity).or_insert(Earlier::Started(delivery.at));
                return;
            }
            DeliveryStatus::Delivered | DeliveryStatus::Failed | DeliveryStatus::Refused => Earlier::Finished,
            DeliveryStatus::InDoubt => Earlier::Started(delivery.at),
        };
        self.by_identity.insert(identity, entry);
    }

    /// What was written about this identity (32 hex digits).
    #[must_use]
    pub fn of(&self, identity: &str) -> Option<Earlier> {
        self.by_identity.get(&u128::from_str_radix(identity, 16).ok()?).copied()
    }

    /// The calls of the last minute; they are handed out once.
    #[must_use]
    pub fn take_calls(&mut self) -> Vec<(String, i64)> {
        std::mem::take(&mut self.calls)
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
        assert_eq!(of("b"), Some(Earlier::Started(3)));
        assert_eq!((of("c"), of("d"), of("e")), (Some(Earlier::Finished), Some(Earlier::Finished), None));
        assert_eq!(history.take_calls().len(), 2, "older calls no longer count for the limit");
    }
}
