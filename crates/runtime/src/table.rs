//! A compacted topic as a table: read from its front by a thread of its own, kept in sled, looked up by key.
//!
//! A miss is "not yet" until the table has read on to the end that the topic had after the miss: [`Table::find`]
//! waits for that, [`Table::get`] does not. The end is that of everything written: an open transaction of one writer
//! hides what others have committed behind it, and a table that has read to there knows nothing of that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use streams::StoreFault;
use tokio::sync::{oneshot, watch};

use crate::kafka::{self, LogContext, consumer_config};
use crate::shutdown::Shutdown;
use crate::store::{StateStore, fault};
use crate::{clock, config, metrics};

/// How long a miss waits for the table to reach the topic's end before it is an error.
const CATCH_UP: Duration = Duration::from_secs(10);
/// For one request to the broker about the topic.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a start waits for a broker or a leader that is not there yet: topics may just have been made.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a start waits for its topic: one that was just made is not known to every broker at once.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries of either.
const BEGIN_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for a record before requests are looked at.
const POLL: Duration = Duration::from_millis(10);
/// Between two looks whether a transaction still hides the end of a partition.
const HIDDEN_PAUSE: Duration = Duration::from_millis(100);
/// After this long without reading a table is read anew: a broker keeps a removal for a day (`delete.retention.ms`), and
/// whoever comes later would not learn of it.
const STALE_MS: i64 = 12 * 60 * 60 * 1000;
/// Between two notes of how far in time the table has read.
const NOTE_PAUSE: Duration = Duration::from_secs(60);
/// Key of that note; those of positions have four bytes.
const READ_AT: &[u8] = b"read at";

/// Why a look-up has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableError {
    /// The state store failed.
    Store(String),
    /// The topic's end could not be reached in time; ask again.
    Behind,
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the table's store failed: {error}"),
            Self::Behind => f.write_str("the table has not reached the end of its topic"),
        }
    }
}

impl std::error::Error for TableError {}

struct CatchUp {
    partition: i32,
    reply: oneshot::Sender<()>,
}

/// A miss whose partition cannot be read to its end yet.
struct Hidden {
    miss: CatchUp,
    /// The end of everything written, after the miss.
    end: i64,
}

/// A table. Clones share it.
#[derive(Clone)]
pub struct Table {
    tree: sled::Tree,
    requests: mpsc::Sender<CatchUp>,
    loaded: watch::Receiver<bool>,
    changes: Arc<AtomicU64>,
    partitions: i32,
}

impl Table {
    /// Starts to read `topic` (its full name) in a thread of its own, which ends with `shutdown`.
    ///
    /// # Errors
    /// If the topic is not there, the broker not to be reached, or the store fails.
    pub fn start(
        kafka: &config::Kafka,
        topic: &str,
        store: &Arc<StateStore>,
        shutdown: &Shutdown,
    ) -> Result<Self, String> {
        let read = |error: StoreFault| error.to_string();
        let tree = store.tree(&format!("table/{topic}")).map_err(read)?;
        let positions = store.tree(&format!("table-positions/{topic}")).map_err(read)?;
        let mut client = consumer_config(kafka, "naru-table");
        client.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer<LogContext> =
            client.create_with_context(LogContext).map_err(|error| error.to_string())?;
        let partitions = partition_count(&consumer, topic)?;
        client.set("isolation.level", "read_uncommitted");
        let ends: BaseConsumer<LogContext> =
            client.create_with_context(LogContext).map_err(|error| error.to_string())?;
        let (requests, receiver) = mpsc::channel();
        let (loaded_sender, loaded) = watch::channel(false);
        let changes = Arc::new(AtomicU64::new(0));
        let mut reader = Reader {
            consumer,
            ends,
            topic: topic.to_owned(),
            tree: tree.clone(),
            positions,
            unread: (0..partitions).collect(),
            hidden: Vec::new(),
            next_look: Instant::now(),
            next_note: Instant::now(),
            waiting: HashMap::new(),
            loaded: loaded_sender,
            changes: Arc::clone(&changes),
            _store: Arc::clone(store),
        };
        reader.assign(partitions)?;
        let shutdown = shutdown.clone();
        std::thread::Builder::new()
            .name("table".into())
            .spawn(move || reader.run(&receiver, &shutdown))
            .map_err(|error| error.to_string())?;
        Ok(Self { tree, requests, loaded, changes, partitions })
    }

    /// Waits until the table has once reached the end of its topic.
    pub async fn loaded(&self) {
        let mut loaded = self.loaded.clone();
        // The reader only ends with the process; a closed channel then needs no answer.
        let _ = loaded.wait_for(|loaded| *loaded).await;
    }

    /// Whether the table has once reached the end of its topic.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// How often a value was replaced by another, or removed: while it stays the same, so does every value that was
    /// found. New keys do not count.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The value of `key` as far as the table has read.
    ///
    /// # Errors
    /// If the store fails.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        let value = self.tree.get(key).map_err(|error| TableError::Store(fault(&error).0))?;
        Ok(value.map(|value| value.to_vec()))
    }

    /// The values of all keys that begin so, in order of the keys, as far as the table has read.
    ///
    /// # Errors
    /// If the store fails.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, TableError> {
        let values = self.tree.scan_prefix(prefix).values();
        values.map(|value| value.map(|v| v.to_vec()).map_err(|e| TableError::Store(fault(&e).0))).collect()
    }

    /// Calls `see` with every key and value that the table has read, without holding them.
    ///
    /// # Errors
    /// If the store fails.
    pub fn each(&self, mut see: impl FnMut(&[u8], &[u8])) -> Result<(), TableError> {
        for entry in &self.tree {
            let (key, value) = entry.map_err(|error| TableError::Store(fault(&error).0))?;
            see(&key, &value);
        }
        Ok(())
    }

    /// The value of `key`, `None` only if the topic did not hold it at the time of the call.
    ///
    /// # Errors
    /// If the store fails, or the topic's end is not reached within 10 s.
    pub async fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        if let Some(value) = self.get(key)? {
            return Ok(Some(value));
        }
        let (reply, reached) = oneshot::channel();
        let partition = schemas::partition_for(key, self.partitions);
        self.requests.send(CatchUp { partition, reply }).map_err(|_| TableError::Behind)?;
        match tokio::time::timeout(CATCH_UP, reached).await {
            Ok(Ok(())) => self.get(key),
            Ok(Err(_)) | Err(_) => Err(TableError::Behind),
        }
    }
}

fn partition_count(consumer: &BaseConsumer<LogContext>, topic: &str) -> Result<i32, String> {
    let deadline = Instant::now() + APPEARS_WITHIN;
    loop {
        let metadata = patiently(|| consumer.fetch_metadata(Some(topic), REQUEST))?;
        match kafka::partition_count(&metadata, topic) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(BEGIN_PAUSE),
            count => return count,
        }
    }
}

/// Asks the broker again until it answers.
fn patiently<T>(ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, String> {
    let deadline = Instant::now() + BEGIN_WITHIN;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => return Err(error.to_string()),
            Err(error) => {
                tracing::debug!(%error, "table cannot begin yet, trying again");
                std::thread::sleep(BEGIN_PAUSE);
            }
        }
    }
}

/// The thread's side.
struct Reader {
    consumer: BaseConsumer<LogContext>,
    /// Knows the ends of partitions with what is not committed in them.
    ends: BaseConsumer<LogContext>,
    topic: String,
    tree: sled::Tree,
    positions: sled::Tree,
    /// Partitions whose end has not been reached yet since the start.
    unread: HashSet<i32>,
    /// Misses that wait until no transaction hides the end of their partition.
    hidden: Vec<Hidden>,
    next_look: Instant,
    next_note: Instant,
    /// Misses that wait for the end of their partition.
    waiting: HashMap<i32, Vec<oneshot::Sender<()>>>,
    loaded: watch::Sender<bool>,
    changes: Arc<AtomicU64>,
    /// Keeps the store's lock as long as the thread writes.
    _store: Arc<StateStore>,
}

impl Reader {
    /// Assigns every partition from where the stored table ends. A table that is ahead of its topic belongs to
    /// another topic of the same name and is emptied.
    fn assign(&mut self, partitions: i32) -> Result<(), String> {
        let mut starts = Vec::new();
        for partition in 0..partitions {
            let (_, high) = patiently(|| self.consumer.fetch_watermarks(&self.topic, partition, REQUEST))?;
            starts.push(self.stored(partition).filter(|position| *position <= high));
        }
        let is_ahead =
            (0..partitions).any(|p| self.stored(p).is_some() && starts[p.cast_unsigned() as usize].is_none());
        let is_stale = starts.iter().any(Option::is_some)
            && self.read_at().is_none_or(|at| clock::now_ms() - at > STALE_MS);
        if is_ahead || is_stale {
            let topic = &self.topic;
            tracing::warn!(
                topic,
                is_ahead,
                is_stale,
                "table does not fit its topic any more, it is read anew"
            );
            self.tree.clear().and_then(|()| self.positions.clear()).map_err(|error| error.to_string())?;
            starts.fill(None);
        }
        let mut list = TopicPartitionList::new();
        for (partition, start) in (0..).zip(starts) {
            let offset = start.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.topic, partition, offset).map_err(|error| error.to_string())?;
        }
        self.consumer.assign(&list).map_err(|error| error.to_string())
    }

    fn stored(&self, partition: i32) -> Option<i64> {
        let value = self.positions.get(partition.to_be_bytes()).ok()??;
        <[u8; 8]>::try_from(value.as_ref()).ok().map(i64::from_be_bytes)
    }

    fn read_at(&self) -> Option<i64> {
        let value = self.positions.get(READ_AT).ok()??;
        <[u8; 8]>::try_from(value.as_ref()).ok().map(i64::from_be_bytes)
    }

    fn run(&mut self, requests: &mpsc::Receiver<CatchUp>, shutdown: &Shutdown) {
        while !shutdown.is_set() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let (partition, next) = (message.partition(), message.offset() + 1);
                    let key = message.key().unwrap_or_default();
                    let before = match message.payload() {
                        Some(value) => self.tree.insert(key, value),
                        None => self.tree.remove(key),
                    };
                    if let Ok(Some(before)) = &before
                        && message.payload() != Some(before)
                    {
                        self.changes.fetch_add(1, Ordering::Release);
                    }
                    let stored = before
                        .and_then(|_| self.positions.insert(partition.to_be_bytes(), &next.to_be_bytes()));
                    if let Err(error) = stored {
                        tracing::error!(topic = self.topic, %error, "table cannot be written");
                        return;
                    }
                    metrics::TABLE_RECORDS.add([self.topic.clone()], 1);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.reached(partition),
                Some(Err(error)) => {
                    tracing::warn!(topic = self.topic, %error, "table cannot read on, trying again");
                }
                None => {}
            }
            while let Ok(miss) = requests.try_recv() {
                self.ask(miss);
            }
            if !self.hidden.is_empty() && Instant::now() >= self.next_look {
                self.look();
            }
        }
    }

    fn reached(&mut self, partition: i32) {
        for reply in self.waiting.remove(&partition).unwrap_or_default() {
            // Whoever gave up waiting needs no answer.
            let _ = reply.send(());
        }
        if self.unread.is_empty() && Instant::now() >= self.next_note {
            self.note();
        }
        if self.unread.remove(&partition) && self.unread.is_empty() {
            self.note();
            tracing::info!(topic = self.topic, entries = self.tree.len(), "table loaded");
            self.loaded.send_replace(true);
        }
    }

    /// Notes when the table stood at the end of its topic. One that cannot be written is read anew.
    fn note(&mut self) {
        self.next_note = Instant::now() + NOTE_PAUSE;
        if let Err(error) = self.positions.insert(READ_AT, &clock::now_ms().to_be_bytes()) {
            tracing::warn!(topic = self.topic, %error, "table cannot note its time");
        }
    }

    /// Notes the end that the topic has after a miss. Whoever asks again does so on an error: a miss is dropped then.
    fn ask(&mut self, miss: CatchUp) {
        match self.ends.fetch_watermarks(&self.topic, miss.partition, REQUEST) {
            Ok((_, end)) => {
                self.hidden.push(Hidden { miss, end });
                self.next_look = Instant::now();
            }
            Err(error) => self.cannot_look(miss.partition, &error),
        }
    }

    /// Reads on to the end of every partition in which what was written before a miss is committed or aborted.
    fn look(&mut self) {
        self.next_look = Instant::now() + HIDDEN_PAUSE;
        for Hidden { miss, end } in std::mem::take(&mut self.hidden) {
            if miss.reply.is_closed() {
                continue;
            }
            match self.consumer.fetch_watermarks(&self.topic, miss.partition, REQUEST) {
                Ok((_, stable)) if stable >= end => self.read_on(miss),
                Ok(_) => self.hidden.push(Hidden { miss, end }),
                Err(error) => self.cannot_look(miss.partition, &error),
            }
        }
    }

    /// Starts the partition's fetch anew, so that its next end comes after this request: the event is raised once
    /// an end, and it may have been raised before the miss.
    fn read_on(&mut self, miss: CatchUp) {
        let start = self.stored(miss.partition).map_or(Offset::Beginning, Offset::Offset);
        match self.consumer.seek(&self.topic, miss.partition, start, REQUEST) {
            Ok(()) => self.waiting.entry(miss.partition).or_default().push(miss.reply),
            Err(error) => self.cannot_look(miss.partition, &error),
        }
    }

    fn cannot_look(&self, partition: i32, error: &KafkaError) {
        tracing::warn!(topic = self.topic, partition, %error, "table cannot look again");
    }
}
