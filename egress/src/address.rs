//! Addresses of persons, out of the `state.identity` table.

use std::future::Future;
use std::sync::Arc;

use runtime::table::Table;
use schemas::{Codec, Framing, IdentityEntry, Person};

use crate::seam::{Addresses, LookupError};

/// Aliases that are followed one after the other; a person is re-linked once in years, so more is a loop.
const ALIASES: usize = 8;

/// Persons by GUID, out of the table.
#[derive(Clone)]
pub struct TableAddresses {
    table: Table,
    codec: Arc<Codec<IdentityEntry>>,
}

impl TableAddresses {
    /// Those of a table over `state.identity`.
    #[must_use]
    pub fn new(table: Table, framing: &Framing) -> Self {
        Self { table, codec: Arc::new(Codec::new(framing)) }
    }
}

impl Addresses for TableAddresses {
    async fn find(&self, guid: &str) -> Result<Option<Person>, LookupError> {
        follow(guid, |guid: String| async move {
            let value =
                self.table.find(guid.as_bytes()).await.map_err(|error| LookupError(error.to_string()))?;
            let decoded = value.map(|bytes| self.codec.decode(&bytes)).transpose();
            decoded.map_err(|error| LookupError(error.to_string()))
        })
        .await
    }
}

/// Follows aliases from `guid` to a person.
async fn follow<F: Future<Output = Result<Option<IdentityEntry>, LookupError>>>(
    guid: &str,
    look_up: impl Fn(String) -> F,
) -> Result<Option<Person>, LookupError> {
    let mut guid = guid.to_owned();
    for _ in 0..=ALIASES {
        match look_up(guid).await? {
            None => return Ok(None),
            Some(IdentityEntry { alias_of: Some(other), .. }) => guid = other,
            Some(IdentityEntry { person, .. }) => return Ok(person),
        }
    }
    tracing::error!("aliases in the identity table form a loop or a long chain");
    Ok(None)
}

impl<A: Addresses> Addresses for Arc<A> {
    fn find(&self, guid: &str) -> impl Future<Output = Result<Option<Person>, LookupError>> + Send {
        self.as_ref().find(guid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(guid: &str) -> Option<IdentityEntry> {
        let person =
            |address: &str| Person { channel: "line".into(), account: "th".into(), address: address.into() };
        let (person, alias_of) = match guid {
            "a" => (Some(person("U1")), None),
            "b" => (Some(person("U2")), Some("a")),
            "c" => (None, Some("b")),
            "loop" => (None, Some("loop")),
            _ => return None,
        };
        Some(IdentityEntry { guid: guid.into(), person, alias_of: alias_of.map(Into::into) })
    }

    #[tokio::test]
    async fn aliases_are_followed_but_not_for_ever() {
        for (guid, address) in
            [("a", Some("U1")), ("b", Some("U1")), ("c", Some("U1")), ("x", None), ("loop", None)]
        {
            let found = follow(guid, |guid| async move { Ok(entry(&guid)) }).await;
            assert!(found.expect("no fault").map(|p| p.address).as_deref() == address, "{guid}");
        }
        let fault = follow("a", |_| async { Err(LookupError("behind".into())) }).await;
        assert_eq!(fault.err(), Some(LookupError("behind".into())));
    }
}
