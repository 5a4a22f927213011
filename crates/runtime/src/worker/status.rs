//! How far the stream threads are, for whoever asks inside the process: metrics and `naru dev`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use streams::Counts;

/// Where the records of one source are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// How records have ended, over all partitions of this process, since their first record.
    pub counts: Counts,
    /// Messages in the reorder buffers.
    pub held: u64,
}

/// Which part of the status a stream thread has written: its number, the source's label, the partition.
type Part = (usize, &'static str, i32);

/// The status of all stream threads of a process. Clones share it.
#[derive(Clone, Default)]
pub struct Status {
    parts: Arc<Mutex<BTreeMap<Part, SourceStatus>>>,
    labels: Vec<&'static str>,
}

impl Status {
    pub(crate) fn new(labels: impl Iterator<Item = &'static str>) -> Self {
        Self { parts: Arc::default(), labels: labels.collect() }
    }

    /// The sum over all partitions of a source, by the source's label.
    #[must_use]
    pub fn sources(&self) -> BTreeMap<&'static str, SourceStatus> {
        let mut sums: BTreeMap<&'static str, SourceStatus> =
            self.labels.iter().map(|label| (*label, SourceStatus::default())).collect();
        for ((_, label, _), part) in self.lock().iter() {
            let sum = sums.entry(label).or_default();
            sum.held += part.held;
            sum.counts.released += part.counts.released;
            sum.counts.late += part.counts.late;
            sum.counts.hold_cut += part.counts.hold_cut;
            sum.counts.duplicate += part.counts.duplicate;
            sum.counts.filtered += part.counts.filtered;
            sum.counts.dead += part.counts.dead;
        }
        sums
    }

    pub(crate) fn set(&self, part: Part, status: SourceStatus) {
        self.lock().insert(part, status);
    }

    /// A thread has given up a partition, or all of them.
    pub(crate) fn forget(&self, thread: usize, which: impl Fn(&'static str, i32) -> bool) {
        self.lock().retain(|(owner, label, partition), _| *owner != thread || !which(label, *partition));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Part, SourceStatus>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
