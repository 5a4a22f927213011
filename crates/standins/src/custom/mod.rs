//! The stand-in of somebody's own web chat, which speaks the bridge's custom channel: its state, what the bridge posts
//! to it, and the people who write.

mod body;
mod check;
mod endpoint;
mod person;
mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;

pub use body::{ChoiceOption, Content, Event, MediaKind, Message, Session};
pub use person::CustomWebhook;
pub use setup::{CustomAccount, CustomSetup};

use crate::clock::Clock;
use crate::fault::{Board, Fault};
use crate::http::Client;
use crate::ids::Ids;
use crate::ledger::Ledger;
use crate::rate::SlidingLog;

/// The window of the call limit.
const WINDOW_MS: u64 = 1_000;

/// What the bridge posted and the stand-in accepted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomReceived {
    /// Its place, 1 for the first.
    pub seq: usize,
    /// The account to which it was posted.
    pub account: String,
    /// `data.person`
    pub person: String,
    /// The words of the message; empty where it is none.
    pub text: String,
    /// `webhook-id`
    pub webhook_id: String,
    /// The event as it was posted.
    pub event: Event,
    /// Which of the account's secrets signed it, 0 for the first.
    pub secret: usize,
    /// When it arrived, ms since 1970.
    pub time: u64,
}

/// Figures of the stand-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CustomStats {
    /// Calls.
    pub calls: u64,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Calls refused by the limit a second.
    pub refused: u64,
    /// The most calls to one account that arrived in any window.
    pub max_in_window: usize,
    /// Calls to one account in a window.
    pub limit: usize,
    /// The window, ms.
    pub window_ms: u64,
    /// Events accepted.
    pub accepted: usize,
    /// Calls whose `webhook-id` was accepted before.
    pub repeated: u64,
}

/// The stand-in of a custom channel.
pub struct Custom {
    setup: CustomSetup,
    clock: Clock,
    client: Client,
    ids: Ids,
    state: Mutex<State>,
    ledger: Ledger<CustomReceived>,
    pub(crate) faults: Mutex<Board>,
}

#[derive(Default)]
struct State {
    logs: BTreeMap<String, SlidingLog>,
    /// Account and `webhook-id` of what was accepted.
    accepted: BTreeSet<(String, String)>,
    webhook_urls: BTreeMap<String, String>,
    calls: u64,
    repeated: u64,
    by_status: BTreeMap<u16, u64>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("accounts", &self.setup.accounts).finish_non_exhaustive()
    }
}

impl Custom {
    pub(crate) fn new(setup: CustomSetup, clock: Clock) -> Self {
        let webhook_urls =
            setup.accounts.iter().map(|a| (a.account.clone(), a.webhook_url.clone())).collect();
        Self {
            clock,
            client: Client::default(),
            ids: Ids::new(setup.seed, "custom"),
            state: Mutex::new(State { webhook_urls, ..State::default() }),
            ledger: Ledger::new(),
            faults: Mutex::new(Board::default()),
            setup,
        }
    }

    /// Whether there is an account.
    pub(crate) fn is_set_up(&self) -> bool {
        !self.setup.accounts.is_empty()
    }

    /// The accounts to which people can write: those whose webhooks go somewhere.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let state = self.state();
        let goes_somewhere =
            |account: &&String| state.webhook_urls.get(*account).is_some_and(|url| !url.is_empty());
        self.setup.accounts.iter().map(|account| &account.account).filter(goes_somewhere).cloned().collect()
    }

    /// What was accepted, in order of arrival.
    pub fn received(&self) -> &Ledger<CustomReceived> {
        &self.ledger
    }

    /// The figures so far.
    pub fn stats(&self) -> CustomStats {
        let state = self.state();
        CustomStats {
            calls: state.calls,
            by_status: state.by_status.clone(),
            refused: state.logs.values().map(SlidingLog::refused).sum(),
            max_in_window: state.logs.values().map(SlidingLog::most_in_a_window).max().unwrap_or(0),
            limit: self.setup.calls_per_second,
            window_ms: WINDOW_MS,
            accepted: self.ledger.len(),
            repeated: state.repeated,
        }
    }

    /// Replaces the faults that are switched on; an empty list switches all off.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.faults.lock().expect("no code panics while it holds the faults").set(faults);
    }

    /// Calls that met a fault since the faults were last set.
    pub fn faults_hit(&self) -> u64 {
        self.faults.lock().expect("no code panics while it holds the faults").hits()
    }

    /// Points the webhook of an account elsewhere.
    pub fn set_webhook(&self, account: &str, url: &str) {
        self.state().webhook_urls.insert(account.to_owned(), url.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the state")
    }

    fn account(&self, name: &str) -> Option<&CustomAccount> {
        self.setup.accounts.iter().find(|account| account.account == name)
    }

    /// Whether a path belongs to the custom channel.
    pub(crate) fn owns(path: &str) -> bool {
        path.starts_with("/custom/")
    }
}
