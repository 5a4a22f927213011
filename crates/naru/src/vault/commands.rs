//! `naru vault`: reveal, list, forget, rotate.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use keys::KeyRing;
use runtime::clock;
use runtime::config::{Config, real_environment};
use runtime::keyed::{self, Entry, Writer};
use schemas::{Act, Codec, DataKey, KeptValue, Reveal, Topic, TopicNames, VaultEntry, VaultKey};

use super::store::{entry_of, unwrap};
use crate::cli::{RevealArguments, VaultCommand, Who};
use crate::{Failure, block_on};

/// Exit codes beside those of every command.
const UNKNOWN: u8 = 3;
const FORGOTTEN: u8 = 4;
const OVER: u8 = 5;
const NO_KEY: u8 = 6;

/// A second command that changes keys shuts out the first: what one has read the other must not have changed.
const WRITER: &str = "naru-vault";
/// Records of one transaction.
const AT_ONCE: usize = 1_000;
/// How long after the mark was written something of the person may still arrive: longer than a transaction lasts that was
/// open then, and than the processors take to see the mark.
const SETTLED: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Runs one of the commands.
pub(crate) fn run(command: &VaultCommand, config: &Config) -> Result<(), Failure> {
    let ring = config.keys.as_deref().ok_or_else(|| {
        Failure::Usage(
            "keys.file: missing; the vault opens with the key ring that the processors have".into(),
        )
    })?;
    let vault = Vault::new(config, ring)?;
    match command {
        VaultCommand::Reveal(arguments) => vault.reveal(arguments),
        VaultCommand::List { person } => vault.list(person),
        VaultCommand::Forget { person, who, reason } => vault.forget(person, who, reason),
        VaultCommand::Rotate => vault.rotate(),
    }
}

struct Vault<'a> {
    config: &'a Config,
    ring: &'a KeyRing,
    names: TopicNames,
    entries: Codec<VaultEntry>,
    reveals: Codec<Reveal>,
}

/// What the vault has of a person.
#[derive(Default)]
struct OfPerson {
    keys: BTreeMap<String, DataKey>,
    values: BTreeMap<String, KeptValue>,
    forgotten_at: Option<i64>,
    /// Their records' keys, but that of the mark.
    records: Vec<String>,
}

impl<'a> Vault<'a> {
    fn new(config: &'a Config, ring: &'a KeyRing) -> Result<Self, Failure> {
        let framings = block_on(async {
            runtime::registry::framings(&config.kafka, &config.platforms.platforms())
                .await
                .map_err(Failure::failed)
        })?;
        Ok(Self {
            config,
            ring,
            names: TopicNames::new(&config.kafka.topic_prefix),
            entries: Codec::new(&framings.of(Topic::VAULT)),
            reveals: Codec::new(&framings.of(Topic::REVEALS)),
        })
    }

    fn read(&self, person: Option<&str>) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        let topic = self.names.of(Topic::VAULT);
        keyed::read(self.config.vault_kafka(), &topic, person).map_err(Failure::Failed)
    }

    fn writer(&self, topic: Topic, transactional_id: Option<&str>) -> Result<Writer, Failure> {
        let topic = self.names.of(topic);
        Writer::new(self.config.vault_kafka(), &topic, transactional_id).map_err(Failure::Failed)
    }

    fn of(&self, person: &str) -> Result<OfPerson, Failure> {
        let mut of_person = OfPerson::default();
        for (key, value) in self.read(Some(person))? {
            let Some((_, what)) = VaultKey::parse(&key).filter(|(whose, _)| *whose == person) else {
                continue;
            };
            let entry = self.entries.decode(&value).map_err(Failure::failed)?;
            match (what, entry) {
                (VaultKey::Forgotten, entry) => {
                    of_person.forgotten_at = entry.forgotten_at;
                    continue;
                }
                (_, VaultEntry { data_key: Some(key), .. }) => {
                    of_person.keys.insert(key.id.clone(), key);
                }
                (_, VaultEntry { value: Some(value), .. }) => {
                    of_person.values.insert(value.token.clone(), value);
                }
                _ => {}
            }
            of_person.records.push(key);
        }
        Ok(of_person)
    }

    /// Writes who reads what, and only then prints it.
    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn reveal(&self, arguments: &RevealArguments) -> Result<(), Failure> {
        let RevealArguments { person, token, reason, who } = arguments;
        if reason.trim().is_empty() {
            return Err(Failure::Usage("--reason: say why; it goes on record".into()));
        }
        let of_person = self.of(person)?;
        of_person.is_not_forgotten(person)?;
        let Some(value) = of_person.values.get(token) else {
            let text = format!(
                "{person}: no such token; `naru vault list --person {person}` shows those that there are"
            );
            return Err(Failure::Code(UNKNOWN, text));
        };
        if value.until <= clock::now_ms() {
            let text =
                format!("{token}: kept until {}, and may not be revealed any more", clock::iso(value.until));
            return Err(Failure::Code(OVER, text));
        }
        let Some(key) = of_person.keys.get(&value.data_key) else {
            return Err(Failure::Code(NO_KEY, format!("{token}: its key {} is gone", value.data_key)));
        };
        let revealed = unwrap(self.ring, person, key).and_then(|key| key.open(&value.kind, &value.sealed));
        let revealed = revealed.map_err(|error| Failure::Code(NO_KEY, format!("{token}: {error}")))?;
        self.record(&who.does(Act::Reveal, person, Some(value), reason))?;
        println!("{revealed}");
        Ok(())
    }

    fn record(&self, reveal: &Reveal) -> Result<(), Failure> {
        let entry = Entry {
            key: reveal.person.clone(),
            partition_by: reveal.person.clone(),
            value: Some(self.reveals.encode(reveal)),
        };
        self.writer(Topic::REVEALS, None)?.write(&[entry]).map_err(Failure::Failed)
    }

    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn list(&self, person: &str) -> Result<(), Failure> {
        let of_person = self.of(person)?;
        of_person.is_not_forgotten(person)?;
        for KeptValue { token, kind, kept_at, until, .. } in of_person.values.values() {
            println!("{token}  {kind}  kept {}  until {}", clock::iso(*kept_at), clock::iso(*until));
        }
        Ok(())
    }

    /// Marks the person as forgotten and removes her keys and values; then once more what was on its way.
    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn forget(&self, person: &str, who: &Who, reason: &str) -> Result<(), Failure> {
        let writer = self.writer(Topic::VAULT, Some(WRITER))?;
        self.record(&who.does(Act::Forget, person, None, reason))?;
        let of_person = self.of(person)?;
        let mark = VaultEntry::forgotten(person, of_person.forgotten_at.unwrap_or_else(clock::now_ms));
        let mark = Entry {
            key: VaultKey::Forgotten.of(person),
            partition_by: person.to_owned(),
            value: Some(self.entries.encode(&mark)),
        };
        let mut removed = of_person.records.len();
        let mut entries = of_person.removals(person);
        entries.push(mark);
        writer.write(&entries).map_err(Failure::Failed)?;
        let mut written = Instant::now();
        while written.elapsed() < SETTLED {
            std::thread::sleep(LOOK_AGAIN);
            let late = self.of(person)?;
            if !late.records.is_empty() {
                removed += late.records.len();
                writer.write(&late.removals(person)).map_err(Failure::Failed)?;
                written = Instant::now();
            }
        }
        println!(
            "{person}: forgotten; {removed} keys and values removed. What this person wrote lies sealed in raw topics for {} days, in dead letters for 30.",
            self.config.processors.raw_days
        );
        Ok(())
    }

    /// Wraps every data key with the newest key of the ring.
    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn rotate(&self) -> Result<(), Failure> {
        let newest = self.ring.ids().last().unwrap_or_default();
        let writer = self.writer(Topic::VAULT, Some(WRITER))?;
        let (mut all, mut closed) = (Vec::new(), BTreeSet::new());
        for (key, value) in self.read(None)? {
            let entry = self.entries.decode(&value).map_err(Failure::failed)?;
            let VaultEntry { person, data_key: Some(data_key), .. } = entry else { continue };
            if data_key.ring_key == newest {
                continue;
            }
            match unwrap(self.ring, &person, &data_key) {
                Ok(open) => {
                    let value = entry_of(&open, self.ring, &person, data_key.made_at);
                    all.push(Entry { key, partition_by: person, value: Some(self.entries.encode(&value)) });
                }
                Err(_) => drop(closed.insert(data_key.ring_key)),
            }
        }
        for some in all.chunks(AT_ONCE) {
            writer.write(some).map_err(Failure::Failed)?;
        }
        println!("{} data keys are wrapped with {newest} now", all.len());
        if closed.is_empty() {
            return Ok(());
        }
        let closed: Vec<String> = closed.into_iter().collect();
        Err(Failure::Code(
            NO_KEY,
            format!("left as they are: those of {}, which the ring does not open", closed.join(", ")),
        ))
    }
}

impl OfPerson {
    fn is_not_forgotten(&self, person: &str) -> Result<(), Failure> {
        match self.forgotten_at {
            None => Ok(()),
            Some(at) => Err(Failure::Code(FORGOTTEN, format!("{person}: forgotten on {}", clock::iso(at)))),
        }
    }

    fn removals(&self, person: &str) -> Vec<Entry> {
        let removal = |key: &String| Entry { key: key.clone(), partition_by: person.to_owned(), value: None };
        self.records.iter().map(removal).collect()
    }
}

impl Who {
    /// The record of what is done.
    fn does(&self, what: Act, person: &str, value: Option<&KeptValue>, reason: &str) -> Reveal {
        let system_user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
        Reveal {
            what,
            person: person.to_owned(),
            token: value.map(|value| value.token.clone()),
            kind: value.map(|value| value.kind.clone()),
            reason: reason.to_owned(),
            operator: self.operator.clone().unwrap_or_else(|| system_user.clone()),
            system_user,
            host: real_environment().host_name,
            at: clock::now_ms(),
        }
    }
}
