//! What the sections of the configuration come to, in one form for all platforms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::Secret;
use ipnet::IpNet;
use schemas::AccountRef;

use crate::Platform;

/// All accounts, endpoints and webhooks of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Every channel account, in the order of its platform and name.
    pub accounts: Vec<Account>,
    /// Every webhook that is taken.
    pub webhooks: Vec<WebhookAccount>,
    /// Every address that is called.
    pub endpoints: Vec<Endpoint>,
}

/// A channel account and what it feeds.
#[derive(Debug, Clone)]
pub struct Account {
    /// Which.
    pub account: AccountRef,
    /// Where its messages go, and come from.
    pub feeds: Feeds,
    /// What the contact centre gets to know of it, such as market and brand.
    pub attributes: Arc<BTreeMap<String, String>>,
}

/// What a channel account feeds.
#[derive(Debug, Clone)]
pub struct Feeds {
    /// The name of the contact centre's client, whose token limits the sends.
    pub client: String,
    /// The contact centre's integration.
    pub integration: Arc<str>,
    /// One or two signature secrets of the integration's webhook.
    pub webhook_secrets: Vec<Secret>,
}

/// A webhook that is taken: `/webhooks/<platform>/<name>`.
#[derive(Debug, Clone)]
pub struct WebhookAccount {
    /// Whose.
    pub platform: &'static Platform,
    /// The last part of its path: an account, or an integration.
    pub name: String,
    /// What signs it; empty where the account has chosen to rely on addresses alone.
    pub secrets: Vec<Secret>,
    /// Where it may come from; anywhere if this is empty.
    pub addresses: Vec<IpNet>,
}

/// Where messages go: base address, authorisation and limit of one account or client.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Whose.
    pub platform: &'static Platform,
    /// The account's or client's name in the configuration.
    pub name: String,
    /// Base address.
    pub api_url: String,
    /// How it is authorised.
    pub authorization: Authorization,
    /// The limit of calls.
    pub rate: Rate,
}

/// How calls of an endpoint are authorised.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// A token that is never renewed. If it is refused, only a person can help.
    Bearer(Secret),
    /// Tokens of an OAuth client (client credentials, RFC 6749, section 4.4), renewed.
    Client(ClientCredentials),
    /// No `Authorization`: each call is signed with all of these. If they are refused, only a person can help.
    Signed(Vec<Secret>),
}

/// An OAuth client.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Base address of the login service.
    pub login_url: String,
    /// The path of its token endpoint.
    pub token_path: &'static str,
    /// The client's id.
    pub id: String,
    /// The client's secret.
    pub secret: Secret,
    /// Life of a token whose answer does not name one: the least that the platform can be set to.
    pub shortest_life: Duration,
}

/// At most `calls` in any `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub calls: u32,
    /// In how long.
    pub window: Duration,
}

impl Setup {
    /// The platforms that are in use, in the order of [`crate::ALL`]: those that have a webhook or an endpoint.
    #[must_use]
    pub fn platforms(&self) -> Vec<&'static Platform> {
        let used = |platform: &&&'static Platform| {
            self.endpoints.iter().any(|endpoint| endpoint.platform == **platform)
                || self.webhooks.iter().any(|webhook| webhook.platform == **platform)
        };
        crate::ALL.iter().filter(used).copied().collect()
    }

    /// The endpoint of a platform by its name.
    #[must_use]
    pub fn endpoint(&self, platform: &Platform, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.platform == platform && endpoint.name == name)
    }
}
