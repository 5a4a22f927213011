//! What an earlier owner of a partition wrote to `deliveries`: which records are finished, which were begun, and which
//! calls still count for the limit.

use std::collections::HashMap;
use std::time::Duration;

use platforms::{Platform, Setup};
use schemas::{AccountRef, Delivery, DeliveryStatus};

use crate::conversations::Conversations;
use crate::delivery;
use crate::seam::Earlier;

/// How far back calls count for a limit, at least: a minute, the window that a limit is most often given for, and the
/// margin.
const LEAST_LIMIT_MEMORY: Duration = Duration::from_secs(65);

/// How much longer than its window a call is remembered: owners' clocks may differ by this.
const MARGIN: Duration = Duration::from_secs(5);

/// How far back calls to `destination` count for one of its limits.
#[must_use]
pub fn limit_memory(destination: &Platform, setup: &Setup) -> Duration {
    let endpoints = setup.endpoints.iter().filter(|endpoint| endpoint.platform == destination);
    let longest = endpoints.map(|endpoint| endpoint.rate.window).max().unwrap_or_default();
    longest.saturating_add(MARGIN).max(LEAST_LIMIT_MEMORY)
}

/// The history of one partition.
#[derive(Debug)]
pub struct History {
    limit_memory_ms: i64,
    by_identity: HashMap<u128, Earlier>,
    /// Calls within `limit_memory_ms` with an end: account, time (ms since 1970).
    calls: Vec<(AccountRef, i64)>,
    /// Calls without an end yet: their account.
    open: HashMap<u128, AccountRef>,
    conversations: Conversations,
}

impl History {
    /// One that knows nothing yet. Calls count for a limit for `limit_memory`.
    #[must_use]
    pub fn new(limit_memory: Duration) -> Self {
        Self {
            limit_memory_ms: i64::try_from(limit_memory.as_millis()).unwrap_or(i64::MAX),
            by_identity: HashMap::new(),
            calls: Vec::new(),
            open: HashMap::new(),
            conversations: Conversations::default(),
        }
    }

    /// Takes in a record of `deliveries`.
    pub fn learn(&mut self, delivery: &Delivery, now: i64) {
        if let Some(conversation) = &delivery.conversation_id {
            self.conversations.set(&delivery.person, conversation);
        }
        let is_end = matches!(
            delivery.status,
            DeliveryStatus::Delivered | DeliveryStatus::Failed | DeliveryStatus::Refused
        );
        if is_end && delivery.attempt > 0 && self.counts(delivery.at, now) {
            self.calls.push((delivery::account(delivery), delivery.at));
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
            self.open.insert(identity, delivery::account(delivery));
        }
    }

    /// What was written about this identity (32 hex digits).
    #[must_use]
    pub fn of(&self, identity: &str) -> Option<Earlier> {
        self.by_identity.get(&u128::from_str_radix(identity, 16).ok()?).copied()
    }

    /// The calls that still count for a limit, also those whose end nobody has written; they are handed out once.
    #[must_use]
    pub fn take_calls(&mut self, now: i64) -> Vec<(AccountRef, i64)> {
        let mut calls = std::mem::take(&mut self.calls);
        for (identity, account) in std::mem::take(&mut self.open) {
            if let Some(Earlier::Started { at, .. }) = self.by_identity.get(&identity)
                && self.counts(*at, now)
            {
                calls.push((account, *at));
            }
        }
        calls
    }

    fn counts(&self, at: i64, now: i64) -> bool {
        at > now.saturating_sub(self.limit_memory_ms)
    }

    /// The conversations that persons were in: person, conversation; they are handed out once.
    #[must_use]
    pub fn take_conversations(&mut self) -> Vec<(String, String)> {
        self.conversations.take()
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
