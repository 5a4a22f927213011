//! A commit, step by step: entries and offsets in the transaction, its decision, and only then the local state. At least
//! once: outputs, entries and offsets, each acknowledged before the next, and only then the local state.

use streams::{CommitMetadata, Counts, Entry, Minute, Position, changelog, position_key};

use super::around::{Around, changelog_of};
use super::chain::plain_key;
use super::defect::Defect;
use super::instance::{After, Fault, InCommit, Instance, Phase};
use super::kafka::{Committed, Refusal};

impl Instance {
    /// Writes the entries of all tasks, and notes the positions to commit.
    pub(super) fn entries(&mut self, around: &mut Around, after: After) -> Result<(), Fault> {
        // At least once, nobody may read of an output in the changelog that is not there.
        let in_order = !around.is_transactional() && !around.has(Defect::EntriesBeforeOutputs);
        if in_order && !self.is_flushed(around)? {
            return Ok(());
        }
        self.commit.clear();
        self.acknowledged.clear();
        let ids: Vec<usize> = self.tasks.keys().copied().collect();
        for partition in ids {
            let running = &mut self.tasks.get_mut(&partition).expect("listed above");
            let commit = running.task.commit();
            if !running.written && commit.entries.is_empty() && running.committed == Some(commit.position) {
                continue;
            }
            let (mut position, counts) = (commit.position, commit.counts);
            if around.has(Defect::OffsetOffByOne) {
                position = Position(position.0 + 1);
            }
            if around.has(Defect::OffsetOverHeld) {
                position = running.task.position();
            }
            if around.has(Defect::LeftKeptTooShort) {
                position = running.notes.kept_too_short(
                    &around.kafka.sources[partition],
                    position,
                    running.task.position(),
                );
            }
            let unmoved = running.committed == Some(position);
            let entries = to_write(around, partition, commit.entries);
            if around.has(Defect::MarkBeforeOutput) || around.has(Defect::SetBeforeCommit) {
                let early = running.task.commit().entries.to_vec();
                for entry in early {
                    running.task.dedupe().insert(entry)?;
                }
                let stored = Some(running.changelog);
                if around.has(Defect::MarkBeforeOutput) {
                    running.task.dedupe().write_back(stored)?;
                }
            }
            for value in changelog::encode_entries(&entries) {
                self.put(around, changelog_of(partition), value)?;
            }
            let metadata = self.metadata(counts);
            let sent = !(around.has(Defect::NoOffsets) && unmoved);
            self.commit.push(InCommit { partition, position, metadata, sent });
        }
        if self.commit.is_empty() && !self.open {
            return self.after(around, after);
        }
        self.phase = Phase::Offsets(after);
        Ok(())
    }

    fn metadata(&self, counts: Counts) -> String {
        CommitMetadata { writer: self.id.to_string(), counts }.encode()
    }

    /// Sends the positions: the group's generation is the fence.
    pub(super) fn offsets(&mut self, around: &mut Around, after: After) -> Result<(), Fault> {
        if !around.is_transactional() {
            return self.commit_offsets(around, after);
        }
        if self.lost && !around.has(Defect::CommitsAfterLoss) && !around.has(Defect::ZombieCommits) {
            self.abort(around);
            return Err(Fault::Lost);
        }
        let offsets = self.to_commit();
        if !(offsets.is_empty() && around.has(Defect::NoOffsets)) {
            let member = if around.has(Defect::ZombieCommits) { None } else { self.member };
            let group = &around.group;
            let producer = (self.id, self.epoch, around.now);
            let sent =
                around.kafka.send_offsets(producer, member, |member| group.is_current(member), offsets);
            if sent == Err(Refusal::Generation) {
                self.abort(around);
            }
            sent?;
        }
        self.phase = Phase::Decide(after);
        Ok(())
    }

    fn to_commit(&self) -> Vec<(usize, Committed)> {
        let sent = self.commit.iter().filter(|part| part.sent);
        sent.map(|part| {
            let committed = Committed { position: part.position.0, metadata: part.metadata.clone() };
            (part.partition, committed)
        })
        .collect()
    }

    /// Commits the positions once the entries are acknowledged.
    fn commit_offsets(&mut self, around: &mut Around, after: After) -> Result<(), Fault> {
        if !around.has(Defect::OffsetsBeforeEntries) && !self.is_flushed(around)? {
            return Ok(());
        }
        if self.lost && !around.has(Defect::LostMemberCommits) {
            return Err(Fault::Lost);
        }
        let (member, batch, offsets) = (self.member, self.batch, self.to_commit());
        self.ask(around, |around| {
            if !around.group.may_commit(member) {
                return Err(Refusal::Generation);
            }
            around.kafka.commit_offsets(batch, offsets);
            Ok(())
        })?;
        self.phase = Phase::Apply(after);
        Ok(())
    }

    /// At least once: whether everything written is acknowledged. A record that is not, or whose acknowledgement is
    /// lost, is a fault.
    pub(super) fn is_flushed(&mut self, around: &mut Around) -> Result<bool, Fault> {
        if self.unsent.is_empty() {
            return Ok(true);
        }
        let is_lost = around.strikes(|s| s.faults.lost_request);
        if !is_lost && !around.strikes(|s| s.faults.lost_answer) {
            return Ok(false);
        }
        around.tell(|| format!("instance {}: a record is not acknowledged, lost: {is_lost}", self.id));
        if is_lost && around.has(Defect::GapInOutputs) {
            self.unsent.lose_first();
        }
        if !is_lost || around.has(Defect::GapInOutputs) {
            self.unsent.send_all(&mut around.kafka);
        }
        if around.has(Defect::UnwrittenCovered) {
            self.unsent.cut_off(&mut around.kafka, &mut around.random);
            return Ok(true);
        }
        Err(Fault::NotWritten)
    }

    /// Asks for the commit, whose outcome may stay unknown.
    pub(super) fn decide(&mut self, around: &mut Around, after: After) -> Result<(), Fault> {
        if around.has(Defect::FailureCommittedOver) && around.strikes(|s| s.faults.lost_request) {
            self.abort(around);
            self.open = false;
            return self.after(around, after);
        }
        self.end_transaction(around)?;
        self.phase = Phase::Apply(after);
        Ok(())
    }

    pub(super) fn end_transaction(&mut self, around: &mut Around) -> Result<(), Fault> {
        let (id, epoch) = (self.id, self.epoch);
        self.ask(around, |around| around.kafka.decide(id, epoch, true))
    }

    /// A request that commits: it can get lost, and so can its answer.
    fn ask(
        &self,
        around: &mut Around,
        request: impl FnOnce(&mut Around) -> Result<(), Refusal>,
    ) -> Result<(), Fault> {
        let arrives = !around.strikes(|s| s.faults.lost_request);
        if arrives {
            request(around)?;
        }
        let answered = arrives && !around.strikes(|s| s.faults.lost_answer);
        if !answered {
            around.tell(|| format!("instance {}: a commit has no answer, arrived: {arrives}", self.id));
        }
        if answered || around.has(Defect::UnknownTakenForDone) { Ok(()) } else { Err(Fault::Unknown) }
    }

    fn abort(&mut self, around: &mut Around) {
        // Where even that is refused, a younger producer has done it.
        let _ = around.kafka.decide(self.id, self.epoch, false);
    }

    /// The commit ended well: what it held is applied.
    pub(super) fn apply(&mut self, around: &mut Around, after: After) -> Result<(), Fault> {
        self.open = false;
        self.batch = None;
        for part in std::mem::take(&mut self.commit) {
            let running = self.tasks.get_mut(&part.partition).expect("a thread does one thing at a time");
            if around.has(Defect::KeyOnlyInStore) {
                let mut known = around.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for entry in running.task.commit().entries {
                    known.entry(plain_key(entry.key)).or_insert(entry.key);
                }
            }
            around.tell(|| {
                format!("instance {} committed partition {} at {}", self.id, part.partition, part.position.0)
            });
            running.committed = Some(part.position);
            running.written = false;
            running.task.committed()?;
            if around.has(Defect::ForgetsTooSoon) {
                running.task.dedupe().expire(Minute::of(around.now - 60_000))?;
            }
            // At least once, somebody who was put out may have written before it, which the set lacks: the position stays,
            // so that the next owner reads that. A commit here is one record of the changelog.
            if let Some(written) = self.acknowledged.get(&changelog_of(part.partition))
                && (around.is_transactional()
                    || *written == running.changelog
                    || around.has(Defect::PositionJumps))
            {
                running.changelog = written + 1;
            }
        }
        self.after(around, after)
    }

    /// What a commit was for.
    fn after(&mut self, around: &mut Around, after: After) -> Result<(), Fault> {
        match after {
            After::Turn => {
                self.commit_at = around.now + around.settings.commit_interval;
                if around.now >= self.write_back_at {
                    self.write_back(around)?;
                }
                self.phase = Phase::Read;
            }
            After::TakeOver => self.phase = Phase::Barrier,
            After::Revoke(partition) => self.revoked(around, partition)?,
            After::End => {
                self.write_back(around)?;
                if let Some(member) = self.member {
                    around.group.leave(member.id, around.now, &mut around.random);
                }
                // The process ends in good order: its standby has written everything, and is gone.
                self.kept.clear();
                let until = around.now + around.random.between(0, 2_500);
                self.drop_thread(until);
            }
        }
        Ok(())
    }

    /// Writes the sets to the local state. They hold only what is committed.
    pub(super) fn write_back(&mut self, around: &Around) -> Result<(), Fault> {
        self.write_back_at = around.now + around.settings.write_back;
        for running in self.tasks.values_mut() {
            let position = Some(running.changelog);
            running.task.dedupe().write_back(position)?;
        }
        for kept in self.kept.values_mut() {
            kept.set.write_back(kept.position)?;
        }
        Ok(())
    }
}

/// The entries as they are written, by the defect that is on.
fn to_write(around: &mut Around, partition: usize, entries: &[Entry]) -> Vec<Entry> {
    let is_place = |entry: &&Entry| entry.key == position_key(entry.offset);
    let mut written: Vec<Entry> = match around.defect {
        Some(Defect::ReleasedKeyMissing) => entries.iter().filter(is_place).copied().collect(),
        Some(Defect::PlaceNotEntered) => entries.iter().filter(|entry| !is_place(entry)).copied().collect(),
        _ => entries.to_vec(),
    };
    if around.has(Defect::ReleasedKeyLater) {
        std::mem::swap(&mut around.later[partition], &mut written);
    }
    written
}
