//! Taking partitions over and giving them back, and the standby, as `runtime::worker` does it: committed offsets that
//! are stable, a barrier, the changelog up to it, and only then the first record.

use streams::changelog::{self, Item};
use streams::{CommitMetadata, DedupeSet, Task};

use super::around::{Around, changelog_of};
use super::bursts::Notes;
use super::chain::chain;
use super::defect::Defect;
use super::group::News;
use super::instance::{After, Fault, Instance, Kept, Phase, Restoring, Running, Unstable};
use super::plan::LIMITS;
use super::repeats;

impl Instance {
    /// Acts on what the group gave and took, one thing a step.
    pub(super) fn follow(&mut self, around: &mut Around) -> Result<(), Fault> {
        match self.changes.pop_front() {
            Some(News::Lost) => return Err(Fault::Lost),
            Some(News::Revoked(partition)) if around.has(Defect::RevokedUncommitted) => {
                return self.revoked(around, partition);
            }
            Some(News::Revoked(partition)) => {
                self.phase = Phase::Entries(After::Revoke(partition));
                return Ok(());
            }
            Some(News::Assigned(partition)) => {
                self.unstable.push(Unstable { partition, fenced: false });
                return Ok(());
            }
            Some(News::Generation(_)) | None => {}
        }
        self.phase = Phase::Work;
        for mut waiting in std::mem::take(&mut self.unstable) {
            let partition = waiting.partition;
            if let Some((position, metadata)) = around.start_of(partition) {
                self.taking.push((partition, position, metadata));
                continue;
            }
            if !waiting.fenced {
                waiting.fenced = self.fence_writer(around, partition);
            }
            self.unstable.push(waiting);
        }
        if !self.taking.is_empty() {
            self.phase = Phase::Entries(After::TakeOver);
        }
        Ok(())
    }

    /// Ends the transaction of whoever committed last, since the group says that the partition is ours.
    fn fence_writer(&self, around: &mut Around, partition: usize) -> bool {
        let committed = around.kafka.committed(partition);
        let metadata = committed.and_then(|committed| CommitMetadata::decode(&committed.metadata));
        let writer = metadata.and_then(|metadata| metadata.writer.parse().ok());
        let Some(writer) = writer.filter(|writer| *writer != self.id) else { return true };
        around.tell(|| format!("instance {} fences instance {writer}", self.id));
        around.kafka.init(writer).is_ok()
    }

    /// Writes a barrier into the changelog of each partition that is taken over.
    pub(super) fn barrier(&mut self, around: &mut Around) -> Result<(), Fault> {
        for (partition, start, metadata) in std::mem::take(&mut self.taking) {
            let log = changelog_of(partition);
            let Kept { set, position } = match self.kept.remove(&partition) {
                Some(kept) => kept,
                None => open(around, self.id, partition)?,
            };
            let (set, position) = match position {
                Some(stored) if stored > around.kafka.end(log) => {
                    let disk = set.into_blocks();
                    disk.clear();
                    DedupeSet::open(disk)?
                }
                _ => (set, position),
            };
            self.barriers += 1;
            around.moved[partition] |= start.0 > 0;
            let nonce = format!("{} {} {}", self.id, self.epoch, self.barriers).into_bytes();
            let stop = match around.defect {
                Some(Defect::RestoreEndsAtStable) => Some(around.kafka.last_stable(log)),
                Some(Defect::StaleRestore) if position.is_some() => Some(0),
                _ => None,
            };
            if stop.is_none() {
                self.put(around, log, changelog::encode_barrier(&nonce))?;
            }
            let counts = CommitMetadata::decode(&metadata).map(|metadata| metadata.counts);
            let counts = if around.has(Defect::CountsNotCarried) { None } else { counts }.unwrap_or_default();
            let changelog = position.unwrap_or(0);
            around.tell(|| format!("instance {} restores partition {partition} from {}", self.id, start.0));
            self.restoring.insert(partition, Restoring { set, start, counts, changelog, nonce, stop });
        }
        self.phase = Phase::BarrierEnd;
        Ok(())
    }

    pub(super) fn barrier_end(&mut self, around: &mut Around) -> Result<(), Fault> {
        if around.is_transactional() {
            self.end_transaction(around)?;
        } else if !self.is_flushed(around)? {
            return Ok(());
        }
        self.open = false;
        self.batch = None;
        self.phase = Phase::Work;
        Ok(())
    }

    /// Reads changelogs on, up to the barriers.
    pub(super) fn restore(&mut self, around: &mut Around) -> Result<(), Fault> {
        let ids: Vec<usize> = self.restoring.keys().copied().collect();
        for partition in ids {
            let restoring = self.restoring.get_mut(&partition).expect("listed above");
            let log = changelog_of(partition);
            let mut done = false;
            for _ in 0..around.random.below(12) {
                let any = around.has(Defect::RestoreReadsAborted);
                let from = restoring.changelog;
                let next = if any {
                    around.kafka.read_any(log, from)
                } else {
                    around.kafka.read_committed(log, from)
                };
                let next = next.filter(|(offset, _)| restoring.stop.is_none_or(|stop| *offset < stop));
                let Some((offset, value)) = next else {
                    done = restoring.stop.is_some();
                    break;
                };
                restoring.changelog = offset + 1;
                match changelog::decode(value).expect("only this engine writes it") {
                    Item::Entries(entries) => {
                        for entry in entries {
                            restoring.set.insert(entry)?;
                        }
                    }
                    Item::Barrier(nonce) if nonce == restoring.nonce => {
                        done = true;
                        break;
                    }
                    Item::Barrier(_) => {}
                }
            }
            if done {
                let restored = self.restoring.remove(&partition).expect("listed above");
                let Restoring { set, start, counts, changelog, .. } = restored;
                if !around.is_transactional()
                    && let Some(lack) = repeats::lacking(around, partition, &set, changelog)?
                {
                    around.complaint = Some(lack);
                }
                let together =
                    around.settings.together && !(around.has(Defect::BurstsNotEverywhere) && self.id == 0);
                let chain = chain(together, around.defect, &around.known);
                let task = Task::new(chain, LIMITS, set, start, counts);
                around.tasks += 1;
                self.tasks.insert(partition, Running::new(task, changelog, Notes::of(around.tasks)));
            }
        }
        Ok(())
    }

    /// The standby reads the changelogs of all other partitions.
    pub(super) fn follow_changelogs(&mut self, around: &mut Around) -> Result<(), Fault> {
        if around.has(Defect::StaleRestore) {
            return Ok(());
        }
        for (partition, kept) in &mut self.kept {
            let log = changelog_of(*partition);
            for _ in 0..around.random.below(4) {
                let next = around.kafka.read_committed(log, kept.position.unwrap_or(0));
                let Some((offset, value)) = next else { break };
                if let Ok(Item::Entries(entries)) = changelog::decode(value) {
                    for entry in entries {
                        kept.set.insert(entry)?;
                    }
                }
                kept.position = Some(offset + 1);
            }
        }
        Ok(())
    }

    /// Hands what is committed of a partition to the standby.
    fn hand_to_standby(&mut self, partition: usize) {
        if let Some(running) = self.tasks.remove(&partition) {
            let position = Some(running.changelog);
            self.kept.insert(partition, Kept { set: running.task.into_dedupe(), position });
        }
        if let Some(restoring) = self.restoring.remove(&partition) {
            let position = Some(restoring.changelog);
            self.kept.insert(partition, Kept { set: restoring.set, position });
        }
    }

    pub(super) fn hand_all_to_standby(&mut self) {
        let ids: Vec<usize> = self.tasks.keys().chain(self.restoring.keys()).copied().collect();
        for partition in ids {
            self.hand_to_standby(partition);
        }
    }

    /// Gives a partition back, after everything that is its is committed.
    pub(super) fn revoked(&mut self, around: &mut Around, partition: usize) -> Result<(), Fault> {
        self.write_back(around)?;
        self.unstable.retain(|waiting| waiting.partition != partition);
        if !around.has(Defect::RevokedPartitionKept) {
            self.hand_to_standby(partition);
        }
        around.tell(|| format!("instance {} gives partition {partition} back", self.id));
        if let Some(member) = self.member {
            around.group.given_back(member.id, partition, around.now, &mut around.random);
        }
        self.phase = Phase::Follow;
        Ok(())
    }
}

/// Opens a set from the disk of an instance.
fn open(around: &Around, instance: usize, partition: usize) -> Result<Kept, Fault> {
    let (set, position) = DedupeSet::open(around.disks[instance][partition].clone())?;
    Ok(Kept { set, position })
}
