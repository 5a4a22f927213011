//! Writing what tasks have made: outputs and dead letters, each in its topic.

use schemas::{Topic, header};
use streams::{Effects, Output};

use super::fault::Fault;
use super::restore::TaskId;
use super::thread::Thread;
use super::transaction::NewRecord;
use crate::metrics;

/// A topic that outputs go to.
pub(super) struct Target {
    /// Without the prefix.
    pub(super) name: &'static str,
    full: String,
    partitions: i32,
    /// Records written since they were last counted.
    pub(super) written: u64,
}

impl<M> Thread<'_, M> {
    /// Writes a task's effects in the current transaction.
    pub(super) fn write(&mut self, id: TaskId, effects: Effects) -> Result<(), Fault> {
        if effects.outputs.is_empty() && effects.dead.is_empty() && effects.filtered.is_empty() {
            return Ok(());
        }
        for output in &effects.outputs {
            self.write_output(output)?;
        }
        let label = self.shared.sources[id.0].label;
        let dead_letters = self.target(Topic::DEAD_LETTERS.name())?;
        for dead in &effects.dead {
            metrics::PROCESSOR_DEAD.add([label, dead.reason], 1);
            let (partition, offset) = (id.1.to_string(), dead.record.offset.0.to_string());
            let mut headers: Vec<(&str, &[u8])> =
                dead.record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            headers.extend([
                (header::DEAD_REASON, dead.reason.as_bytes()),
                (header::DEAD_DETAIL, dead.detail.as_bytes()),
                (header::DEAD_STAGE, b"processors"),
                (header::DEAD_TOPIC, self.topics[id.0].as_bytes()),
                (header::DEAD_PARTITION, partition.as_bytes()),
                (header::DEAD_OFFSET, offset.as_bytes()),
            ]);
            self.targets[dead_letters].written += 1;
            let topic = &self.targets[dead_letters].full;
            let (key, value) = (&dead.record.key, &dead.record.value);
            let partition = None;
            self.transaction.write(&NewRecord {
                topic,
                partition,
                key,
                value,
                headers: &headers,
                tracked: None,
            })?;
        }
        for (reason, count) in effects.filtered {
            metrics::FILTERED.add([label, reason], count);
        }
        if let Some(running) = self.tasks.get_mut(&id) {
            running.written = true;
        }
        Ok(())
    }

    fn write_output(&mut self, output: &Output) -> Result<(), Fault> {
        let at = self.target(output.topic)?;
        self.targets[at].written += 1;
        let Target { full: topic, partitions, .. } = &self.targets[at];
        let partition = output.partition_by.as_ref().map(|key| schemas::partition_for(key, *partitions));
        let headers: Vec<(&str, &[u8])> =
            output.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let (key, value) = (&output.key, &output.value);
        let record = NewRecord { topic, partition, key, value, headers: &headers, tracked: None };
        match &mut self.vault {
            Some(vault) if output.topic == Topic::VAULT.name() => vault.write(&record),
            _ => self.transaction.write(&record),
        }
    }

    /// Where in `targets` a topic stands.
    pub(super) fn target(&mut self, name: &'static str) -> Result<usize, Fault> {
        if let Some(at) = self.targets.iter().position(|target| target.name == name) {
            return Ok(at);
        }
        let full = self.shared.names.full(name);
        let writer = match &self.vault {
            Some(vault) if name == Topic::VAULT.name() => vault,
            _ => &self.transaction,
        };
        let partitions = writer.partitions(&full)?;
        self.targets.push(Target { name, full, partitions, written: 0 });
        Ok(self.targets.len() - 1)
    }
}
