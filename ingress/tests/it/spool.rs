//! The spool over the real port: a broker that goes silent and comes back, a process that is killed, a disk that is
//! full, a record that is refused for good, a folder whose process is gone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ingress::{AppendError, NewRecord, Settings, Spool, SpoolSettings};
use runtime::Clock;
use schemas::header;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::{
    DEADLINE, GENESYS_SECRET, LINE, LINE_SECRET, Log, Mood, RECEIVED, Server, Start, settings, signed,
    webhooks,
};

/// Short, so that a test that waits for it is quick.
const ACK_TIMEOUT: Duration = Duration::from_millis(100);
/// LINE's limit for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

pub(crate) fn spool_settings(dir: &Path, instance: &str) -> SpoolSettings {
    SpoolSettings {
        dir: dir.to_owned(),
        instance: instance.to_owned(),
        max_bytes: 1 << 30,
        queue_bytes: 1 << 26,
        pause: Duration::from_millis(5),
        patience: Duration::from_millis(50),
        orphans_every: Duration::from_millis(20),
    }
}

async fn start(log: &Log, spool: SpoolSettings) -> Server {
    start_at(log, spool, &Clock::manual(RECEIVED)).await
}

/// With a spool, which is drained into the same log.
fn starting(log: &Log, spool: Spool) -> Start {
    let settings = Settings { ack_timeout: ACK_TIMEOUT, ..settings() };
    let start = Start::new(settings, webhooks(&[LINE_SECRET], &[GENESYS_SECRET]));
    Start { log: log.clone(), spool: Some(spool), ..start }
}

async fn start_at(log: &Log, spool: SpoolSettings, clock: &Clock) -> Server {
    starting(log, Spool::open(spool, clock.clone()).unwrap()).start().await
}

fn body(n: usize) -> Vec<u8> {
    format!(
        r#"{{"events":[{{"type":"message","timestamp":179000000{n:04},"source":{{"type":"user","userId":"U1"}}}}]}}"#
    )
    .into()
}

async fn post(server: &Server, n: usize) -> u16 {
    let began = Instant::now();
    let answer = server.post(LINE, &body(n)).await;
    assert!(began.elapsed() < ANSWERED_WITHIN, "answered after {:?}", began.elapsed());
    if answer.status == 503 {
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    answer.status
}

/// The number of a webhook, from its record, and whether that came out of a spool.
fn told(record: &NewRecord) -> (usize, bool) {
    let time: usize = record.header(header::EVENT_TIME).unwrap().parse().unwrap();
    (time - 1_790_000_000_000, record.header(header::SPOOLED) == Some("true"))
}

/// Waits until `count` more records have reached the log.
async fn taken(log: &Log, count: usize) -> Vec<(usize, bool)> {
    let mut all = Vec::new();
    let end = Instant::now() + DEADLINE;
    while all.len() < count {
        assert!(Instant::now() < end, "only {all:?}");
        all.extend(log.take().iter().map(told));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all
}

fn spooled(numbers: impl Iterator<Item = usize>) -> Vec<(usize, bool)> {
    numbers.map(|n| (n, true)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_silent_all_is_answered_200_and_drained_in_order_when_it_speaks() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Takes));
    let clock = Clock::manual(RECEIVED);
    let server = start_at(&log, spool_settings(dir.path(), "one"), &clock).await;
    assert_eq!(post(&server, 0).await, 200);
    assert_eq!(taken(&log, 1).await, [(0, false)]);
    log.set(Mood::Silent);
    for n in 1..60 {
        assert_eq!(post(&server, n).await, 200);
    }
    assert!(log.take().is_empty());
    log.set(Mood::Takes);
    assert_eq!(taken(&log, 59).await, spooled(1..60));
    // What comes just after is marked all the same: a sibling may not have drained its spool yet.
    for n in 60..90 {
        assert_eq!(post(&server, n).await, 200);
    }
    assert_eq!(taken(&log, 30).await, spooled(60..90));
    // What comes later goes its own way again, and has no mark.
    clock.set(RECEIVED + 3_000);
    let end = Instant::now() + DEADLINE;
    let mut n = 90;
    loop {
        assert_eq!(post(&server, n).await, 200);
        match taken(&log, 1).await[..] {
            [(got, false)] if got == n => break,
            [(got, true)] if got == n && Instant::now() < end => n += 1,
            ref other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_unavailable_costs_no_wait_at_all() {
    let (dir, log) =
        (TempDir::new().unwrap(), Log::new(Mood::Fails(AppendError::Unavailable("queue full".into()))));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    for n in 0..20 {
        assert_eq!(post(&server, n).await, 200);
    }
    log.set(Mood::Takes);
    assert_eq!(taken(&log, 20).await, spooled(0..20));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_overtakes_what_is_in_the_spool() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    assert_eq!(post(&server, 0).await, 200);
    // The broker is back while webhooks come in one after the other: each must stay behind those before it.
    let sender = async {
        for n in 1..300 {
            assert_eq!(post(&server, n).await, 200);
        }
    };
    let broker = async {
        tokio::time::sleep(4 * ACK_TIMEOUT).await;
        log.set(Mood::Takes);
    };
    tokio::join!(sender, broker);
    let numbers: Vec<_> = taken(&log, 300).await.into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_has_answered_is_drained_by_the_next() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    for n in 0..30 {
        assert_eq!(post(&server, n).await, 200);
    }
    server.kill().await;
    // As a power cut leaves it: in the middle of a write.
    let folder = fs::read_dir(dir.path().join("one")).unwrap().map(|entry| entry.unwrap().path());
    let segment = folder.into_iter().find(|path| path.extension().is_some_and(|e| e == "seg")).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3]);
    fs::write(&segment, bytes).unwrap();

    let server = start(&log, spool_settings(dir.path(), "one")).await;
    assert_eq!(post(&server, 30).await, 200);
    log.set(Mood::Takes);
    assert_eq!(taken(&log, 31).await, spooled(0..31));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_spool_is_drained_by_whoever_can_lock_it() {
    let (dir, log, other) = (TempDir::new().unwrap(), Log::new(Mood::Silent), Log::new(Mood::Takes));
    let gone = start(&log, spool_settings(dir.path(), "gone")).await;
    let sibling = start(&other, spool_settings(dir.path(), "sibling")).await;
    for n in 0..30 {
        assert_eq!(post(&gone, n).await, 200);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(other.take().is_empty(), "as long as its process lives it is nobody else's");
    gone.kill().await;
    assert_eq!(taken(&other, 30).await, spooled(0..30));
    // What the sibling takes in meanwhile goes straight on.
    assert_eq!(post(&sibling, 30).await, 200);
    assert_eq!(taken(&other, 1).await, [(30, false)]);
    let end = Instant::now() + DEADLINE;
    while dir.path().join("gone").exists() {
        assert!(Instant::now() < end, "the empty folder stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_is_503_and_loses_nothing_that_got_200() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let small = SpoolSettings { max_bytes: 4_000, ..spool_settings(dir.path(), "one") };
    let server = start(&log, small).await;
    let mut kept = 0;
    while post(&server, kept).await == 200 {
        kept += 1;
    }
    assert!(kept > 5, "{kept}");
    assert_eq!(post(&server, kept).await, 503);
    log.set(Mood::Takes);
    assert_eq!(taken(&log, kept).await, spooled(0..kept));
    assert_eq!(post(&server, kept).await, 200, "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_for_good_is_not_spooled() {
    let (dir, log) =
        (TempDir::new().unwrap(), Log::new(Mood::Fails(AppendError::Refused("too large".into()))));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    assert_eq!(post(&server, 0).await, 503);
    log.set(Mood::Takes);
    assert_eq!(post(&server, 1).await, 200);
    assert_eq!(taken(&log, 1).await, [(1, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_when_it_is_drained_is_set_aside_and_blocks_nothing() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    for n in 0..20 {
        assert_eq!(post(&server, n).await, 200);
    }
    log.set(Mood::Refuses(|record| told(record).0 == 7));
    let numbers: Vec<_> = taken(&log, 19).await.into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, (0..20).filter(|n| *n != 7).collect::<Vec<_>>());
    let aside = || {
        let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|e| e == "refused")).unwrap()
    };
    let aside = aside();

    // Once the cause is removed, a person sends it again.
    log.set(Mood::Takes);
    fs::create_dir(dir.path().join("again")).unwrap();
    fs::rename(aside, dir.path().join("again/1.seg")).unwrap();
    assert_eq!(taken(&log, 1).await, [(7, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_believed_at_once() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let patient = SpoolSettings { patience: DEADLINE, ..spool_settings(dir.path(), "one") };
    let server = start(&log, patient).await;
    assert_eq!(post(&server, 0).await, 200);
    log.set(Mood::Fails(AppendError::Refused("unknown topic".into())));
    let before = *log.asked.borrow();
    let mut asked = log.asked.subscribe();
    tokio::time::timeout(DEADLINE, asked.wait_for(|asked| *asked > before + 3))
        .await
        .expect("tried again")
        .unwrap();
    log.set(Mood::Takes);
    assert_eq!(taken(&log, 1).await, [(0, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_are_spooled_at_once_and_each_keeps_its_order() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    assert_eq!(post(&server, 9_999).await, 200);
    let began = Instant::now();
    let connections = (0..20).map(|connection| {
        let server = &server;
        async move {
            let mut client = server.connect().await;
            for n in 0..50 {
                client.write(&signed(LINE, &body(connection * 100 + n))).await;
                assert_eq!(client.answer().await.unwrap().status, 200);
            }
        }
    });
    futures_util::future::join_all(connections).await;
    println!("1,000 webhooks of 20 connections spooled in {:?}", began.elapsed());
    log.set(Mood::Takes);
    let all = taken(&log, 1_001).await;
    for connection in 0..20 {
        let own: Vec<_> = all.iter().map(|(n, _)| *n).filter(|n| n / 100 == connection).collect();
        assert_eq!(own, (connection * 100..connection * 100 + 50).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_503_and_forgotten_when_it_works_again() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let server = start(&log, spool_settings(dir.path(), "one")).await;
    fs::rename(dir.path().join("one"), dir.path().join("elsewhere")).unwrap();
    assert_eq!(post(&server, 0).await, 503);
    fs::rename(dir.path().join("elsewhere"), dir.path().join("one")).unwrap();
    assert_eq!(post(&server, 1).await, 200);
    log.set(Mood::Takes);
    assert_eq!(taken(&log, 1).await, [(1, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_disk_is_bounded() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let slow = SpoolSettings { queue_bytes: 10, ..spool_settings(dir.path(), "one") };
    let server = start(&log, slow).await;
    assert_eq!(post(&server, 0).await, 503);
    log.set(Mood::Takes);
    assert_eq!(post(&server, 1).await, 200);
    assert_eq!(taken(&log, 1).await, [(1, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_ring_neither_the_spool_nor_the_log_can_be_read() {
    let (dir, log) = (TempDir::new().unwrap(), Log::new(Mood::Silent));
    let spool = Spool::open(spool_settings(dir.path(), "one"), Clock::manual(RECEIVED)).unwrap();
    let keys = std::sync::Arc::new(keys::KeyRing::of("a", keys::Secret([1; 32])));
    let server = Start { keys: Some(keys.clone()), ..starting(&log, spool) }.start().await;
    // The second has no time: it is a dead letter.
    for body in
        [body(0), br#"{"events":[{"type":"message","source":{"type":"user","userId":"U1"}}]}"#.to_vec()]
    {
        assert_eq!(server.post(LINE, &body).await.status, 200);
    }
    let files =
        fs::read_dir(dir.path().join("one")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let files: Vec<u8> = files.flatten().collect();
    assert!(!files.is_empty() && !files.windows(8).any(|window| window == b"\"source\""));

    log.set(Mood::Takes);
    let end = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while records.len() < 2 {
        assert!(Instant::now() < end, "only {records:?}");
        records.extend(log.take());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for record in records {
        let opened = keys.open(record.header(header::KEY).unwrap(), record.key.as_bytes(), &record.value);
        assert!(opened.unwrap().starts_with(br#"{"type":"message""#) || record.dead().is_some());
    }
}
