//! What a chain needs to know, as plain values: the caller makes them from its configuration.

use std::sync::Arc;

use keys::KeyRing;
use mask::Masker;
use platforms::Platform;
use schemas::Framings;
use streams::Millis;

use crate::route::Routes;

/// What the chain of a source is made from. Has no `Debug`: it holds the identity key.
#[derive(Clone)]
pub struct Settings {
    /// Whose webhooks it reads.
    pub source: &'static Platform,
    /// Where the messages of each account go.
    pub routes: Routes,
    /// How long an event waits for an earlier one of its conversation, ms.
    pub hold_ms: Millis,
    /// Whether a conversation's burst is released in one go.
    pub together: bool,
    /// The hold, if it is longer, while records come out of a spool of ingress, ms.
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
