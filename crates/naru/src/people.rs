//! The identity table as the processors see it.

use std::cell::RefCell;
use std::collections::HashSet;

use processors::Entry;
use runtime::table::Table;
use schemas::{Codec, Framing, IdentityEntry};
use uuid::Uuid;

/// Persons that are remembered as known and no alias, so that a message of theirs costs no look-up. At this number all
/// are forgotten.
const REMEMBERED: usize = 100_000;

/// The identity table over the topic `state.identity`.
pub(crate) struct IdentityTable {
    table: Table,
    codec: Codec<IdentityEntry>,
    remembered: RefCell<Remembered>,
}

/// GUIDs that are known and stand for themselves, as of a state of the table.
#[derive(Default)]
struct Remembered {
    guids: HashSet<Uuid>,
    changes: u64,
}

impl IdentityTable {
    pub(crate) fn new(table: Table, framing: &Framing) -> Self {
        Self { table, codec: Codec::new(framing), remembered: RefCell::default() }
    }

    /// What the table has, looked up only where it is not remembered that it is a person.
    fn look(&self, guid: &str) -> Entry {
        let mut remembered = self.remembered.borrow_mut();
        let changes = self.table.changes();
        if remembered.changes != changes || remembered.guids.len() >= REMEMBERED {
            *remembered = Remembered { guids: HashSet::new(), changes };
        }
        let uuid = Uuid::try_parse(guid).ok();
        if uuid.is_some_and(|uuid| remembered.guids.contains(&uuid)) {
            return Entry::Person;
        }
        match self.get(guid) {
            None => Entry::Nothing,
            Some(IdentityEntry { alias_of: Some(person), .. }) => Entry::AliasOf(person),
            Some(_) => {
                remembered.guids.extend(uuid);
                Entry::Person
            }
        }
    }

    /// What cannot be read counts as absent: the person's own GUID is then used, and their address is written again.
    fn get(&self, guid: &str) -> Option<IdentityEntry> {
        let value = self.table.get(guid.as_bytes()).map_err(|error| error.to_string());
        let entry = value.and_then(|value| {
            value.map(|value| self.codec.decode(&value).map_err(|error| error.to_string())).transpose()
        });
        entry.unwrap_or_else(|error| {
            tracing::error!(error, "identity record cannot be read");
            None
        })
    }
}

impl processors::People for IdentityTable {
    fn find(&self, guid: &str) -> Entry {
        self.look(guid)
    }
}
