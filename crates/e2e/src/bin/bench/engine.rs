//! Where the time goes: the engine alone in this process, without Kafka, step by step. What the processors take beyond
//! it is reading, writing and committing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mask::{Find, Masker};
use platforms::{Account, Feeds, Setup};
use processors::{Entry, Incoming, People, Settings, Vault, routes};
use schemas::{AccountRef, Codec, Content, Framing, Framings, Outbox, header};
use streams::{
    AppendTime, Chain, Counts, DedupeSet, EventTime, Limits, MemoryBlocks, Offset, Output, Placed, Position,
    ReceiptTime, Record, Task, TaskTime,
};

use crate::{records, say};

const RECORDS: u64 = 200_000;
const HOLD_MS: i64 = 2_000;
const DAY_MS: i64 = 86_400_000;

/// Everybody is in the table already.
struct Known;

impl People for Known {
    fn find(&self, _: &str) -> Entry {
        Entry::Person
    }
}

impl Vault for Known {
    fn found(&mut self, _: &str, _: Find, _: i64, _: &mut Vec<Output>) -> Option<String> {
        None
    }
}

/// Prints what a message costs, step by step, and returns the whole, in µs.
pub(crate) fn run(start: i64) -> f64 {
    let (chain, bare) = (time(chain(), start), time(bare_chain(), start));
    let encode = encode(start);
    let parse = chain.taken_in - bare.taken_in;
    let map = chain.released - bare.released - encode;
    let whole = chain.taken_in + chain.released;
    say(&format!(
        "of it the engine, alone and without Kafka: {whole:.2} µs: parse {parse:.2} · dedupe and hold {:.2} · release and entries {:.2} · identify and map {map:.2} · encode {encode:.2}",
        bare.taken_in, bare.released
    ));
    whole
}

/// µs for the Avro encoding of one outbox record.
fn encode(start: i64) -> f64 {
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    let record = Outbox {
        identity: "0f".repeat(16),
        platform: "line".into(),
        account: e2e::process::account::LINE.into(),
        integration: e2e::process::account::INTEGRATION.into(),
        person: "6f4a0c1e-0000-8000-8000-000000000001".to_owned(),
        message_id: "461230966842000000".to_owned(),
        event_time: start,
        received: start,
        late_by: 0,
        contents: vec![Content::Text { text: records::TEXTS[0].to_owned() }],
        attributes: attributes(),
        tokens: Vec::new(),
    };
    let begun = Instant::now();
    for _ in 0..RECORDS {
        std::hint::black_box(codec.encode(std::hint::black_box(&record)));
    }
    each(begun.elapsed())
}

fn attributes() -> Arc<BTreeMap<String, String>> {
    let attributes = [("market", "Thailand"), ("brand", "Shop")];
    Arc::new(attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

fn each(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / f64::from(u32::try_from(RECORDS).expect("small"))
}

fn chain() -> Chain<Box<Incoming>> {
    let account = Account {
        account: AccountRef::new("line", e2e::process::account::LINE),
        feeds: Feeds {
            client: "main".to_owned(),
            integration: e2e::process::account::INTEGRATION.into(),
            webhook_secrets: Vec::new(),
        },
        attributes: attributes(),
    };
    let source = &platforms::line::PLATFORM;
    let settings = Settings {
        source,
        routes: routes(source, &Setup { accounts: vec![account], ..Setup::default() }),
        hold_ms: HOLD_MS,
        together: false,
        hold_spooled_ms: 15_000,
        masker: Arc::new(Masker::built_in()),
        mask_agent_texts: false,
        keys: None,
        identity_key: b"a-key-of-the-benchmark-only-32-bytes".to_vec(),
        framings: Framings::single_object(),
    };
    processors::chain(&settings, Known, Known)
}

/// A chain that does nothing of its own: what is left is the engine's dedupe and hold.
fn bare_chain() -> Chain<(i64, u128)> {
    Chain::parse(|record: &Record<'_>| {
        Ok((record.append_time.0, u128::from(record.offset.0.cast_unsigned()) << 40))
    })
    .dedupe(|(_, key)| *key)
    .reorder(HOLD_MS, |(time, key)| Placed {
        conversation: (key >> 40) % 5_000,
        event_time: EventTime(*time),
        received: ReceiptTime(*time),
        sequence: 0,
        bytes: 400,
    })
    .map(|_, _| {})
}

/// µs a message.
struct Cost {
    /// From the record into the hold.
    taken_in: f64,
    /// From the hold to effects and entries.
    released: f64,
}

/// What a message costs in a task with this chain: a hold's worth of them is taken in, then released, again and again.
fn time<M>(chain: Chain<M>, start: i64) -> Cost {
    let limits = Limits {
        dedupe_retention: 30 * DAY_MS,
        source_retention: 7 * DAY_MS,
        too_old: "too_old",
        too_far_in_future: "too_far_in_future",
    };
    let (set, _) = DedupeSet::open(MemoryBlocks::default()).expect("memory does not fail");
    let mut task = Task::new(chain, limits, set, Position(0), Counts::default());
    let lines: Vec<(i64, records::Line, String, String)> = (0..RECORDS)
        .map(|n| {
            let time = start + n.cast_signed();
            (time, records::line(n, time - 80), (time - 80).to_string(), time.to_string())
        })
        .collect();
    let (mut taken_in, mut released) = (Duration::ZERO, Duration::ZERO);
    let mut numbered = (0_i64..).zip(&lines).peekable();
    while let Some((_, (batch, ..))) = numbered.peek() {
        let batch = *batch;
        let begun = Instant::now();
        while let Some((n, (time, line, event_time, received))) =
            numbered.next_if(|(_, (time, ..))| *time < batch + HOLD_MS)
        {
            let headers: [(&str, &[u8]); 6] = [
                (header::EVENT_TIME, event_time.as_bytes()),
                (header::EVENT_ID, line.event_id.as_bytes()),
                (header::EVENT_TYPE, b"message"),
                (header::REDELIVERY, b"false"),
                (header::ACCOUNT, e2e::process::account::LINE.as_bytes()),
                (header::RECEIVED, received.as_bytes()),
            ];
            let record = Record {
                offset: Offset(n),
                append_time: AppendTime(*time),
                key: line.key.as_bytes(),
                value: line.value.as_bytes(),
                headers: &headers,
            };
            task.process(&record).expect("memory does not fail");
        }
        taken_in += begun.elapsed();
        let begun = Instant::now();
        task.advance(TaskTime(batch + 2 * HOLD_MS));
        let _ = task.take_effects();
        task.committed().expect("memory does not fail");
        released += begun.elapsed();
    }
    Cost { taken_in: each(taken_in), released: each(released) }
}
