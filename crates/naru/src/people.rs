//! The identity table as the processors see it.

use std::cell::RefCell;
use std::collections::HashSet;

use runtime::table::Table;
use schemas::{Codec, Framing, IdentityEntry};

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
    guids: HashSet<String>,
    changes: u64,
}

impl IdentityTable {
    pub(crate) fn new(table: Table, framing: Framing) -> Self {
        Self { table, codec: Codec::new(framing), remembered: RefCell::default() }
    }

    /// Whether `guid` is known and no alias, looked up only where that is not remembered.
    fn stands_for_itself(&self, guid: &str) -> bool {
        let mut remembered = self.remembered.borrow_mut();
        let changes = self.table.changes();
        if remembered.changes != changes || remembered.guids.len() >= REMEMBERED {
            *remembered = Remembered { guids: HashSet::new(), changes };
        }
        if remembered.guids.contains(guid) {
            return true;
        }
        let itself = self.get(guid).is_some_and(|entry| entry.alias_of.is_none());
        if itself {
            remembered.guids.insert(guid.to_owned());
        }
        itself
    }

    /// What cannot be read counts as absent: the person's own GUID is then used, and her address is written anew.
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
    fn alias(&self, guid: &str) -> Option<String> {
        if self.stands_for_itself(guid) { None } else { self.get(guid)?.alias_of }
    }

    fn known(&self, guid: &str) -> bool {
        self.stands_for_itself(guid) || self.get(guid).is_some()
    }
}
