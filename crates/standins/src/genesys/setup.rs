//! What the organisation is like: its clients, its integrations and its limits.

use std::fmt;
use std::time::Duration;

use crate::setup::{Peers, first};
use crate::webhook::Schedule;

/// How far analytics lags behind what was set up from peers: the real one does by minutes, which nobody wants to
/// watch.
const ANALYTICS_LAG: Duration = Duration::from_secs(3);

/// An OAuth client of the organisation.
#[derive(Clone)]
pub struct OAuthClient {
    /// `client_id`
    pub id: String,
    /// `client_secret`
    pub secret: String,
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An Open Messaging integration.
#[derive(Clone)]
pub struct Integration {
    /// Its id, a UUID.
    pub id: String,
    /// Its name: the nickname under which agents' messages leave.
    pub name: String,
    /// `outboundNotificationWebhookUrl`
    pub webhook_url: String,
    /// `outboundNotificationWebhookSignatureSecretToken`, longer than 15 characters.
    pub webhook_secret: String,
    /// `webhookHeaders`
    pub webhook_headers: Vec<(String, String)>,
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the organisation is like.
#[derive(Debug, Clone)]
pub struct GenesysSetup {
    /// Who may ask for tokens.
    pub clients: Vec<OAuthClient>,
    /// Where messages come in and go out.
    pub integrations: Vec<Integration>,
    /// Life of a token; a day by default.
    pub token_life: Duration,
    /// Calls that one token may make in any 60 s.
    pub calls_per_minute: usize,
    /// Largest request body, bytes; Genesys publishes no number.
    pub max_body: usize,
    /// Whether webhooks carry `conversationId`; bodies before 2025 lack it.
    pub conversation_id_in_webhooks: bool,
    /// 10 s for an answer, 5 retries 5 s apart.
    pub webhook: Schedule,
    /// How long analytics knows nothing of a conversation that has begun.
    pub analytics_lag: Duration,
    /// Makes the ids; the same for the same seed.
    pub seed: u64,
}

impl Default for GenesysSetup {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            integrations: Vec::new(),
            token_life: Duration::from_secs(86_400),
            calls_per_minute: 300,
            max_body: 256 << 10,
            conversation_id_in_webhooks: true,
            webhook: Schedule { timeout: Duration::from_secs(10), retries: 5, gap: Duration::from_secs(5) },
            analytics_lag: Duration::ZERO,
            seed: 0,
        }
    }
}

impl GenesysSetup {
    /// An integration for each webhook, a client for each endpoint, and the lowest of the endpoints' limits.
    pub(crate) fn of(peers: &Peers<'_>, ingress: &str) -> Self {
        let integrations = peers.webhooks.iter().map(|peer| Integration {
            id: peer.name.clone(),
            name: peer.name.clone(),
            webhook_url: peer.url(ingress),
            webhook_secret: first(&peer.secrets),
            webhook_headers: Vec::new(),
        });
        let clients = peers.endpoints.iter().filter(|peer| !peer.secrets.is_empty());
        let clients = clients.map(|peer| OAuthClient { id: peer.id.clone(), secret: first(&peer.secrets) });
        let usual = Self::default();
        Self {
            clients: clients.collect(),
            integrations: integrations.collect(),
            calls_per_minute: peers.calls().unwrap_or(usual.calls_per_minute),
            analytics_lag: ANALYTICS_LAG,
            ..usual
        }
    }
}
