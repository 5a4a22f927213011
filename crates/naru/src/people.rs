//! The identity table as the processors see it.

use runtime::table::Table;
use schemas::{Codec, Framing, IdentityEntry};

/// The identity table over the topic `state.identity`.
pub(crate) struct IdentityTable {
    table: Table,
    codec: Codec<IdentityEntry>,
}

impl IdentityTable {
    pub(crate) fn new(table: Table, framing: Framing) -> Self {
        Self { table, codec: Codec::new(framing) }
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
        self.get(guid)?.alias_of
    }

    fn known(&self, guid: &str) -> bool {
        self.get(guid).is_some()
    }
}
