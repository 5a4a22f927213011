//! The spool: where webhooks are kept on the disk while Kafka is away, and from where they are drained in order.
//!
//! A request goes to the spool if the broker has not acknowledged it in time, or if anything is in the spool: so its
//! order is that of the requests. It is answered 200 once it is synced to the disk. Each instance has a folder; one
//! that nobody holds (its process is gone) is drained by whoever gets its lock.

mod drain;
mod entry;
mod folder;
mod store;
mod thread;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use runtime::{Clock, config};
use tokio::sync::{Notify, oneshot};

use crate::log::NewRecord;
use folder::Folder;
use store::{Batch, Bounds, End, Store};
use thread::Command;

/// Size of a file, in bytes: one is removed when all in it is drained.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Files in a full spool, at least, so that room comes back bit by bit.
const SEGMENTS: u64 = 4;
/// What waits to be written, in bytes; beyond it requests are answered 503: the disk hangs.
const QUEUE_BYTES: u64 = 64 * 1024 * 1024;
/// Pause before the broker is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// For how long a refusal is not believed: after a restart a broker may not know its topics at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after a spool was drained another may not be yet, in ms: what is written then is marked as what lay in one.
const SIBLINGS_DRAIN_FOR_MS: i64 = 3_000;
/// Between looks for folders that nobody holds.
const ORPHANS_EVERY: Duration = Duration::from_secs(2);

/// Where a spool is, and its bounds.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// Folder of the folders of all instances.
    pub dir: PathBuf,
    /// Name of this instance's folder.
    pub instance: String,
    /// What its files may take, in bytes; more is answered 503.
    pub max_bytes: u64,
    /// What waits to be written, in bytes; more is answered 503.
    pub queue_bytes: u64,
    /// Before the broker is tried again.
    pub pause: Duration,
    /// For how long a broker's refusal of a record is not taken for final.
    pub patience: Duration,
    /// Between looks for folders that nobody holds.
    pub orphans_every: Duration,
}

impl SpoolSettings {
    /// The settings of an instance.
    #[must_use]
    pub fn new(spool: &config::Spool, instance: &str) -> Self {
        Self {
            dir: spool.dir.clone(),
            instance: instance.to_owned(),
            max_bytes: spool.max_bytes as u64,
            queue_bytes: QUEUE_BYTES,
            pause: PAUSE,
            patience: PATIENCE,
            orphans_every: ORPHANS_EVERY,
        }
    }

    fn bounds(&self) -> Bounds {
        let segment_bytes = SEGMENT_BYTES.min(self.max_bytes / SEGMENTS);
        Bounds { max_bytes: self.max_bytes, segment_bytes }
    }
}

/// Why a request is not in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutError {
    /// The bound of its files is reached.
    Full,
    /// The disk does not keep up.
    Busy,
    /// The disk does not take it: the text says why.
    Failed(String),
}

impl PutError {
    fn failed(error: &io::Error) -> Self {
        PutError::Failed(error.to_string())
    }

    /// The branch, as a metric label.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            PutError::Full => "full",
            PutError::Busy => "busy",
            PutError::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full => f.write_str("the spool is full"),
            PutError::Busy => f.write_str("the disk of the spool does not keep up"),
            PutError::Failed(why) => write!(f, "the spool cannot be written: {why}"),
        }
    }
}

impl std::error::Error for PutError {}

/// The spool of an instance. Dropping it ends its thread and frees the folder, with what is in it.
#[derive(Debug)]
pub struct Spool {
    settings: SpoolSettings,
    clock: Clock,
    shared: Arc<Shared>,
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread reports to everybody.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes on their way to the thread.
    queued: AtomicU64,
    /// Bytes in the files that are not done.
    stored: AtomicU64,
    /// When the oldest request was spooled, in ms since 1970; 0 where there is none.
    oldest_ms: AtomicI64,
    /// When the last of it was drained, in ms since 1970; 0 where nothing was yet.
    emptied_ms: AtomicI64,
    /// There is something to drain.
    filled: Notify,
}

impl Shared {
    fn publish(&self, store: &Store) {
        let pending = store.pending();
        self.stored.store(pending, Ordering::Release);
        if pending == 0 {
            self.oldest_ms.store(0, Ordering::Relaxed);
        }
    }
}

impl Spool {
    /// The spool of this instance, with whatever an earlier process of it has left.
    ///
    /// # Errors
    /// If the folder cannot be made, locked or read.
    pub fn open(settings: SpoolSettings, clock: Clock) -> io::Result<Self> {
        let folder = Folder::own(&settings.dir, &settings.instance)?;
        Self::over(folder, settings, clock)
    }

    fn over(folder: Folder, settings: SpoolSettings, clock: Clock) -> io::Result<Self> {
        let store = Store::open(folder, settings.bounds())?;
        let shared = Arc::new(Shared::default());
        shared.publish(&store);
        if !store.is_empty() {
            tracing::info!(bytes = store.pending(), "the spool holds webhooks of an earlier process");
        }
        let (commands, received) = channel();
        let (for_thread, its_clock) = (shared.clone(), clock.clone());
        let thread = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || thread::run(store, &received, &for_thread, &its_clock))?;
        Ok(Self { settings, clock, shared, commands: Some(commands), thread: Some(thread) })
    }

    /// Whether anything is in the spool, or on its way there: then everything must go through it.
    #[must_use]
    pub fn holds_any(&self) -> bool {
        // In this order: what is no longer on its way has been published before.
        self.shared.queued.load(Ordering::Acquire) > 0 || self.shared.stored.load(Ordering::Acquire) > 0
    }

    /// Whether it was drained just now: then a sibling may still hold what belongs before that which is written now.
    #[must_use]
    pub fn was_just_drained(&self) -> bool {
        let emptied = self.shared.emptied_ms.load(Ordering::Relaxed);
        emptied > 0 && self.clock.now_ms() - emptied < SIBLINGS_DRAIN_FOR_MS
    }

    /// Keeps the records of a request. `Ok` means that they are on the disk. If the caller does not wait they may be
    /// there all the same.
    ///
    /// # Errors
    /// If it is full, or the disk fails.
    pub async fn put(&self, records: &[NewRecord]) -> Result<(), PutError> {
        let frame = entry::encode(self.clock.now_ms(), records);
        let length = frame.len() as u64;
        if self.shared.queued.fetch_add(length, Ordering::AcqRel) + length > self.settings.queue_bytes {
            self.shared.queued.fetch_sub(length, Ordering::AcqRel);
            return Err(PutError::Busy);
        }
        let (answer, answered) = oneshot::channel();
        self.send(Command::Put(frame, answer));
        answered.await.unwrap_or_else(|_| Err(PutError::Failed(GONE.to_owned())))
    }

    async fn read(&self) -> io::Result<Option<Batch>> {
        self.ask(Command::Read).await
    }

    async fn done(&self, end: End) -> io::Result<()> {
        self.ask(|answer| Command::Done(end, answer)).await
    }

    async fn set_aside(&self, record: &NewRecord) -> io::Result<PathBuf> {
        let frame = entry::encode(self.clock.now_ms(), std::slice::from_ref(record));
        self.ask(|answer| Command::SetAside(frame, answer)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<io::Result<T>>) -> Command) -> io::Result<T> {
        let (answer, answered) = oneshot::channel();
        self.send(command(answer));
        answered.await.unwrap_or_else(|_| Err(io::Error::other(GONE)))
    }

    fn send(&self, command: Command) {
        // A thread that is gone has dropped the other end, and the answer's too, which the caller sees.
        let _ = self.commands.as_ref().expect("it is there until the drop").send(command);
    }
}

/// What is reported where the thread has ended, which it does only by a panic.
const GONE: &str = "the spool's thread is gone";

impl Drop for Spool {
    fn drop(&mut self) {
        drop(self.commands.take());
        // Joined, so that the folder is free when this is over.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
