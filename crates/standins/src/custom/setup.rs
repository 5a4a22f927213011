//! What the custom channel is like: its accounts and its limits.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::setup::Peers;
use crate::webhook::Schedule;

/// A web chat, app or network of its own.
#[derive(Clone, Default)]
pub struct CustomAccount {
    /// The bridge's name for it.
    pub account: String,
    /// Where what people write goes; empty where nobody writes.
    pub webhook_url: String,
    /// Secrets (`whsec_…`) that the bridge accepts: the first signs what people write.
    pub secrets: Vec<String>,
    /// Secrets (`whsec_…`) of which the bridge must have signed with one.
    pub endpoint_secrets: Vec<String>,
}

impl fmt::Debug for CustomAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomAccount").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What the channel is like.
#[derive(Debug, Clone)]
pub struct CustomSetup {
    /// The accounts.
    pub accounts: Vec<CustomAccount>,
    /// Calls to one account in any 1,000 ms.
    pub calls_per_second: usize,
    /// Largest request body, bytes.
    pub max_body: usize,
    /// People who are gone: a message to one of them is answered 410.
    pub gone_people: BTreeSet<String>,
    /// Accounts that are gone: every call to one of them is answered 410.
    pub gone_accounts: BTreeSet<String>,
    /// How what people write is sent, and again after a time-out, a 429 or a 5xx.
    pub webhook: Schedule,
    /// Makes the ids; the same for the same seed.
    pub seed: u64,
}

impl Default for CustomSetup {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            calls_per_second: 100,
            max_body: 1 << 20,
            gone_people: BTreeSet::new(),
            gone_accounts: BTreeSet::new(),
            webhook: Schedule { timeout: Duration::from_secs(10), retries: 5, gap: Duration::from_secs(5) },
            seed: 0,
        }
    }
}

impl CustomSetup {
    /// An account for each name that has a webhook, an endpoint or both, and the lowest of the endpoints' limits.
    pub(crate) fn of(peers: &Peers<'_>, ingress: &str) -> Self {
        let accounts = peers.paired().into_iter().map(|(account, webhook, endpoint)| CustomAccount {
            account: account.to_owned(),
            webhook_url: webhook.map(|peer| peer.url(ingress)).unwrap_or_default(),
            secrets: webhook.map(|peer| peer.secrets.clone()).unwrap_or_default(),
            endpoint_secrets: endpoint.map(|peer| peer.secrets.clone()).unwrap_or_default(),
        });
        let usual = Self::default();
        Self {
            accounts: accounts.collect(),
            calls_per_second: peers.calls().unwrap_or(usual.calls_per_second),
            ..usual
        }
    }
}
