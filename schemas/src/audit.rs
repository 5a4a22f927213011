//! `audit.unknown-fields`: what the platforms have added to their webhooks.

use serde::{Deserialize, Serialize};

/// A record of `audit.unknown-fields`, keyed by the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownField {
    /// The topic that had it, without its prefix.
    pub source: String,
    /// The account whose record had it.
    pub account: String,
    /// Where it stands, such as `message.newField`. Masked.
    pub field: String,
    /// Its JSON as text, masked and cut.
    pub value: String,
    /// When ingress had the record, ms since 1970 (UTC).
    pub received: i64,
}
