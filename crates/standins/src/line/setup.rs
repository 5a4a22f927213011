//! What the platform is like: its accounts and its limits.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::setup::{Peers, first};
use crate::webhook::Schedule;

/// An Official Account.
#[derive(Clone)]
pub struct Channel {
    /// The bridge's name for it.
    pub account: String,
    /// User id of the bot: `destination` of its webhooks.
    pub bot_user_id: String,
    /// Channel secret: signs the webhooks.
    pub secret: String,
    /// Channel access token: lets the bridge push.
    pub access_token: String,
    /// Where the webhooks go.
    pub webhook_url: String,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What the platform is like.
#[derive(Debug, Clone)]
pub struct LineSetup {
    /// The accounts.
    pub channels: Vec<Channel>,
    /// Calls to one endpoint that a channel may make in any 1,000 ms.
    pub calls_per_second: usize,
    /// How long a retry key is remembered from its first try.
    pub retry_key_life: Duration,
    /// Pushes a channel may make before its monthly limit; none where absent.
    pub quota: Option<u64>,
    /// Largest request body, bytes.
    pub max_body: usize,
    /// People whom LINE does not know: a push to them is refused.
    pub unknown_people: BTreeSet<String>,
    /// 2 s for an answer. `retries` is 0 unless redelivery is switched on for the channel.
    pub webhook: Schedule,
    /// Makes the ids; the same for the same seed.
    pub seed: u64,
}

impl Default for LineSetup {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            calls_per_second: 2_000,
            retry_key_life: Duration::from_secs(86_400),
            quota: None,
            max_body: 2 << 20,
            unknown_people: BTreeSet::new(),
            webhook: Schedule { timeout: Duration::from_secs(2), retries: 0, gap: Duration::from_secs(10) },
            seed: 0,
        }
    }
}

impl LineSetup {
    /// A channel for each account that has a webhook, an endpoint or both, and the lowest of the endpoints' limits.
    pub(crate) fn of(peers: &Peers<'_>, ingress: &str) -> Self {
        let channels =
            peers.paired().into_iter().enumerate().map(|(nth, (account, webhook, endpoint))| Channel {
                account: account.to_owned(),
                bot_user_id: format!("U{nth:032}"),
                secret: webhook.map(|peer| first(&peer.secrets)).unwrap_or_default(),
                access_token: endpoint.map(|peer| first(&peer.secrets)).unwrap_or_default(),
                webhook_url: webhook.map(|peer| peer.url(ingress)).unwrap_or_default(),
            });
        let usual = Self::default();
        Self {
            channels: channels.collect(),
            calls_per_second: peers.calls().unwrap_or(usual.calls_per_second),
            ..usual
        }
    }
}
