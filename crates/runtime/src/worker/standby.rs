//! The dedupe sets of the partitions that no stream thread of this process works on, kept up to date from their
//! changelogs: a take-over then restores seconds, not days.
//!
//! A set has one owner at a time: a stream thread claims it and gives it back, and in between this thread reads on.
//! Whatever it holds is committed, so whoever claims it only has to read from its position to its own barrier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use streams::changelog::{self, Item};
use streams::{DedupeSet, Millis, Minute};

use super::fault::Fault;
use super::restore::TaskId;
use crate::kafka::{LogContext, consumer_config};
use crate::store::{SledBlocks, StateStore};
use crate::{config, metrics};

/// Between two write-backs of the sets held here to the state store.
const WRITE_BACK: Duration = Duration::from_secs(60);
/// Longest wait for a record or a claim.
const POLL: Duration = Duration::from_millis(20);
/// For the claim of a set: it may have to be opened.
const CLAIM: Duration = Duration::from_secs(60);
/// Between two looks for the changelogs while the broker does not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// For one request to the broker.
const REQUEST: Duration = Duration::from_secs(5);
/// How much longer than its owner a standby remembers: it knows the changelog's time stamps, not the source's.
const SLACK: Millis = 2 * 24 * 60 * 60 * 1000;

/// A source as a standby sees it.
pub(super) struct Followed {
    /// Full name of the source topic, under which the store keeps the set.
    pub(super) topic: String,
    /// Full name of its changelog.
    pub(super) changelog: String,
    /// How long an event is remembered, in ms.
    pub(super) retention: Millis,
}

/// A dedupe set and the changelog position that it corresponds to.
pub(super) struct Kept {
    pub(super) set: DedupeSet<SledBlocks>,
    pub(super) position: Option<i64>,
}

enum Request {
    Claim(TaskId, Sender<Result<Kept, Fault>>),
    GiveBack(TaskId, Kept),
    End,
}

/// The stream threads' side.
pub(crate) struct Standby {
    requests: Sender<Request>,
}

impl Standby {
    /// Starts the thread.
    pub(super) fn start(
        kafka: config::Kafka,
        sources: Vec<Followed>,
        store: Arc<StateStore>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (requests, received) = mpsc::channel();
        let thread = std::thread::Builder::new().name("standby".into()).spawn(move || {
            let follower = Follower {
                kafka,
                sources,
                store,
                kept: BTreeMap::new(),
                claimed: BTreeSet::new(),
                latest: 0,
            };
            follower.run(&received);
        })?;
        Ok((Self { requests }, thread))
    }

    /// Takes a set over from the standby.
    pub(super) fn claim(&self, id: TaskId) -> Result<Kept, Fault> {
        let (reply, answer) = mpsc::channel();
        let asked = self.requests.send(Request::Claim(id, reply));
        let answer = asked.ok().and_then(|()| answer.recv_timeout(CLAIM).ok());
        answer.unwrap_or(Err(Fault::TimedOut("claim a dedupe set")))
    }

    /// Gives a set back, with nothing in it that is not committed.
    pub(super) fn give_back(&self, id: TaskId, kept: Kept) {
        // At the end of the process nobody listens any more; the store has everything.
        let _ = self.requests.send(Request::GiveBack(id, kept));
    }

    /// Lets the thread write everything to the store and end.
    pub(super) fn end(&self) {
        let _ = self.requests.send(Request::End);
    }
}

/// The thread's side.
struct Follower {
    kafka: config::Kafka,
    sources: Vec<Followed>,
    store: Arc<StateStore>,
    kept: BTreeMap<TaskId, Kept>,
    /// Sets that stream threads have.
    claimed: BTreeSet<TaskId>,
    /// Time stamp of the newest changelog record read, ms since 1970.
    latest: i64,
}

impl Follower {
    fn run(mut self, requests: &Receiver<Request>) {
        let mut client = consumer_config(&self.kafka, "naru-standby");
        client.set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer<LogContext> = match client.create_with_context(LogContext) {
            Ok(consumer) => consumer,
            Err(error) => {
                tracing::error!(%error, "no standby: take-overs read the whole changelog");
                return self.serve_claims(requests);
            }
        };
        let mut unopened = true;
        let mut look_at = Instant::now();
        let mut write_back_at = Instant::now() + WRITE_BACK;
        loop {
            // Without partitions to follow there is nothing to poll for, so that the wait is for requests.
            let wait = if self.kept.is_empty() { POLL } else { Duration::ZERO };
            let mut changed = false;
            let mut next = requests.recv_timeout(wait);
            loop {
                match next {
                    Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => return self.write_back(),
                    Ok(request) => changed |= self.answer(request),
                    Err(RecvTimeoutError::Timeout) => break,
                }
                next = requests.recv_timeout(Duration::ZERO);
            }
            if unopened && Instant::now() >= look_at {
                unopened = !self.open_all(&consumer, &mut changed);
                look_at = Instant::now() + LOOK_AGAIN;
            }
            if changed {
                self.assign(&consumer);
            }
            if !self.kept.is_empty() {
                self.follow(&consumer);
            }
            if Instant::now() >= write_back_at {
                self.write_back();
                write_back_at = Instant::now() + WRITE_BACK;
            }
        }
    }

    /// Only opens and keeps sets, without following their changelogs.
    fn serve_claims(mut self, requests: &Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            if matches!(request, Request::End) {
                break;
            }
            self.answer(request);
        }
        self.write_back();
    }

    /// Whether the followed partitions have changed.
    fn answer(&mut self, request: Request) -> bool {
        match request {
            Request::Claim(id, reply) => {
                self.claimed.insert(id);
                let kept = self.kept.remove(&id);
                let changed = kept.is_some();
                // Whoever asked and is gone starts anew, and asks again.
                let _ = reply.send(kept.map_or_else(|| self.open(id), Ok));
                changed
            }
            Request::GiveBack(id, kept) => {
                self.claimed.remove(&id);
                self.kept.insert(id, kept);
                true
            }
            Request::End => false,
        }
    }

    fn open(&self, id: TaskId) -> Result<Kept, Fault> {
        let blocks = self.store.blocks(&self.sources[id.0].topic, id.1)?;
        let (set, position) = DedupeSet::open(blocks)?;
        Ok(Kept { set, position })
    }

    /// Opens the sets that nobody has claimed yet. Whether it could.
    fn open_all(&mut self, consumer: &BaseConsumer<LogContext>, changed: &mut bool) -> bool {
        for source in 0..self.sources.len() {
            let metadata = consumer.fetch_metadata(Some(&self.sources[source].changelog), REQUEST);
            let Ok(metadata) = metadata else { return false };
            let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
            for id in (0..i32::try_from(partitions).unwrap_or(0)).map(|partition| (source, partition)) {
                if self.claimed.contains(&id) || self.kept.contains_key(&id) {
                    continue;
                }
                // What cannot be opened here is told to whoever claims it.
                if let Ok(kept) = self.open(id) {
                    self.kept.insert(id, kept);
                    *changed = true;
                }
            }
        }
        true
    }

    fn assign(&self, consumer: &BaseConsumer<LogContext>) {
        let mut list = TopicPartitionList::new();
        for ((source, partition), kept) in &self.kept {
            let offset = kept.position.map_or(Offset::Beginning, Offset::Offset);
            let added = list.add_partition_offset(&self.sources[*source].changelog, *partition, offset);
            debug_assert!(added.is_ok(), "positions are offsets");
        }
        if let Err(error) = consumer.assign(&list) {
            tracing::warn!(%error, "standby cannot follow its changelogs");
        }
    }

    /// Reads on until nothing is there, or for one turn.
    fn follow(&mut self, consumer: &BaseConsumer<LogContext>) {
        let mut wait = POLL;
        let end = Instant::now() + POLL;
        while let Some(message) = consumer.poll(wait) {
            wait = Duration::ZERO;
            let Ok(message) = message else { break };
            let source = self.sources.iter().position(|source| source.changelog == message.topic());
            let Some(id) = source.map(|source| (source, message.partition())) else { continue };
            let Some(kept) = self.kept.get_mut(&id) else { continue };
            self.latest = self.latest.max(message.timestamp().to_millis().unwrap_or(0));
            let applied = match changelog::decode(message.payload().unwrap_or_default()) {
                Ok(Item::Entries(entries)) => {
                    entries.into_iter().try_for_each(|entry| kept.set.insert(entry))
                }
                Ok(Item::Barrier(_)) => Ok(()),
                // The owner who meets it says so; here it only must not be passed over.
                Err(_) => {
                    self.kept.remove(&id);
                    continue;
                }
            };
            kept.position = Some(message.offset() + 1);
            if let Err(error) = applied {
                tracing::warn!(%error, "standby gives a dedupe set up");
                self.kept.remove(&id);
            }
            metrics::STANDBY_RECORDS.add(metrics::NONE, 1);
            if Instant::now() > end {
                break;
            }
        }
    }

    fn write_back(&mut self) {
        let latest = self.latest;
        for ((source, _), kept) in &mut self.kept {
            let limit = Minute::of(latest - self.sources[*source].retention - SLACK);
            let written = kept.set.write_back(kept.position).and_then(|()| kept.set.expire(limit));
            if let Err(error) = written {
                tracing::warn!(%error, "standby cannot write a dedupe set back");
            }
        }
    }
}
