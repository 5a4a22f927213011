//! Runs one of the chains over records and says what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use mask::{Find, Masker};
use platforms::{Account, Feeds, Platform, Setup};
use processors::{Entry, Incoming, People, Settings, Vault, chain, routes};
use schemas::{AccountRef, Framings, Outbox, Reason, header};
use streams::{
    AppendTime, Chain, Counts, DedupeSet, Effects, Limits, MemoryBlocks, Offset, Output, Position, Record,
    Task, TaskTime,
};

/// Compiled once: it takes longer than a test.
static MASKER: LazyLock<Arc<Masker>> = LazyLock::new(|| Arc::new(Masker::built_in()));

/// The time of every event, unless a test says otherwise.
pub(crate) const EVENT_TIME: i64 = 1_790_000_000_000;
/// When ingress had it.
pub(crate) const RECEIVED: i64 = EVENT_TIME + 100;
pub(crate) const INTEGRATION: &str = "a2171742-7359-41cf-aa68-ad5049250806";
const HOLD: i64 = 2_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    LineToGenesys,
    GenesysToLine,
}

/// A raw record, as ingress writes it.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Vec<u8>,
}

/// An identity table that stays as it is.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) known: BTreeSet<String>,
    pub(crate) aliases: BTreeMap<String, String>,
}

impl People for Table {
    fn find(&self, guid: &str) -> Entry {
        match self.aliases.get(guid) {
            Some(person) => Entry::AliasOf(person.clone()),
            None if self.known.contains(guid) => Entry::Person,
            None => Entry::Nothing,
        }
    }
}

/// A vault that keeps all that it may, in no topic, and gives what it was for a token, its digits as letters.
struct Plain;

impl Vault for Plain {
    fn found(&mut self, _: &str, find: Find, _: i64, _: &mut Vec<Output>) -> Option<String> {
        let letter = |byte: u8| char::from(if byte.is_ascii_digit() { byte - b'0' + b'A' } else { byte });
        find.original.map(|original| original.canonical.bytes().map(letter).collect())
    }
}

/// Two LINE accounts that feed one client.
fn setup() -> Setup {
    let account = |name: &str, integration: &str, attributes: &[(&str, &str)]| Account {
        account: AccountRef::new("line", name),
        feeds: Feeds { client: "main".into(), integration: integration.into(), webhook_secrets: Vec::new() },
        attributes: Arc::new(attributes.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()),
    };
    let accounts = vec![
        account("line-th", INTEGRATION, &[("market", "Thailand"), ("brand", "Retail_Thai")]),
        account("line-jp", "b2171742-7359-41cf-aa68-ad5049250806", &[]),
    ];
    Setup { accounts, ..Setup::default() }
}

pub(crate) fn settings(direction: Direction) -> Settings {
    let source = direction.source();
    Settings {
        source,
        routes: routes(source, &setup()),
        hold_ms: HOLD,
        together: false,
        hold_spooled_ms: HOLD,
        masker: MASKER.clone(),
        mask_agent_texts: false,
        keys: None,
        identity_key: b"a key for tests".to_vec(),
        framings: Framings::single_object(),
    }
}

impl Direction {
    fn source(self) -> &'static Platform {
        match self {
            Direction::LineToGenesys => &platforms::line::PLATFORM,
            Direction::GenesysToLine => &platforms::genesys::PLATFORM,
        }
    }
}

/// The text of a record that is one text.
pub(crate) fn text_of(record: &Outbox) -> &str {
    match &record.contents[..] {
        [schemas::Content::Text { text }] => text,
        _ => panic!("not one text"),
    }
}

impl Raw {
    /// With the headers that ingress takes from the event itself.
    pub(crate) fn new(direction: Direction, key: &str, value: &[u8]) -> Self {
        let (account, id) = match direction {
            Direction::LineToGenesys => ("line-th", "webhookEventId"),
            Direction::GenesysToLine => (INTEGRATION, "id"),
        };
        let mut headers = BTreeMap::from([
            (header::ACCOUNT.to_owned(), account.to_owned()),
            (header::EVENT_TIME.to_owned(), EVENT_TIME.to_string()),
            (header::RECEIVED.to_owned(), RECEIVED.to_string()),
        ]);
        let event: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
        for (name, field) in [(header::EVENT_ID, id), (header::EVENT_TYPE, "type")] {
            if let Some(text) = event[field].as_str() {
                headers.insert(name.to_owned(), text.to_owned());
            }
        }
        Self { key: key.to_owned(), headers, value: value.to_vec() }
    }
}

/// What became of the records, once all holds are over.
pub(crate) fn run(direction: Direction, people: Table, records: &[Raw]) -> (Effects, Counts) {
    run_with(&settings(direction), people, records)
}

pub(crate) fn run_with(settings: &Settings, people: Table, records: &[Raw]) -> (Effects, Counts) {
    let chain: Chain<Box<Incoming>> = chain(settings, people, Plain);
    let limits = Limits {
        dedupe_retention: 30 * DAY,
        source_retention: 7 * DAY,
        too_old: Reason::TooOld.code(),
        too_far_in_future: Reason::TooFarInFuture.code(),
    };
    let (dedupe, _) = DedupeSet::open(MemoryBlocks::default()).unwrap();
    let mut task = Task::new(chain, limits, dedupe, Position(0), Counts::default());
    for (offset, raw) in (0..).zip(records) {
        let headers: Vec<(&str, &[u8])> =
            raw.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let record = Record {
            offset: Offset(offset),
            append_time: AppendTime(RECEIVED + offset),
            key: raw.key.as_bytes(),
            value: &raw.value,
            headers: &headers,
        };
        task.process(&record).unwrap();
    }
    task.advance(TaskTime(RECEIVED + DAY));
    assert_eq!(task.held(), 0);
    (task.take_effects(), *task.counts())
}
