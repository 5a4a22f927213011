//! Outbox records (`outbox.<destination>`): what one call will carry, keyed by the person's GUID.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AccountRef, Content};

/// A record of an outbox, of one type for all destinations. Has no `Debug`: it holds what a person said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// The event's identity, 32 hex digits; made from the source event, never from offsets.
    pub identity: String,
    /// The platform of the channel account that the conversation is on.
    pub platform: Arc<str>,
    /// That account's name in the configuration.
    pub account: Arc<str>,
    /// The contact centre's integration that the account feeds.
    pub integration: Arc<str>,
    /// The person's GUID. On the way to a channel egress looks the address up.
    pub person: String,
    /// The message's id at the platform that it came from.
    pub message_id: String,
    /// That platform's time of the event, ms since 1970 (UTC).
    pub event_time: i64,
    /// When ingress received it, ms since 1970 (UTC).
    pub received: i64,
    /// By how many ms the message came too late to be in order; 0 where it is in order.
    pub late_by: i64,
    /// What one call carries, as the destination can show it.
    pub contents: Vec<Content>,
    /// What the contact centre gets to know of the account, such as market and brand.
    pub attributes: Arc<BTreeMap<String, String>>,
    /// What the vault keeps of what is masked in the contents, in their order.
    pub tokens: Vec<VaultToken>,
}

impl Outbox {
    /// The channel account.
    #[must_use]
    pub fn account(&self) -> AccountRef {
        AccountRef { platform: self.platform.clone(), name: self.account.clone() }
    }

    /// Whether `text` is an identity: 32 hex digits.
    #[must_use]
    pub fn is_identity(text: &str) -> bool {
        text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

/// What stands for a value of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultToken {
    /// What the value is, such as `phone`.
    pub kind: Arc<str>,
    /// With it and the person's GUID, whoever may do so reveals the value.
    pub token: String,
}
