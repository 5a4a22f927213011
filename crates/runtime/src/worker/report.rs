//! What a stream thread tells the outside: metrics, and the status of its partitions.

use std::collections::BTreeMap;

use rdkafka::consumer::Consumer;

use super::status::SourceStatus;
use super::thread::Thread;
use crate::metrics;

impl<M> Thread<'_, M> {
    /// Tells metrics and the status what the last commit made true.
    pub(super) fn report(&mut self) {
        let thread = self.index.to_string();
        // Every source, so that nothing stays behind of partitions that were given back.
        let mut held: BTreeMap<&'static str, u64> =
            self.shared.sources.iter().map(|source| (source.label, 0)).collect();
        let mut unread: BTreeMap<usize, i64> = (0..self.topics.len()).map(|number| (number, 0)).collect();
        for (id, running) in &mut self.tasks {
            let label = self.shared.sources[id.0].label;
            let counts = *running.task.counts();
            let new = counts.since(&running.counted);
            running.counted = counts;
            for (outcome, count) in [
                ("released", new.released),
                ("duplicate", new.duplicate),
                ("filtered", new.filtered),
                ("dead", new.dead),
            ] {
                if count > 0 {
                    metrics::RECORDS.add([label, outcome], count);
                }
            }
            if new.late > 0 {
                metrics::LATE.add([label], new.late);
            }
            if new.hold_cut > 0 {
                metrics::HOLD_CUT.add([label], new.hold_cut);
            }
            let in_buffer = running.task.held() as u64;
            *held.entry(label).or_default() += in_buffer;
            let high = self.consumer.context().high(&self.topics[id.0], id.1).unwrap_or(0);
            *unread.entry(id.0).or_default() += (high - running.task.position().0).max(0);
            self.shared.status.set((self.index, label, id.1), SourceStatus { counts, held: in_buffer });
        }
        for target in self.targets.iter_mut().filter(|target| target.written > 0) {
            metrics::WRITTEN.add([target.name], std::mem::take(&mut target.written));
        }
        for (label, count) in held {
            metrics::HELD.set([label.to_owned(), thread.clone()], as_gauge(count));
        }
        for (source, count) in unread {
            metrics::UNREAD
                .set([self.topics[source].clone(), thread.clone()], as_gauge(count.cast_unsigned()));
        }
        metrics::HELD_BYTES.set([thread.clone()], as_gauge(self.held_bytes as u64));
        metrics::TASKS.set([thread], as_gauge(self.tasks.len() as u64));
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
fn as_gauge(count: u64) -> f64 {
    count as f64
}
