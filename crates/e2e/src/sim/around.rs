//! What all instances of a run share: the broker, the group, the clock, chance, the disks, and the tally.

use runtime::config::Guarantee;
use streams::{Effects, Entry, Position};

use super::bursts::Step;
use super::chain::{Known, encode_dead};
use super::defect::Defect;
use super::disk::Disk;
use super::group::Group;
use super::kafka::Kafka;
use super::plan::{OUTBOXES, RETURNED, Settings};
use super::random::Random;

/// The log of dead letters.
pub(super) const DEAD: usize = OUTBOXES;

/// The changelog of a partition.
pub(super) fn changelog_of(partition: usize) -> usize {
    OUTBOXES + 1 + partition
}

/// What a run counts for its reader.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) crashes: u64,
    pub(super) rebalances: u64,
    pub(super) faults: u64,
    pub(super) records: u64,
    pub(super) repeats: u64,
}

/// The world of a run, without its instances.
pub(super) struct Around {
    pub(super) now: i64,
    pub(super) settings: Settings,
    pub(super) defect: Option<Defect>,
    pub(super) kafka: Kafka,
    pub(super) group: Group,
    pub(super) random: Random,
    /// By instance, then by partition.
    pub(super) disks: Vec<Vec<Disk>>,
    /// Partitions whose hold was cut by any owner: their order is not judged.
    pub(super) cut: Vec<bool>,
    /// Partitions that were taken over after something of them was committed: what had left longer than a hold before
    /// is not remembered there.
    pub(super) moved: Vec<bool>,
    /// Partitions whose counts were taken away by whoever set the position back.
    pub(super) recounted: Vec<bool>,
    /// Whether faults still happen.
    pub(super) stormy: bool,
    pub(super) known: Known,
    /// For the defect that writes entries one transaction too late, by partition.
    pub(super) later: Vec<Vec<Entry>>,
    /// What every task did, in order, where bursts leave in one go.
    pub(super) steps: Vec<Step>,
    /// How many tasks there have been.
    pub(super) tasks: usize,
    pub(super) tally: Tally,
    /// What happened, where somebody wants to read it.
    pub(super) trace: Option<Vec<String>>,
    /// What an instance found wrong itself.
    pub(super) complaint: Option<String>,
}

impl Around {
    pub(super) fn is_transactional(&self) -> bool {
        self.settings.guarantee == Guarantee::ExactlyOnce
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// Whether the broker is away from the processors, or has just come back.
    pub(super) fn is_away(&self) -> bool {
        let just = if self.has(Defect::TimeRunsOnReturn) { 0 } else { RETURNED };
        let away = |(from, back)| from <= self.now && self.now < back + just;
        self.settings.away.is_some_and(away)
    }

    /// Whether a fault happens now.
    pub(super) fn strikes(&mut self, parts: impl Fn(&Settings) -> u64) -> bool {
        self.stormy && self.random.chance(parts(&self.settings))
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{:>9} {}", self.now - super::plan::BEGIN, what());
            trace.push(line);
        }
    }

    /// The records of effects, and the logs that they go to.
    pub(super) fn records_of(partition: usize, effects: Effects) -> impl Iterator<Item = (usize, Vec<u8>)> {
        let outputs = effects.outputs.into_iter().map(|output| {
            let log = usize::from(output.value[0]) % OUTBOXES;
            (log, output.value)
        });
        let dead = effects.dead.into_iter().map(move |dead| (DEAD, encode_dead(partition, &dead)));
        outputs.chain(dead)
    }

    /// Where a new owner starts, and with which metadata, if nothing holds it back.
    pub(super) fn start_of(&self, partition: usize) -> Option<(Position, String)> {
        let committed = if self.has(Defect::UnstableOffsets) {
            self.kafka.committed(partition)
        } else {
            self.kafka.stable(partition).ok()?
        };
        Some(committed.map_or_else(
            || (Position(0), String::new()),
            |committed| (Position(committed.position), committed.metadata.clone()),
        ))
    }
}
