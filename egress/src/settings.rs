//! What can be set besides the accounts: delays, bounds, and what becomes of an unknown outcome.

use std::time::Duration;

use platforms::ReconcileTimes;
use runtime::config::{Config, InDoubt};

use crate::retry::Schedule;

/// Before each question about an unknown outcome: long enough for what was on its way to be seen by the platform's own
/// readers, and for two owners' clocks to differ.
pub const ASK_AFTER: Duration = Duration::from_secs(5);

/// How often a stopped account is tried.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);

/// For running calls to end when a partition is given up: below the session time-out, so that a rebalance is not
/// held up for longer than by a process that has died.
pub const GRACE: Duration = Duration::from_secs(5);

/// The settings of a destination.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Delays between tries.
    pub schedule: Schedule,
    /// For a whole call.
    pub call_timeout: Duration,
    /// Calls at once.
    pub concurrency: usize,
    /// Before each question about an unknown outcome.
    pub ask_after: Duration,
    /// How long a search that lags is asked about it.
    pub ask_for: Duration,
    /// What becomes of a message whose outcome stays unknown.
    pub in_doubt: InDoubt,
    /// How often a stopped account is tried.
    pub probe_every: Duration,
    /// For running calls to end when a partition is given up.
    pub grace: Duration,
    /// A number from 0 to 1, another one each time.
    pub chance: fn() -> f64,
}

impl Settings {
    /// The settings of the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let egress = &config.egress;
        Self {
            schedule: Schedule {
                delays: egress.retry_delays.clone(),
                cap: egress.retry_cap,
                give_up_after: egress.give_up_after,
            },
            call_timeout: egress.call_timeout,
            concurrency: egress.concurrency,
            ask_after: ASK_AFTER,
            ask_for: egress.ask_for,
            in_doubt: egress.in_doubt,
            probe_every: PROBE_EVERY,
            grace: GRACE,
            chance,
        }
    }

    pub(crate) fn reconcile_times(&self) -> ReconcileTimes {
        ReconcileTimes { ask_after: self.ask_after, ask_for: self.ask_for }
    }
}

/// A number from 0 to 1: the random bits of a UUID.
fn chance() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().1 as u32;
    f64::from(bits) / f64::from(u32::MAX)
}
