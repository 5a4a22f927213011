//! What stands in `state.vault`, opened with a key ring.

use std::collections::BTreeMap;

use keys::{KeyRing, Nonce, OpenError, PersonKey, Wrapped};
use runtime::table::{Table, TableError};
use schemas::{Codec, DataKey, Framing, VaultEntry, VaultKey};

use crate::random::random;

/// A person's data key out of its record.
pub(super) fn unwrap(ring: &KeyRing, person: &str, key: &DataKey) -> Result<PersonKey, OpenError> {
    let wrapped = Wrapped { ring_key: key.ring_key.clone(), key: key.wrapped.clone() };
    PersonKey::unwrap(ring, person, &key.id, &wrapped)
}

/// The record of a data key, wrapped with the newest key of the ring.
pub(super) fn entry_of(key: &PersonKey, ring: &KeyRing, person: &str, made_at: i64) -> VaultEntry {
    let Wrapped { ring_key, key: wrapped } = key.wrap(ring, &Nonce(random()));
    VaultEntry::of_key(person, DataKey { id: key.id().to_owned(), ring_key, wrapped, made_at })
}

/// Whether the ring opens what the vault holds: one data key of each key of the ring is tried, so that a wrong ring is
/// told at the start and not at the first message.
///
/// # Errors
/// What is wrong and what to do.
pub(crate) fn check_ring(table: &Table, ring: &KeyRing, framing: &Framing) -> Result<(), String> {
    let codec = Codec::<VaultEntry>::new(framing);
    let mut samples: BTreeMap<String, (String, DataKey)> = BTreeMap::new();
    let read = table.each(|key, value| {
        let is_key = std::str::from_utf8(key)
            .ok()
            .and_then(VaultKey::parse)
            .is_some_and(|(_, what)| matches!(what, VaultKey::DataKey(_)));
        if !is_key {
            return;
        }
        if let Ok(VaultEntry { person, data_key: Some(key), .. }) = codec.decode(value) {
            samples.entry(key.ring_key.clone()).or_insert((person, key));
        }
    });
    read.map_err(|error: TableError| error.to_string())?;
    for (person, key) in samples.values() {
        unwrap(ring, person, key).map_err(|error| {
            format!("keys.file: {error}, but the vault was sealed with it; put the ring's copy back")
        })?;
    }
    Ok(())
}
