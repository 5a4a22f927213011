//! Rounds of the thread: one sync for all, and what others see of it at each moment.

use std::sync::atomic::Ordering::Relaxed;

use tempfile::TempDir;

use super::super::tests::{open, record};
use super::super::{Bounds, Shared, entry};
use super::*;

const ROOMY: Bounds = Bounds { max_bytes: 1 << 30, segment_bytes: 1 << 24 };

type Answered = oneshot::Receiver<Result<(), PutError>>;

fn put(shared: &Shared, n: usize) -> (Command, Answered) {
    let frame = entry::encode(n as i64, &[record(n)]);
    shared.queued.fetch_add(frame.len() as u64, Relaxed);
    let (answer, answered) = oneshot::channel();
    (Command::Put(frame, answer), answered)
}

#[test]
fn one_sync_serves_all_that_wait_and_none_is_answered_before_it() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    let (shared, clock) = (Shared::default(), Clock::manual(0));
    let (commands, answers): (Vec<_>, Vec<_>) = (0..100).map(|n| put(&shared, n)).unzip();
    assert!(shared.queued.load(Relaxed) > 0, "seen at once by whoever asks whether the spool holds any");
    serve(&mut store, commands.into_iter(), &shared, &clock);
    for mut answer in answers {
        assert_eq!(answer.try_recv(), Ok(Ok(())));
    }
    assert_eq!(store.syncs, 1);
    assert_eq!(shared.queued.load(Relaxed), 0);
    assert_eq!(shared.stored.load(Relaxed), store.pending());
}

#[test]
fn a_round_without_anything_to_keep_syncs_nothing() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    let (answer, mut answered) = oneshot::channel();
    serve(&mut store, [Command::Read(answer)].into_iter(), &Shared::default(), &Clock::manual(0));
    assert!(answered.try_recv().unwrap().unwrap().is_none());
    assert_eq!(store.syncs, 0);
}

#[test]
fn what_does_not_fit_is_told_and_takes_nothing_with_it() {
    let dir = TempDir::new().unwrap();
    let length = entry::encode(0, &[record(0)]).len() as u64;
    let mut store = open(dir.path(), Bounds { max_bytes: 2 * length + 8, segment_bytes: 1 << 24 });
    let (shared, clock) = (Shared::default(), Clock::manual(0));
    let (commands, answers): (Vec<_>, Vec<_>) = (0..3).map(|n| put(&shared, n)).unzip();
    serve(&mut store, commands.into_iter(), &shared, &clock);
    let answers: Vec<_> = answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect();
    assert_eq!(answers, [Ok(()), Ok(()), Err(PutError::Full)]);
    assert_eq!((shared.queued.load(Relaxed), shared.stored.load(Relaxed)), (0, 2 * length));
}

#[test]
fn the_oldest_is_known_and_forgotten_with_the_last() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), ROOMY);
    let (shared, clock) = (Shared::default(), Clock::manual(0));
    let (command, _answer) = put(&shared, 77);
    let (answer, mut read) = oneshot::channel();
    serve(&mut store, [command, Command::Read(answer)].into_iter(), &shared, &clock);
    let batch = read.try_recv().unwrap().unwrap().unwrap();
    assert_eq!(shared.oldest_ms.load(Relaxed), 77);
    let (answer, mut done) = oneshot::channel();
    serve(&mut store, [Command::Done(batch.end, answer)].into_iter(), &shared, &clock);
    done.try_recv().unwrap().unwrap();
    assert_eq!((shared.oldest_ms.load(Relaxed), shared.stored.load(Relaxed)), (0, 0));
}
