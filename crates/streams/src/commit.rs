//! What a commit carries: the position, the dedupe entries, and the counts that a crash must not bend.

use crate::{Entry, Position};

/// How many source records of a partition ended how, since its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Released in order, or late: mapped into an outbox.
    pub released: u64,
    /// Of the released: those that came too late to stand in order.
    pub late: u64,
    /// Of the released: those that left before their hold, or their burst, was over, since the buffers were full.
    pub hold_cut: u64,
    /// Duplicates of another record.
    pub duplicate: u64,
    /// Filtered.
    pub filtered: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Counts {
    /// Records that have reached their final state.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.released + self.duplicate + self.filtered + self.dead
    }

    /// What has been counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Counts) -> Counts {
        Counts {
            released: self.released - before.released,
            late: self.late - before.late,
            hold_cut: self.hold_cut - before.hold_cut,
            duplicate: self.duplicate - before.duplicate,
            filtered: self.filtered - before.filtered,
            dead: self.dead - before.dead,
        }
    }
}

/// What a task wants committed, in one transaction with its effects.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The source position to go back to after a crash.
    pub position: Position,
    /// Entries for the changelog.
    pub entries: &'a [Entry],
    /// The counts after this commit.
    pub counts: Counts,
}

/// The text that is committed with a source position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The `transactional.id` of the partition's owner; empty once the owner has given the partition back in order.
    /// Whoever takes the partition over from an owner that is named here and is gone must end its transaction, which
    /// initialising the id does.
    pub writer: String,
    /// The counts at this commit.
    pub counts: Counts,
}

impl CommitMetadata {
    /// The text: `1;<writer>;<released>,<late>,<hold_cut>,<duplicate>,<filtered>,<dead>`.
    #[must_use]
    pub fn encode(&self) -> String {
        let c = &self.counts;
        format!(
            "1;{};{},{},{},{},{},{}",
            self.writer, c.released, c.late, c.hold_cut, c.duplicate, c.filtered, c.dead
        )
    }

    /// Reads the text; `None` where it is empty or not of this form (another tool moved the offsets).
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (version, writer, counts) = (parts.next()?, parts.next()?, parts.next()?);
        if version != "1" || parts.next().is_some() {
            return None;
        }
        let numbers: Vec<u64> = counts.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [released, late, hold_cut, duplicate, filtered, dead] = numbers[..] else { return None };
        let counts = Counts { released, late, hold_cut, duplicate, filtered, dead };
        Some(Self { writer: writer.to_owned(), counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_back() {
        let counts = Counts { released: 1, late: 2, hold_cut: 3, duplicate: 4, filtered: 5, dead: 6 };
        let metadata = CommitMetadata { writer: "naru-processors-host-0".into(), counts };
        assert_eq!(CommitMetadata::decode(&metadata.encode()), Some(metadata));
    }

    #[test]
    fn foreign_metadata_is_none() {
        for text in ["", "1", "2;a;1,2,3,4,5,6", "1;a;1,2,3", "1;a;1,2,3,4,5,x", "1;a;1,2,3,4,5,6;b"] {
            assert_eq!(CommitMetadata::decode(text), None, "{text}");
        }
    }
}
