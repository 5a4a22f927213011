//! The identity table (`state.identity`): keyed by a person's GUID, compacted.

use serde::{Deserialize, Serialize};

/// A record of `state.identity`; its key is the GUID that it speaks of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityEntry {
    /// The person's GUID; the record's key.
    pub guid: String,
    /// The address, where this GUID is a person of its own.
    pub person: Option<Person>,
    /// The GUID that this one stands for, where a changed platform id was re-linked.
    pub alias_of: Option<String>,
}

/// Where a person can be reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The platform of the account.
    pub channel: String,
    /// The account that knows the address: platform ids differ between providers.
    pub account: String,
    /// The platform's own id of the person, group or room. Never leaves for the contact centre.
    pub address: String,
}
