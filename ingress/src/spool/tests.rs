//! The files: written, truncated at every byte, damaged, full, taken over. The rest is in `thread_tests.rs` and, over the
//! real port, in `tests/it/spool.rs`.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use schemas::{Reason, Topic, header};
use tempfile::TempDir;

use super::*;
use crate::spool::store::WriteError;

const NOW: i64 = 1_790_000_000_000;
const ROOMY: Bounds = Bounds { max_bytes: 1 << 30, segment_bytes: 1 << 24 };

pub(super) fn record(n: usize) -> NewRecord {
    NewRecord {
        topic: platforms::ALL[0].source.webhooks,
        key: format!("shop:U{n}"),
        headers: vec![(header::EVENT_TIME.into(), n.to_string().into()), ("x".into(), String::new().into())],
        value: Bytes::from(format!("value {n} 안녕")),
        dead: None,
    }
}

fn dead() -> NewRecord {
    NewRecord {
        topic: Topic::DEAD_LETTERS,
        key: "shop:".into(),
        headers: vec![(header::DEAD_REASON.into(), Reason::NotJson.code().into())],
        value: Bytes::from_static(b"\0\xff not text"),
        dead: Some(Reason::NotJson),
    }
}

fn frame(n: usize) -> Vec<u8> {
    entry::encode(NOW + n as i64, &[record(n)])
}

pub(super) fn open(dir: &Path, bounds: Bounds) -> Store {
    Store::open(Folder::own(dir, "me").unwrap(), bounds).unwrap()
}

/// Reads and finishes everything, and gives the records.
fn drain(store: &mut Store) -> Vec<NewRecord> {
    let mut all = Vec::new();
    while let Some(batch) = store.read(NOW).unwrap() {
        all.extend(batch.entries.into_iter().flat_map(|entry| entry.records));
        store.done(batch.end).unwrap();
    }
    all
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

#[test]
fn a_request_comes_back_as_it_was() {
    let records =
        vec![record(1), dead(), NewRecord { value: Bytes::new(), headers: Vec::new(), ..record(2) }];
    let frame = Bytes::from(entry::encode(NOW, &records));
    assert_eq!(entry::frame(&frame), entry::Frame::Whole(frame.len()));
    assert_eq!(entry::decode(&frame), Some(entry::Entry { spooled_ms: NOW, records }));
}

#[test]
fn the_format_is_what_earlier_versions_wrote() {
    let parts: [&[u8]; 8] = [
        b"\x58\x00\x00\x00\x98\x97\x96\xcd",
        b"\x00\x6c\x50\xc4\xa0\x01\x00\x00\x01\0\0\0",
        b"\x0c\0\0\0dead-letters",
        b"\x05\0\0\0shop:",
        b"\x01\0\0\0",
        b"\x10\0\0\0naru-dead-reason",
        b"\x08\0\0\0not_json",
        b"\x0b\0\0\0\0\xff not text",
    ];
    let written = Bytes::from(parts.concat());
    assert_eq!(entry::encode(NOW, &[dead()]), written);
    assert_eq!(entry::decode(&written), Some(entry::Entry { spooled_ms: NOW, records: vec![dead()] }));
    for platform in platforms::ALL {
        let records = vec![NewRecord { topic: platform.source.webhooks, ..record(1) }];
        let written = Bytes::from(entry::encode(NOW, &records));
        assert_eq!(entry::decode(&written), Some(entry::Entry { spooled_ms: NOW, records }));
    }
}

#[test]
fn no_bit_of_a_frame_may_change() {
    let good = frame(7);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(entry::frame(&bad), entry::Frame::Whole(_)), "bit {bit}");
    }
    assert_eq!(entry::frame(&[0; 64]), entry::Frame::Broken(8), "zeros are no frame");
}

#[test]
fn a_write_torn_at_any_byte_costs_nothing_that_stands_before_it() {
    let (whole, last) = ([frame(1), frame(2), frame(3)].concat(), frame(4));
    for cut in 0..last.len() {
        for tail in [&last[..cut], &[&last[..cut], &[0; 4096][..]].concat()] {
            let dir = TempDir::new().unwrap();
            fs::create_dir(dir.path().join("me")).unwrap();
            let bytes = [&entry::MAGIC[..], &whole, tail].concat();
            fs::write(dir.path().join("me/00000000000000000001.seg"), bytes).unwrap();
            let mut store = open(dir.path(), ROOMY);
            // What comes now is behind what was left.
            store.write(&frame(5)).unwrap();
            store.sync().unwrap();
            assert_eq!(drain(&mut store), [1, 2, 3, 5].map(record), "cut at {cut}");
            assert_eq!(store.pending(), 0);
            assert!(files(&dir.path().join("me"), ".seg").is_empty());
        }
    }
}

#[test]
fn a_file_that_a_crash_left_without_a_head_is_no_obstacle() {
    for length in 0..entry::MAGIC.len() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("me")).unwrap();
        fs::write(dir.path().join("me/00000000000000000001.seg"), &entry::MAGIC[..length]).unwrap();
        let mut store = open(dir.path(), ROOMY);
        store.write(&frame(1)).unwrap();
        store.sync().unwrap();
        assert_eq!(drain(&mut store), [record(1)]);
    }
}

#[test]
fn what_is_damaged_is_set_aside_and_blocks_nothing() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("me")).unwrap();
    let mut bad = frame(2);
    bad[20] ^= 1;
    let file =
        |name: &str, parts: &[&[u8]]| fs::write(dir.path().join("me").join(name), parts.concat()).unwrap();
    file("00000000000000000001.seg", &[&entry::MAGIC, &frame(1), &bad, &frame(3)]);
    file("00000000000000000002.seg", &[b"something else", &frame(4)]);
    file("00000000000000000003.seg", &[&entry::MAGIC, &frame(5)]);
    let mut store = open(dir.path(), ROOMY);
    assert_eq!(drain(&mut store), [1, 5].map(record));
    let aside = files(dir.path(), ".damaged");
    assert_eq!(aside.len(), 2);
    let kept = fs::read(&aside[0]).unwrap();
    assert_eq!(kept, [&entry::MAGIC[..], &bad, &frame(3)].concat(), "nothing is thrown away");
}

#[test]
fn what_is_done_does_not_come_again_and_what_is_not_does() {
    let dir = TempDir::new().unwrap();
    let small = Bounds { max_bytes: 1 << 30, segment_bytes: 4 * frame(10).len() as u64 };
    let mut store = open(dir.path(), small);
    for n in 10..30 {
        store.write(&frame(n)).unwrap();
    }
    store.sync().unwrap();
    assert!(files(&dir.path().join("me"), ".seg").len() > 4, "several files");
    // One file's worth is done, the next is only read.
    let first = store.read(NOW).unwrap().unwrap();
    let done = first.entries.len();
    store.done(first.end).unwrap();
    assert!(store.read(NOW).unwrap().is_some());
    drop(store);
    let mut store = open(dir.path(), small);
    assert_eq!(drain(&mut store), (10 + done..30).map(record).collect::<Vec<_>>());
    drop(store);
    assert!(!dir.path().join("me").exists(), "an empty folder goes");
}

#[test]
fn a_place_inside_a_file_is_remembered() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    store.write(&frame(1)).unwrap();
    store.sync().unwrap();
    let batch = store.read(NOW).unwrap().unwrap();
    store.write(&frame(2)).unwrap();
    store.sync().unwrap();
    store.done(batch.end).unwrap();
    assert_eq!(store.pending(), frame(2).len() as u64);
    drop(store);
    let position = dir.path().join("me/position");
    let good = fs::read(&position).unwrap();
    assert_eq!(drain(&mut open(dir.path(), ROOMY)), [record(2)]);

    // The same, but the place is unreadable: then all of the file comes again, which dedupe absorbs.
    fs::create_dir(dir.path().join("me")).unwrap();
    let segment = dir.path().join("me/00000000000000000001.seg");
    fs::write(segment, [&entry::MAGIC[..], &frame(1), &frame(2)].concat()).unwrap();
    fs::write(&position, &good[..19]).unwrap();
    assert_eq!(drain(&mut open(dir.path(), ROOMY)), [1, 2].map(record));
}

#[test]
fn a_number_that_the_position_names_is_never_used_again() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    store.write(&frame(1)).unwrap();
    store.sync().unwrap();
    let batch = store.read(NOW).unwrap().unwrap();
    store.done(batch.end).unwrap();
    let position = fs::read(dir.path().join("me/position")).unwrap();
    drop(store);
    // A crash: the folder stays, with the position and without files.
    fs::create_dir(dir.path().join("me")).unwrap();
    fs::write(dir.path().join("me/position"), position).unwrap();
    let mut store = open(dir.path(), ROOMY);
    store.write(&frame(2)).unwrap();
    store.sync().unwrap();
    drop(store);
    assert_eq!(drain(&mut open(dir.path(), ROOMY)), [record(2)]);
}

#[test]
fn nothing_is_read_before_it_is_synced() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    store.write(&frame(1)).unwrap();
    assert!(store.read(NOW).unwrap().is_none());
    store.sync().unwrap();
    store.write(&frame(2)).unwrap();
    let batch = store.read(NOW).unwrap().unwrap();
    assert_eq!((batch.oldest_ms, batch.entries.len()), (NOW + 1, 1));
    store.done(batch.end).unwrap();
    assert!(store.read(NOW).unwrap().is_none());
    store.sync().unwrap();
    assert_eq!(drain(&mut store), [record(2)]);
}

#[test]
fn a_full_spool_takes_no_more_and_takes_again_when_it_is_drained() {
    let dir = TempDir::new().unwrap();
    let length = frame(10).len() as u64;
    let mut store = open(dir.path(), Bounds { max_bytes: 8 * length, segment_bytes: 2 * length + 8 });
    let mut n = 10;
    loop {
        match store.write(&frame(n)) {
            Ok(()) => n += 1,
            Err(WriteError::Full) => break,
            Err(WriteError::Failed(error)) => panic!("{error}"),
        }
    }
    store.sync().unwrap();
    let on_disk: u64 =
        files(&dir.path().join("me"), ".seg").iter().map(|f| f.metadata().unwrap().len()).sum();
    assert!(on_disk <= 8 * length && n >= 16, "{on_disk} bytes of {} for {n}", 8 * length);
    let batch = store.read(NOW).unwrap().unwrap();
    store.done(batch.end).unwrap();
    store.write(&frame(n)).unwrap();
    store.sync().unwrap();
    let left = drain(&mut store);
    assert_eq!(left.last(), Some(&record(n)));
}

#[test]
fn an_entry_longer_than_what_is_read_at_once_comes_whole() {
    let dir = TempDir::new().unwrap();
    let long = NewRecord { value: vec![7; 3 << 20].into(), ..record(1) };
    let mut store = open(dir.path(), Bounds { segment_bytes: 1 << 20, ..ROOMY });
    for entry in [entry::encode(NOW, &[record(0)]), entry::encode(NOW, std::slice::from_ref(&long)), frame(2)]
    {
        store.write(&entry).unwrap();
    }
    store.sync().unwrap();
    assert_eq!(drain(&mut store), [record(0), long, record(2)]);
}

#[test]
fn two_that_want_the_same_folder_get_two_and_a_third_finds_only_what_nobody_holds() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (Folder::own(dir.path(), "me").unwrap(), Folder::own(dir.path(), "me").unwrap());
    assert_eq!((one.path(), two.path()), (&*dir.path().join("me"), &*dir.path().join("me.2")));
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    let free = || {
        let folders = folder::folders(dir.path()).unwrap();
        let orphans = folders.iter().filter_map(|path| Folder::orphan(path).unwrap());
        orphans.map(|folder| folder.path().file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(free().is_empty(), "both are held, the other is not ours");
    drop(one);
    assert_eq!(free(), ["me"]);
    fs::create_dir(dir.path().join("again")).unwrap();
    fs::write(dir.path().join("again/1.seg"), entry::MAGIC).unwrap();
    assert_eq!(free(), ["again", "me"], "a file that a person put there");
}

#[test]
fn files_are_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    store.write(&frame(1)).unwrap();
    store.set_aside("refused", &frame(1), NOW).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("me")), 0o700);
    let inside = fs::read_dir(dir.path().join("me")).unwrap().map(|entry| entry.unwrap().path());
    for file in inside.chain(files(dir.path(), ".refused")) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}
