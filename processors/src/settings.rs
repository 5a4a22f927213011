//! What the chains need to know, as plain values: the caller makes them from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use keys::KeyRing;
use schemas::{Framing, header};
use streams::Millis;

use crate::mask::Masker;

/// What both chains are made from. Has no `Debug`: it holds the identity key.
#[derive(Clone)]
pub struct Settings {
    /// Every LINE account, with the integration that it feeds.
    pub accounts: Vec<Account>,
    /// Hold of `webhooks.line`, ms.
    pub hold_line_ms: Millis,
    /// Hold of `webhooks.genesys`, ms.
    pub hold_genesys_ms: Millis,
    /// Hold of either, if that is longer, while records come out of a spool of ingress, ms.
    pub hold_spooled_ms: Millis,
    /// Key of the HMAC that makes a person's GUID. Another key makes everybody a stranger.
    pub identity_key: Vec<u8>,
    /// The rules by which personal data is found and masked.
    pub masker: Arc<Masker>,
    /// Whether what an agent writes is masked too.
    pub mask_agent_texts: bool,
    /// Opens sealed values.
    pub keys: Option<Arc<KeyRing>>,
    /// How Avro values are framed.
    pub framings: Framings,
}

/// A LINE Official Account and the integration that it feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Name of the Genesys client, whose token limits the sends of this account.
    pub genesys: String,
    /// Id of the Open Messaging integration.
    pub integration: Arc<str>,
    /// What becomes `channel.metadata.customAttributes`, such as market and brand.
    pub attributes: Arc<BTreeMap<String, String>>,
}

/// The framing of each kind of value.
#[derive(Debug, Clone, Copy)]
pub struct Framings {
    /// Of `outbox.genesys`.
    pub to_genesys: Framing,
    /// Of `outbox.line`.
    pub to_line: Framing,
    /// Of `state.identity`.
    pub identity: Framing,
    /// Of `audit.unknown-fields`.
    pub unknown_fields: Framing,
}

impl Framings {
    /// The framing that needs no schema registry, for every kind.
    pub const SINGLE_OBJECT: Framings = Framings {
        to_genesys: Framing::SingleObject,
        to_line: Framing::SingleObject,
        identity: Framing::SingleObject,
        unknown_fields: Framing::SingleObject,
    };
}

/// The accounts by what the ACCOUNT header of a source carries.
pub(crate) type Accounts = BTreeMap<String, Arc<Account>>;

impl Settings {
    /// By name: what the header of `webhooks.line` carries.
    pub(crate) fn by_name(&self) -> Accounts {
        self.accounts.iter().map(|a| (a.name.to_string(), Arc::new(a.clone()))).collect()
    }

    /// By integration: what the header of `webhooks.genesys` carries.
    pub(crate) fn by_integration(&self) -> Accounts {
        self.accounts.iter().map(|a| (a.integration.to_string(), Arc::new(a.clone()))).collect()
    }
}

/// The headers of an outbox record: what egress needs of one whose value it cannot read. All else is in the value.
pub(crate) fn outbox_headers(identity: &str, account: &Account) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (header::IDENTITY, identity.as_bytes().to_vec()),
        (header::ACCOUNT, account.name.as_bytes().to_vec()),
    ]
}
