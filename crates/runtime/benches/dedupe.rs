//! The dedupe set on sled with ten million keys: time per look-up and insert, memory, and time to reopen.
//!
//! The keys come as a partition sees them: a thousand a second by event time, one in a hundred up to ten minutes
//! late, one in twenty a duplicate; committed entries are written back every minute of that time. Prints what
//! it measured beside the aim.

use std::time::{Duration, Instant};

use runtime::store::{SledBlocks, StateStore};
use streams::{DedupeSet, Entry, Minute, Offset};

const KEYS: i64 = 10_000_000;
/// Messages a second of event time.
const RATE: i64 = 1_000;
/// Messages between two write-backs.
const WRITE_BACK: i64 = 60 * RATE;
/// Look-ups of old keys, whose minute is long closed.
const OLD: i64 = 20_000;

/// The nth message: its key and the minute of its event.
fn message(n: i64) -> (Minute, u128) {
    let duplicate = n % 20 == 19 && n > 600;
    let n = if duplicate { n - 1 - n % 600 } else { n };
    let late = if n % 100 == 7 { n % 600_000 } else { 0 };
    let millis = 1_790_000_000_000 + n * 1_000 / RATE - late;
    (Minute::of(millis), spread(n))
}

/// A hash as a real one would be: every bit depends on every bit.
fn spread(n: i64) -> u128 {
    let half = |salt: u64| {
        let mut x = n.cast_unsigned() ^ salt;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    };
    (u128::from(half(0x9E37_79B9)) << 64) | u128::from(half(0x7F4A_7C15))
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    kib / 1024
}

fn micros(time: Duration, count: i64) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

fn set(store: &StateStore) -> (DedupeSet<SledBlocks>, Option<i64>) {
    DedupeSet::open(store.blocks("webhooks.line", 0).expect("a tree")).expect("a set")
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = StateStore::open(dir.path(), "bench", "dedupe").expect("a store");
    let (mut dedupe, _) = set(&store);
    let begin = Instant::now();
    let (mut new, mut duplicates) = (0_i64, 0_i64);
    for n in 0..KEYS * 20 / 19 {
        let (minute, key) = message(n);
        match dedupe.get(minute, key).expect("readable") {
            Some(_) => duplicates += 1,
            None => {
                new += 1;
                dedupe.insert(Entry { minute, key, offset: Offset(n) }).expect("writable");
            }
        }
        if n % WRITE_BACK == 0 {
            dedupe.write_back(Some(n)).expect("writable");
        }
    }
    let filled = begin.elapsed();
    let memory = resident();

    let begin = Instant::now();
    let found = (0..OLD)
        .filter(|i| {
            let (minute, key) = message(i * 400);
            dedupe.get(minute, key).expect("readable").is_some()
        })
        .count();
    let old = begin.elapsed();
    assert_eq!(found, OLD as usize, "every old key is known");
    dedupe.write_back(Some(0)).expect("writable");
    drop(dedupe);
    drop(store);

    let begin = Instant::now();
    let store = StateStore::open(dir.path(), "bench", "dedupe").expect("a store");
    let (mut reopened, position) = set(&store);
    let (minute, key) = message(12_345);
    assert!(reopened.get(minute, key).expect("readable").is_some() && position == Some(0));
    let reopen = begin.elapsed();

    println!("dedupe set, {new} keys, {duplicates} duplicates, one partition");
    println!("look-up and insert   {:>8.2} µs      aim ≤ 1 µs", micros(filled, new + duplicates));
    println!("look-up of old key   {:>8.2} µs", micros(old, OLD));
    println!("resident             {memory:>8} MB      aim ≤ 500 MB");
    println!("reopen               {:>8.2} s       aim ≤ 2 s", reopen.as_secs_f64());
}
