//! Spool files that the version before wrote, as `crates/e2e/tests/data/upgrade` has them: every record is drained, in
//! order, as it was, with the header that says where it was.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ingress::{NewRecord, Spool};
use keys::KeyRing;
use runtime::Clock;
use schemas::{Reason, header};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::{DEADLINE, Log, Mood, RECEIVED};
use crate::spool::spool_settings;

/// The instance's name, which is that of its folder.
const INSTANCE: &str = "naru-0";

fn recorded(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/e2e/tests/data/upgrade")).join(name)
}

/// What is in the files, a request an element.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    plain: Vec<Request>,
    sealed: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    records: Vec<Recorded>,
    #[serde(rename = "spooled_ms")]
    _spooled_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    topic: String,
    key: String,
    headers: Vec<(String, String)>,
    opened: String,
    /// What was sealed, in base64.
    value: Option<String>,
}

fn files() -> Files {
    serde_json::from_str(&fs::read_to_string(recorded("spool.json")).unwrap()).unwrap()
}

/// What comes out of a recorded file that is in `folder` when the instance starts.
async fn drained(file: &str, folder: &str) -> Vec<NewRecord> {
    let dir = TempDir::new().unwrap();
    let segment = dir.path().join(folder).join("1.seg");
    fs::create_dir(segment.parent().unwrap()).unwrap();
    fs::copy(recorded(file), &segment).unwrap();

    let log = Log::new(Mood::Takes);
    let spool = Spool::open(spool_settings(dir.path(), INSTANCE), Clock::manual(RECEIVED)).unwrap();
    let to = log.clone();
    let drain = tokio::spawn(async move { spool.drain(&to).await });
    let end = Instant::now() + DEADLINE;
    // It is removed once all in it is drained.
    while segment.exists() {
        assert!(Instant::now() < end, "{file} is not drained");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drain.abort();
    let refused = fs::read_dir(dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file());
    assert_eq!(refused.count(), 0, "nothing is set aside");
    log.take()
}

fn compare(drained: &[NewRecord], requests: &[Request], sealed: bool) {
    let ring = KeyRing::parse(&fs::read_to_string(recorded("keys.toml")).unwrap()).unwrap();
    let expected: Vec<&Recorded> = requests.iter().flat_map(|request| &request.records).collect();
    assert_eq!((requests.len(), expected.len(), drained.len()), (7, 11, 11));
    for (at, (record, recorded)) in drained.iter().zip(expected).enumerate() {
        assert_eq!((record.topic.name(), &record.key), (&*recorded.topic, &recorded.key), "record {at}");
        let headers: Vec<(&str, &str)> = record.headers.iter().map(|(name, v)| (&**name, &**v)).collect();
        let before = recorded.headers.iter().map(|(name, value)| (&**name, &**value));
        assert_eq!(headers, before.chain([("naru-spooled", "true")]).collect::<Vec<_>>(), "record {at}");
        let reason = recorded.headers.iter().find(|(name, _)| name == "naru-dead-reason");
        assert_eq!(record.dead().map(Reason::code), reason.map(|(_, code)| &**code), "record {at}");

        assert_eq!(recorded.value.is_some(), sealed);
        let value = recorded.value.as_ref().map(|value| STANDARD.decode(value).unwrap());
        assert_eq!(record.value, value.unwrap_or_else(|| recorded.opened.clone().into()), "record {at}");
        let opened = match record.header(header::KEY) {
            Some(key) => ring.open(key, record.key.as_bytes(), &record.value).unwrap(),
            None => record.value.to_vec(),
        };
        assert_eq!(opened, recorded.opened.as_bytes(), "record {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_beside_its_own_is_drained() {
    compare(&drained("spool/1.seg", "naru-1").await, &files().sealed, true);
    compare(&drained("spool-plain/1.seg", "naru-1").await, &files().plain, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_folder_is_drained() {
    compare(&drained("spool/1.seg", INSTANCE).await, &files().sealed, true);
    compare(&drained("spool-plain/1.seg", INSTANCE).await, &files().plain, false);
}
