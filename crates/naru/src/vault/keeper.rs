//! The vault as the processors see it: it keeps what is masked and gives tokens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use keys::{KeyRing, Nonce, PersonKey};
use mask::{Find, Original};
use runtime::metrics::{self, CounterHandle};
use runtime::table::Table;
use schemas::{Codec, Framing, KeptValue, Topic, VaultEntry, VaultKey};
use streams::Output;

use super::store::{entry_of, unwrap};
use crate::random::random;
use crate::service::DAY_MS;

/// Persons whose keys a chain remembers, so that a burst of theirs makes one key and opens it once. At this number all
/// are forgotten: what follows may make a second key of a person, and each value names its own.
const REMEMBERED: usize = 10_000;

/// How values are kept.
#[derive(Clone)]
pub(crate) struct Keeping {
    pub(crate) table: Table,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) framing: Framing,
    pub(crate) days: u32,
    pub(crate) days_of: BTreeMap<String, u32>,
    /// Whether tokens go with the messages.
    pub(crate) sends_tokens: bool,
}

/// The vault of one chain, which is dropped with it: what it remembers must not outlive a commit that failed.
pub(crate) struct Keeper {
    vault: Option<Vault>,
    /// A counter for each kind: looked up once, since every find counts.
    masked: HashMap<Arc<str>, CounterHandle>,
}

struct Vault {
    keeping: Keeping,
    codec: Codec<VaultEntry>,
    /// Keys by person, as of a state of the table; those made here may not have come round yet.
    keys: HashMap<String, Arc<PersonKey>>,
    changes: u64,
    made: HashMap<String, Arc<PersonKey>>,
}

impl Keeper {
    /// One that keeps, or one that only counts.
    pub(crate) fn new(keeping: Option<Keeping>) -> Self {
        let vault = keeping.map(|keeping| Vault {
            codec: Codec::new(&keeping.framing),
            keeping,
            keys: HashMap::new(),
            changes: 0,
            made: HashMap::new(),
        });
        Self { vault, masked: HashMap::new() }
    }
}

impl processors::Vault for Keeper {
    fn found(&mut self, person: &str, find: Find, received: i64, out: &mut Vec<Output>) -> Option<String> {
        let masked = self.masked.entry(find.kind.clone());
        masked.or_insert_with(|| metrics::MASKED.of([find.kind.to_string()])).increment(1);
        let original = find.original?;
        self.vault.as_mut()?.keep(person, &find.kind, &original, received, out)
    }
}

/// Why something is not kept.
enum NotKept {
    /// The person is forgotten.
    Forgotten,
    /// The state store failed, or holds what cannot be read.
    Unreadable(String),
}

impl Vault {
    fn keep(
        &mut self,
        person: &str,
        kind: &str,
        original: &Original,
        received: i64,
        out: &mut Vec<Output>,
    ) -> Option<String> {
        let days = self.keeping.days_of.get(kind).copied().unwrap_or(self.keeping.days);
        if days == 0 {
            return None;
        }
        let kept = self.key(person, received, out).and_then(|key| {
            let token = key.token(kind, &original.canonical);
            let until = received + i64::from(days) * DAY_MS;
            if !self.has(person, &token, until - DAY_MS)? {
                let value = KeptValue {
                    token: token.clone(),
                    kind: kind.to_owned(),
                    data_key: key.id().to_owned(),
                    sealed: key.seal(&Nonce(random()), kind, &original.written),
                    kept_at: received,
                    until,
                };
                out.push(self.output(person, VaultKey::Value(&token), &VaultEntry::of_value(person, value)));
                metrics::VAULT_KEPT.add([kind.to_owned()], 1);
            }
            Ok(token)
        });
        match kept {
            Ok(token) => self.keeping.sends_tokens.then_some(token),
            Err(NotKept::Forgotten) => {
                metrics::VAULT_NOT_KEPT.add(["forgotten"], 1);
                None
            }
            Err(NotKept::Unreadable(error)) => {
                tracing::error!(error, "a masked value cannot be kept");
                metrics::VAULT_NOT_KEPT.add(["unreadable"], 1);
                None
            }
        }
    }

    /// The person's data key; the oldest, where there are several, and a new one where there is none.
    fn key(&mut self, person: &str, now: i64, out: &mut Vec<Output>) -> Result<Arc<PersonKey>, NotKept> {
        if self.keeping.table.changes() != self.changes || self.keys.len() >= REMEMBERED {
            self.changes = self.keeping.table.changes();
            self.keys.clear();
        }
        if let Some(key) = self.keys.get(person) {
            return Ok(key.clone());
        }
        let key = match self.stored_key(person)? {
            Some(key) => {
                self.made.remove(person);
                Arc::new(key)
            }
            None => match self.made.get(person) {
                Some(key) => key.clone(),
                None => self.make_key(person, now, out),
            },
        };
        self.keys.insert(person.to_owned(), key.clone());
        Ok(key)
    }

    fn stored_key(&self, person: &str) -> Result<Option<PersonKey>, NotKept> {
        let Keeping { table, ring, .. } = &self.keeping;
        let failed = |error: runtime::table::TableError| NotKept::Unreadable(error.to_string());
        if table.get(VaultKey::Forgotten.of(person).as_bytes()).map_err(failed)?.is_some() {
            return Err(NotKept::Forgotten);
        }
        let stored = table.scan(VaultKey::data_keys(person).as_bytes()).map_err(failed)?;
        let mut keys: Vec<_> =
            stored.iter().filter_map(|value| self.codec.decode(value).ok()?.data_key).collect();
        keys.sort_by(|one, other| (one.made_at, &one.id).cmp(&(other.made_at, &other.id)));
        // A ring that opens none of them is told; one that opens some is used for these.
        let mut closed = None;
        for key in &keys {
            match unwrap(ring, person, key) {
                Ok(open) => return Ok(Some(open)),
                Err(error) => closed = closed.or(Some(error)),
            }
        }
        closed.map_or(Ok(None), |error| Err(NotKept::Unreadable(error.to_string())))
    }

    fn make_key(&mut self, person: &str, now: i64, out: &mut Vec<Output>) -> Arc<PersonKey> {
        let id = keys::letters(&random::<8>());
        let key = Arc::new(PersonKey::new(person, &id, keys::Secret(random())));
        let entry = entry_of(&key, &self.keeping.ring, person, now);
        out.push(self.output(person, VaultKey::DataKey(&id), &entry));
        if self.made.len() >= REMEMBERED {
            self.made.clear();
        }
        self.made.insert(person.to_owned(), key.clone());
        key
    }

    /// Whether the value of a token is kept already, for as long.
    fn has(&self, person: &str, token: &str, until: i64) -> Result<bool, NotKept> {
        let stored = self.keeping.table.get(VaultKey::Value(token).of(person).as_bytes());
        let stored = stored.map_err(|error| NotKept::Unreadable(error.to_string()))?;
        let value = stored.and_then(|value| self.codec.decode(&value).ok()?.value);
        Ok(value.is_some_and(|value| value.until >= until))
    }

    fn output(&self, person: &str, key: VaultKey<'_>, entry: &VaultEntry) -> Output {
        Output {
            topic: Topic::VAULT.name(),
            key: key.of(person).into_bytes(),
            partition_by: Some(person.as_bytes().to_vec()),
            headers: Vec::new(),
            value: self.codec.encode(entry),
        }
    }
}
