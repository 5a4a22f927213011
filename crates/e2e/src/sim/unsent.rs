//! What a client without transactions has in hand: records that are written and not acknowledged. They arrive later,
//! log by log, and where the client ends before, some of them never do.

use std::collections::{BTreeMap, VecDeque};

use super::kafka::Kafka;
use super::random::Random;

/// A record and the batch that it is part of.
type Waiting = (usize, Vec<u8>);

/// The records in hand.
#[derive(Default)]
pub(super) struct Unsent {
    logs: BTreeMap<usize, VecDeque<Waiting>>,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.logs.values().all(VecDeque::is_empty)
    }

    pub(super) fn push(&mut self, batch: usize, log: usize, value: Vec<u8>) {
        self.logs.entry(log).or_default().push_back((batch, value));
    }

    /// Some arrive, each log at its own pace; `acknowledge` is told their log and offset.
    pub(super) fn send(
        &mut self,
        kafka: &mut Kafka,
        random: &mut Random,
        mut acknowledge: impl FnMut(usize, i64),
    ) {
        for (log, waiting) in self.logs.iter_mut().filter(|(_, waiting)| !waiting.is_empty()) {
            let count = random.below(2 * waiting.len() + 2).min(waiting.len());
            for (batch, value) in waiting.drain(..count) {
                acknowledge(*log, kafka.arrive(batch, *log, value));
            }
        }
    }

    /// The client ends: what is on its way may still arrive, but never a record without those before it.
    pub(super) fn cut_off(&mut self, kafka: &mut Kafka, random: &mut Random) {
        self.send(kafka, random, |_, _| {});
        self.logs.clear();
    }

    /// All of them arrive.
    pub(super) fn send_all(&mut self, kafka: &mut Kafka) {
        for (log, waiting) in std::mem::take(&mut self.logs) {
            waiting.into_iter().for_each(|(batch, value)| _ = kafka.arrive(batch, log, value));
        }
    }

    /// The first record of each log is given up; those behind it go on.
    pub(super) fn lose_first(&mut self) {
        self.logs.values_mut().for_each(|waiting| _ = waiting.pop_front());
    }
}
