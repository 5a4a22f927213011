//! The thread that owns a store: takes all commands that wait, writes through to the disk once for all of them, and
//! answers.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use runtime::Clock;
use tokio::sync::oneshot;

use super::store::{Batch, End, Store, WriteError};
use super::{PutError, Shared};

/// Commands of one round, at most, so that none waits for a round without end.
const ROUND: usize = 1024;

/// What the thread is asked to do.
pub(super) enum Command {
    /// Keep a request.
    Put(Vec<u8>, oneshot::Sender<Result<(), PutError>>),
    /// Give the next requests.
    Read(oneshot::Sender<io::Result<Option<Batch>>>),
    /// Forget the requests up to here.
    Done(End, oneshot::Sender<io::Result<()>>),
    /// Put a frame into a file beside the folder.
    SetAside(Vec<u8>, oneshot::Sender<io::Result<PathBuf>>),
}

/// Runs until nobody can send commands any more.
pub(super) fn run(mut store: Store, commands: &Receiver<Command>, shared: &Shared, clock: &Clock) {
    while let Ok(first) = commands.recv() {
        let round = std::iter::once(first).chain(commands.try_iter()).take(ROUND);
        serve(&mut store, round, shared, clock);
    }
}

/// One round: everything that is to be kept is written and made safe together, then the rest.
fn serve(store: &mut Store, round: impl Iterator<Item = Command>, shared: &Shared, clock: &Clock) {
    let mut written = Vec::new();
    let mut queued = 0;
    let mut others = Vec::new();
    for command in round {
        let Command::Put(frame, answer) = command else {
            others.push(command);
            continue;
        };
        queued += frame.len() as u64;
        match store.write(&frame) {
            Ok(()) => written.push(answer),
            // Whoever asked may have given up; nothing depends on the answer.
            Err(WriteError::Full) => drop(answer.send(Err(PutError::Full))),
            Err(WriteError::Failed(error)) => drop(answer.send(Err(PutError::failed(&error)))),
        }
    }
    if !written.is_empty() {
        let synced = store.sync().map_err(|error| PutError::failed(&error));
        shared.publish(store);
        for answer in written {
            let _ = answer.send(synced.clone());
        }
        shared.filled.notify_one();
    }
    for command in others {
        match command {
            Command::Put(..) => unreachable!("taken out above"),
            Command::Read(answer) => {
                let batch = store.read(clock.now_ms());
                if let Ok(batch) = &batch {
                    let oldest = batch.as_ref().map_or(0, |batch| batch.oldest_ms);
                    shared.oldest_ms.store(oldest, Ordering::Relaxed);
                }
                shared.publish(store);
                let _ = answer.send(batch);
            }
            Command::Done(end, answer) => {
                let done = store.done(end);
                if store.is_empty() {
                    shared.emptied_ms.store(clock.now_ms(), Ordering::Relaxed);
                }
                shared.publish(store);
                let _ = answer.send(done);
            }
            Command::SetAside(frame, answer) => {
                let _ = answer.send(store.set_aside("refused", &frame, clock.now_ms()));
            }
        }
    }
    // Only after what they became was published: in between, a request must not see an empty spool.
    shared.queued.fetch_sub(queued, Ordering::AcqRel);
}

#[cfg(test)]
#[path = "thread_tests.rs"]
mod tests;
