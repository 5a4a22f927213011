//! A broker in memory: source partitions, logs with transactions, and the offsets that are committed with them.
//! Without transactions it keeps apart all the same what one commit of offsets covers, so that the check can tell.
//!
//! A transaction is decided in one step, but its markers reach each log and the offsets one by one, later, as in Kafka:
//! so one partition can already show a commit that another still holds back.

use std::collections::VecDeque;

use streams::{AppendTime, Offset, Record};

use super::random::Random;

/// After this the broker ends a transaction by itself, in ms. Shorter than in production, so that a short run sees it.
const TRANSACTION_TIMEOUT: i64 = 1_200;

/// The record was not written in a transaction.
const PLAIN: usize = usize::MAX;

/// A source record.
pub(super) struct SourceRecord {
    pub(super) append: i64,
    pub(super) value: Vec<u8>,
}

impl SourceRecord {
    /// As a task takes it.
    pub(super) fn at(&self, offset: i64) -> Record<'_> {
        Record {
            offset: Offset(offset),
            append_time: AppendTime(self.append),
            key: b"",
            value: &self.value,
            headers: &[],
        }
    }
}

/// A committed source position.
#[derive(Clone)]
pub(super) struct Committed {
    pub(super) position: i64,
    pub(super) metadata: String,
}

/// Why the broker does not do what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A younger producer has this `transactional.id`.
    Fenced,
    /// The group has gone on without this member.
    Generation,
}

/// The broker is not ready; the same call later will do.
pub(super) struct Later;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

struct Transaction {
    producer: usize,
    fate: Fate,
    since: i64,
    /// Logs that wait for its marker, and where it begins in them.
    logs: Vec<(usize, i64)>,
    /// Source positions that wait for its marker.
    offsets: Vec<(usize, Committed)>,
}

enum Slot {
    Record(usize, Vec<u8>),
    Marker,
}

#[derive(Default, Clone)]
struct Producer {
    epoch: u32,
    /// The open transaction, or the decided one whose markers are on their way.
    current: Option<usize>,
}

/// Which member of the group sends offsets: its id and the generation that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemberOf {
    pub(super) id: u64,
    pub(super) generation: u64,
}

/// The broker.
pub(super) struct Kafka {
    transactional: bool,
    pub(super) sources: Vec<Vec<SourceRecord>>,
    logs: Vec<Vec<Slot>>,
    transactions: Vec<Transaction>,
    /// Transactions that are open, or whose markers are on their way.
    active: VecDeque<usize>,
    producers: Vec<Producer>,
    offsets: Vec<Option<Committed>>,
    /// The log of each record outside of a transaction, in the order in which they arrived.
    arrivals: Vec<usize>,
}

impl Kafka {
    pub(super) fn new(transactional: bool, partitions: usize, logs: usize, producers: usize) -> Self {
        Self {
            transactional,
            sources: (0..partitions).map(|_| Vec::new()).collect(),
            logs: (0..logs).map(|_| Vec::new()).collect(),
            transactions: Vec::new(),
            active: VecDeque::new(),
            producers: vec![Producer::default(); producers],
            offsets: vec![None; partitions],
            arrivals: Vec::new(),
        }
    }

    /// The position after the last record of a source partition.
    pub(super) fn high(&self, partition: usize) -> i64 {
        self.sources[partition].len().cast_signed() as i64
    }

    /// The position after the last record of a log, whether it is committed or not.
    pub(super) fn end(&self, log: usize) -> i64 {
        self.logs[log].len().cast_signed() as i64
    }

    /// Ends the open transaction of a `transactional.id` and shuts its former owner out. Gives the new epoch once
    /// everything of the former is decided everywhere.
    pub(super) fn init(&mut self, producer: usize) -> Result<u32, Later> {
        match self.producers[producer].current {
            Some(transaction) => {
                if self.transactions[transaction].fate == Fate::Open {
                    self.transactions[transaction].fate = Fate::Aborted;
                    self.producers[producer].epoch += 1;
                }
                Err(Later)
            }
            None => {
                self.producers[producer].epoch += 1;
                Ok(self.producers[producer].epoch)
            }
        }
    }

    /// The producer's open transaction; a decided one is finished first, as the client waits for it.
    fn begin(&mut self, producer: usize, epoch: u32, now: i64) -> Result<usize, Refusal> {
        if self.producers[producer].epoch != epoch {
            return Err(Refusal::Fenced);
        }
        if let Some(current) = self.producers[producer].current {
            if self.transactions[current].fate == Fate::Open {
                return Ok(current);
            }
            self.finish(current);
        }
        let transaction = self.begin_batch(producer, now);
        self.active.push_back(transaction);
        self.producers[producer].current = Some(transaction);
        Ok(transaction)
    }

    /// Without transactions: a new batch, the records that one commit of offsets is to cover.
    pub(super) fn begin_batch(&mut self, producer: usize, now: i64) -> usize {
        let (logs, offsets) = (Vec::new(), Vec::new());
        self.transactions.push(Transaction { producer, fate: Fate::Open, since: now, logs, offsets });
        self.transactions.len() - 1
    }

    /// A record of a batch arrives, and can be read at once; gives its offset.
    pub(super) fn arrive(&mut self, batch: usize, log: usize, value: Vec<u8>) -> i64 {
        let offset = self.end(log);
        self.logs[log].push(Slot::Record(batch, value));
        self.arrivals.push(log);
        offset
    }

    /// Commits source positions, and thereby a batch. The caller has asked the group.
    pub(super) fn commit_offsets(&mut self, batch: Option<usize>, offsets: Vec<(usize, Committed)>) {
        for (partition, committed) in offsets {
            self.offsets[partition] = Some(committed);
        }
        if let Some(batch) = batch {
            self.transactions[batch].fate = Fate::Committed;
        }
    }

    /// Writes in the producer's transaction; gives the record's offset.
    pub(super) fn write(
        &mut self,
        producer: usize,
        epoch: u32,
        now: i64,
        log: usize,
        value: Vec<u8>,
    ) -> Result<i64, Refusal> {
        let id = self.begin(producer, epoch, now)?;
        let offset = self.end(log);
        let transaction = &mut self.transactions[id];
        if transaction.logs.iter().all(|(other, _)| *other != log) {
            transaction.logs.push((log, offset));
        }
        self.logs[log].push(Slot::Record(id, value));
        Ok(offset)
    }

    /// Writes outside of any transaction.
    pub(super) fn write_plain(&mut self, log: usize, value: Vec<u8>) {
        self.logs[log].push(Slot::Record(PLAIN, value));
        self.arrivals.push(log);
    }

    /// Adds source positions to the transaction. `member` is `None` where the client has lost its membership: the
    /// broker takes that for an old client, and does not look at the group.
    pub(super) fn send_offsets(
        &mut self,
        (producer, epoch, now): (usize, u32, i64),
        member: Option<MemberOf>,
        is_current: impl Fn(MemberOf) -> bool,
        offsets: Vec<(usize, Committed)>,
    ) -> Result<(), Refusal> {
        let id = self.begin(producer, epoch, now)?;
        if member.is_some_and(|member| !is_current(member)) {
            return Err(Refusal::Generation);
        }
        self.transactions[id].offsets.extend(offsets);
        Ok(())
    }

    /// Decides the producer's transaction.
    pub(super) fn decide(&mut self, producer: usize, epoch: u32, commit: bool) -> Result<(), Refusal> {
        if self.producers[producer].epoch != epoch {
            return Err(Refusal::Fenced);
        }
        if let Some(current) = self.producers[producer].current
            && self.transactions[current].fate == Fate::Open
        {
            self.transactions[current].fate = if commit { Fate::Committed } else { Fate::Aborted };
        }
        Ok(())
    }

    /// Aborts what has been open for too long, and shuts its writer out.
    pub(super) fn end_overdue(&mut self, now: i64) {
        for id in &self.active {
            let transaction = &mut self.transactions[*id];
            if transaction.fate == Fate::Open && transaction.since + TRANSACTION_TIMEOUT <= now {
                transaction.fate = Fate::Aborted;
                self.producers[transaction.producer].epoch += 1;
            }
        }
    }

    /// Lets one marker of a decided transaction arrive.
    pub(super) fn deliver_marker(&mut self, random: &mut Random) {
        let Some(id) = self.active.iter().copied().find(|id| self.transactions[*id].fate != Fate::Open)
        else {
            return;
        };
        let waiting = self.transactions[id].logs.len();
        match random.below(waiting + 1) {
            log if log < waiting => self.mark(id, log),
            _ => self.mark_offsets(id),
        }
        let transaction = &self.transactions[id];
        if transaction.logs.is_empty() && transaction.offsets.is_empty() {
            self.finish(id);
        }
    }

    fn mark(&mut self, id: usize, index: usize) {
        let (log, _) = self.transactions[id].logs.swap_remove(index);
        self.logs[log].push(Slot::Marker);
    }

    fn mark_offsets(&mut self, id: usize) {
        let transaction = &mut self.transactions[id];
        for (partition, committed) in transaction.offsets.drain(..) {
            if transaction.fate == Fate::Committed {
                self.offsets[partition] = Some(committed);
            }
        }
    }

    /// Lets all markers of a decided transaction arrive.
    fn finish(&mut self, id: usize) {
        while !self.transactions[id].logs.is_empty() {
            self.mark(id, 0);
        }
        self.mark_offsets(id);
        self.active.retain(|other| *other != id);
        self.producers[self.transactions[id].producer].current = None;
    }

    /// Aborts whatever is open and lets every marker arrive.
    pub(super) fn calm(&mut self) {
        while let Some(id) = self.active.front().copied() {
            if self.transactions[id].fate == Fate::Open {
                self.transactions[id].fate = Fate::Aborted;
                self.producers[self.transactions[id].producer].epoch += 1;
            }
            self.finish(id);
        }
    }

    pub(super) fn is_calm(&self) -> bool {
        self.active.is_empty()
    }

    /// The committed position, if no transaction holds it back.
    pub(super) fn stable(&self, partition: usize) -> Result<Option<&Committed>, Later> {
        let held_back =
            |id: &usize| self.transactions[*id].offsets.iter().any(|(other, _)| *other == partition);
        if self.active.iter().any(held_back) { Err(Later) } else { Ok(self.committed(partition)) }
    }

    /// The committed position as it is now, whatever may be on its way.
    pub(super) fn committed(&self, partition: usize) -> Option<&Committed> {
        self.offsets[partition].as_ref()
    }

    /// Moves a position from outside of the group, as an administrator does.
    pub(super) fn reset(&mut self, partition: usize, committed: Committed) {
        self.offsets[partition] = Some(committed);
    }

    /// The offset before which everything of a log is decided.
    pub(super) fn last_stable(&self, log: usize) -> i64 {
        let begins = self.active.iter().flat_map(|id| &self.transactions[*id].logs);
        begins.filter(|(other, _)| *other == log).map(|(_, begin)| *begin).min().unwrap_or(self.end(log))
    }

    /// The next record of a log that a `read_committed` consumer sees, and its offset.
    pub(super) fn read_committed(&self, log: usize, from: i64) -> Option<(i64, &[u8])> {
        self.visible(log, from, self.last_stable(log), false)
    }

    /// The next record of a log, whether its transaction was committed or not.
    pub(super) fn read_any(&self, log: usize, from: i64) -> Option<(i64, &[u8])> {
        self.visible(log, from, self.end(log), true)
    }

    fn visible(&self, log: usize, from: i64, end: i64, any: bool) -> Option<(i64, &[u8])> {
        (from..end).find_map(|offset| match &self.logs[log][usize::try_from(offset).ok()?] {
            Slot::Record(id, value) if any || self.is_visible(*id) => Some((offset, value.as_slice())),
            _ => None,
        })
    }

    fn is_visible(&self, id: usize) -> bool {
        !self.transactional || self.is_committed(id)
    }

    fn is_committed(&self, id: usize) -> bool {
        id == PLAIN || self.transactions[id].fate == Fate::Committed
    }

    /// Everything in a log that its readers see, in order.
    pub(super) fn all_visible(&self, log: usize) -> impl Iterator<Item = &[u8]> {
        self.logs[log].iter().filter_map(|slot| match slot {
            Slot::Record(id, value) if self.is_visible(*id) => Some(value.as_slice()),
            _ => None,
        })
    }

    /// Without transactions: every record with its log, in the order in which they arrived.
    pub(super) fn all_arrived(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut next = vec![0; self.logs.len()];
        self.arrivals.iter().filter_map(move |log| {
            let offset = next[*log];
            next[*log] += 1;
            match &self.logs[*log][offset] {
                Slot::Record(_, value) => Some((*log, value.as_slice())),
                Slot::Marker => None,
            }
        })
    }

    /// Everything in a log that is committed, in order: without transactions, what a commit of offsets covers.
    pub(super) fn all_committed(&self, log: usize) -> impl Iterator<Item = &[u8]> {
        self.logs[log].iter().filter_map(|slot| match slot {
            Slot::Record(id, value) if self.is_committed(*id) => Some(value.as_slice()),
            _ => None,
        })
    }
}
