//! The vault (`state.vault`): what was masked, sealed. Compacted; a person's entries are of one partition, that of the
//! GUID. And `audit.reveals`: who read what out of it.

use serde::{Deserialize, Serialize};

/// A record of `state.vault`: one of its three last parts is there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultEntry {
    /// The person's GUID.
    pub person: String,
    /// A data key of the person's.
    pub data_key: Option<DataKey>,
    /// A value that was masked.
    pub value: Option<KeptValue>,
    /// When the person was forgotten, ms since 1970 (UTC): nothing of hers is kept any more.
    pub forgotten_at: Option<i64>,
}

impl VaultEntry {
    /// The entry of a data key.
    #[must_use]
    pub fn of_key(person: &str, key: DataKey) -> Self {
        Self { person: person.to_owned(), data_key: Some(key), value: None, forgotten_at: None }
    }

    /// The entry of a value.
    #[must_use]
    pub fn of_value(person: &str, value: KeptValue) -> Self {
        Self { person: person.to_owned(), data_key: None, value: Some(value), forgotten_at: None }
    }

    /// The mark of a person who was forgotten at this time.
    #[must_use]
    pub fn forgotten(person: &str, at: i64) -> Self {
        Self { person: person.to_owned(), data_key: None, value: None, forgotten_at: Some(at) }
    }
}

/// A person's data key, wrapped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataKey {
    /// Its name: a person has several where two tasks made one at the same moment.
    pub id: String,
    /// The key of the ring that wraps it.
    pub ring_key: String,
    /// Nonce, ciphertext, tag.
    #[serde(with = "apache_avro::serde::bytes")]
    pub wrapped: Vec<u8>,
    /// ms since 1970 (UTC).
    pub made_at: i64,
}

/// A value that was masked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptValue {
    /// What stands for it outside.
    pub token: String,
    /// What it is, such as `phone`.
    pub kind: String,
    /// The data key that seals it.
    pub data_key: String,
    /// Nonce, ciphertext, tag.
    #[serde(with = "apache_avro::serde::bytes")]
    pub sealed: Vec<u8>,
    /// ms since 1970 (UTC).
    pub kept_at: i64,
    /// Until when it may be revealed, ms since 1970 (UTC).
    pub until: i64,
}

/// What a record's key says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultKey<'a> {
    /// A data key with this id.
    DataKey(&'a str),
    /// The value of this token.
    Value(&'a str),
    /// The mark that the person is forgotten.
    Forgotten,
}

impl VaultKey<'_> {
    /// The record's key.
    #[must_use]
    pub fn of(self, person: &str) -> String {
        match self {
            VaultKey::DataKey(id) => format!("{}{id}", Self::data_keys(person)),
            VaultKey::Value(token) => format!("{person}/value/{token}"),
            VaultKey::Forgotten => format!("{person}/forgotten"),
        }
    }

    /// What the keys of all data keys of a person begin with.
    #[must_use]
    pub fn data_keys(person: &str) -> String {
        format!("{person}/key/")
    }

    /// The person and the rest of a record's key; `None` where it is none of the vault's.
    #[must_use]
    pub fn parse(key: &str) -> Option<(&str, VaultKey<'_>)> {
        let (person, rest) = key.split_once('/')?;
        let what = match rest.split_once('/') {
            Some(("key", id)) => VaultKey::DataKey(id),
            Some(("value", token)) => VaultKey::Value(token),
            None if rest == "forgotten" => VaultKey::Forgotten,
            _ => return None,
        };
        Some((person, what))
    }
}

/// A record of `audit.reveals`, keyed by the person's GUID.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// What was done.
    pub what: Act,
    /// The person's GUID.
    pub person: String,
    /// Of what was revealed.
    pub token: Option<String>,
    /// Of what was revealed.
    pub kind: Option<String>,
    /// Why, as the operator says.
    pub reason: String,
    /// Who, as the command was told.
    pub operator: String,
    /// Who, as the system says.
    pub system_user: String,
    /// On which host.
    pub host: String,
    /// ms since 1970 (UTC).
    pub at: i64,
}

/// What was done to the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A value was read.
    Reveal,
    /// A person was forgotten.
    Forget,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_its_record_is() {
        for what in [VaultKey::DataKey("a1"), VaultKey::Value("abc"), VaultKey::Forgotten] {
            assert_eq!(VaultKey::parse(&what.of("p")), Some(("p", what)));
        }
        assert!(VaultKey::DataKey("a1").of("p").starts_with(&VaultKey::data_keys("p")));
        assert_eq!(VaultKey::parse("p/other/x").or(VaultKey::parse("p")), None);
    }
}
