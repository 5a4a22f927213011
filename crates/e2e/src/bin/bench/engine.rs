//! Where the time goes: the engine alone in this process, without Kafka, step by step. What the processors take beyond
//! it is reading, writing and committing.

use std::time::Instant;

use processors::{Account, Framings, People, Settings, line_to_genesys};
use schemas::header;
use streams::{
    AppendTime, Chain, Counts, DedupeSet, EventTime, Limits, MemoryBlocks, Offset, Placed, Position, Record,
    Task,
};

use crate::{records, say};

const RECORDS: u64 = 200_000;
const COMMIT_EVERY: u64 = 2_000;
const DAY_MS: i64 = 86_400_000;

/// Nobody is known and nobody is an alias, as at the first start.
struct Nobody;

impl People for Nobody {
    fn alias(&self, _: &str) -> Option<String> {
        None
    }
    fn known(&self, _: &str) -> bool {
        true
    }
}

/// Prints what a message costs: parse, dedupe and hold, map and encode.
pub(crate) fn run(start: i64) {
    let whole = time(chain(), start);
    let hold = time(bare_chain(), start);
    say(&format!(
        "of it the engine, alone and without Kafka: {:.2} µs: parse, identify, map and encode {:.2} · dedupe, hold and entries {hold:.2}",
        whole,
        whole - hold
    ));
}

fn chain() -> Chain<processors::Message> {
    let settings = Settings {
        accounts: vec![Account {
            name: e2e::process::account::LINE.to_owned(),
            genesys: "main".to_owned(),
            integration: e2e::process::account::INTEGRATION.to_owned(),
            market: Some("Thailand".to_owned()),
            brand: Some("Shop".to_owned()),
        }],
        hold_line_ms: 2_000,
        hold_genesys_ms: 2_000,
        hold_spooled_ms: 15_000,
        identity_key: b"a-key-of-the-benchmark-only-32-bytes".to_vec(),
        framings: Framings::SINGLE_OBJECT,
    };
    line_to_genesys(&settings, Nobody)
}

/// A chain that does nothing of its own: what is left is the engine's dedupe and hold.
fn bare_chain() -> Chain<(i64, u128)> {
    Chain::parse(|record: &Record<'_>| {
        Ok((record.append_time.0, u128::from(record.offset.0.cast_unsigned()) << 40))
    })
    .dedupe(|(_, key)| *key)
    .reorder(2_000, |(time, key)| Placed {
        conversation: (key >> 40) % 5_000,
        event_time: EventTime(*time),
        sequence: 0,
        bytes: 400,
    })
    .map(|_, _| {})
}

/// µs a message of a task with this chain.
fn time<M>(chain: Chain<M>, start: i64) -> f64 {
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
    let begun = Instant::now();
    for (n, (time, line, event_time, received)) in (0_u64..).zip(&lines) {
        let headers: [(&str, &[u8]); 6] = [
            (header::EVENT_TIME, event_time.as_bytes()),
            (header::EVENT_ID, line.event_id.as_bytes()),
            (header::EVENT_TYPE, b"message"),
            (header::REDELIVERY, b"false"),
            (header::ACCOUNT, e2e::process::account::LINE.as_bytes()),
            (header::RECEIVED, received.as_bytes()),
        ];
        let record = Record {
            offset: Offset(n.cast_signed()),
            append_time: AppendTime(*time),
            key: line.key.as_bytes(),
            value: line.value.as_bytes(),
            headers: &headers,
        };
        task.process(&record).expect("memory does not fail");
        if n % COMMIT_EVERY == 0 {
            let _ = task.take_effects();
            task.committed().expect("memory does not fail");
        }
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(RECORDS).expect("small"))
}
