//! Outbox records: a message as it will be sent, keyed by the person's GUID.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A customer's message for Genesys Cloud (`outbox.genesys`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToGenesys {
    /// The event's identity, 32 hex digits; made from the source event, never from offsets.
    pub identity: String,
    /// The LINE account it came through: a name in the configuration.
    pub account: Arc<str>,
    /// The Open Messaging integration that it goes to.
    pub integration: Arc<str>,
    /// The person's GUID, which becomes `channel.from.id`.
    pub person: String,
    /// The platform's message id, which becomes `channel.messageId`.
    pub message_id: String,
    /// The platform's time of the event, ms since 1970 (UTC).
    pub event_time: i64,
    /// The text to show to the agent.
    pub text: String,
    /// What becomes `channel.metadata.customAttributes`: market, brand.
    pub attributes: Arc<BTreeMap<String, String>>,
    /// By how many ms the message came too late to stand in order; 0 where it stands in order.
    pub late_by: i64,
    /// When ingress received it, ms since 1970 (UTC).
    pub received: i64,
    /// What the vault keeps of what is masked in the text, in the order of the text.
    #[serde(default)]
    pub tokens: Vec<VaultToken>,
}

/// What stands for a value of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultToken {
    /// What the value is, such as `phone`.
    pub kind: Arc<str>,
    /// With it and the person's GUID, whoever may do so reveals the value.
    pub token: String,
}

/// An agent's message for LINE (`outbox.line`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToLine {
    /// The event's identity, 32 hex digits; made from the source event, never from offsets.
    pub identity: String,
    /// The LINE account it goes through: a name in the configuration.
    pub account: Arc<str>,
    /// The integration that it came from.
    pub integration: Arc<str>,
    /// The person's GUID; egress looks the LINE address up.
    pub person: String,
    /// Genesys's message id.
    pub message_id: String,
    /// Genesys's time of the message, ms since 1970 (UTC).
    pub event_time: i64,
    /// The texts to send, 1 to 5, each within LINE's 5,000 UTF-16 units: the objects of one push.
    pub texts: Vec<String>,
    /// By how many ms the message came too late to stand in order; 0 where it stands in order.
    pub late_by: i64,
    /// When ingress received it, ms since 1970 (UTC).
    pub received: i64,
}
