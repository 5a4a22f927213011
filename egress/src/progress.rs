//! What is read, finished and in memory: shared by the Kafka thread, which reads and commits, and the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::frontier::{Commit, Frontier, Note};
use crate::window::Window;

struct Inner {
    window: Window,
    frontiers: BTreeMap<i32, Frontier>,
}

/// Frontiers and window of one destination. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<Inner>>);

impl Progress {
    /// No partitions, and room for `window` messages.
    #[must_use]
    pub fn new(window: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner { window: Window::new(window), frontiers: BTreeMap::new() })))
    }

    /// A partition is owned: what its last owner noted, and where its `deliveries` end.
    pub fn open(&self, partition: i32, inherited: Note, deliveries: i64) {
        let mut inner = self.inner();
        inner.window.open(partition);
        inner.frontiers.insert(partition, Frontier::new(inherited, deliveries));
    }

    /// A partition is given up.
    pub fn close(&self, partition: i32) {
        let mut inner = self.inner();
        inner.window.close(partition);
        inner.frontiers.remove(&partition);
    }

    /// A record was read. False if no other one of this partition fits: pause it.
    pub fn read(&self, partition: i32, offset: i64) -> bool {
        let mut inner = self.inner();
        if let Some(frontier) = inner.frontiers.get_mut(&partition) {
            frontier.read(offset);
        }
        inner.window.enter(partition);
        inner.window.fits(partition)
    }

    /// A record is finished and out of memory.
    pub fn finish(&self, partition: i32, offset: i64) {
        let mut inner = self.inner();
        if let Some(frontier) = inner.frontiers.get_mut(&partition) {
            frontier.finish(offset);
        }
        inner.window.leave(partition);
    }

    /// Something was acknowledged in `deliveries`.
    pub fn wrote(&self, partition: i32, offset: i64) {
        if let Some(frontier) = self.inner().frontiers.get_mut(&partition) {
            frontier.wrote(offset);
        }
    }

    /// A record waits for as long as the guard lives.
    #[must_use]
    pub fn park(&self, partition: i32) -> Parked {
        if let Some(frontier) = self.inner().frontiers.get_mut(&partition) {
            frontier.park();
        }
        Parked { progress: self.clone(), partition }
    }

    /// Whether a paused partition may go on.
    #[must_use]
    pub fn resumes(&self, partition: i32) -> bool {
        self.inner().window.resumes(partition)
    }

    /// What may be committed for a partition.
    #[must_use]
    pub fn committable(&self, partition: i32) -> Option<Commit> {
        self.inner().frontiers.get(&partition)?.committable()
    }

    /// Messages in memory.
    #[must_use]
    pub fn used(&self) -> usize {
        self.inner().window.used()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nothing panics while it holds the progress")
    }
}

/// A record that waits, counted in commit metadata.
pub struct Parked {
    progress: Progress,
    partition: i32,
}

impl Drop for Parked {
    fn drop(&mut self) {
        if let Some(frontier) = self.progress.inner().frontiers.get_mut(&self.partition) {
            frontier.unpark();
        }
    }
}
