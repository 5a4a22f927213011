//! The deliberate defects: what a driver of the engine, or the engine, could do wrong. Each must be found.

use runtime::config::Guarantee;

/// A defect that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The set is marked, and stored, before the transaction is decided.
    MarkBeforeOutput,
    /// The committed position is one too far.
    OffsetOffByOne,
    /// The position that is committed is the one read, over held records.
    OffsetOverHeld,
    /// The keys of released records are not written in the transaction.
    ReleasedKeyMissing,
    /// The keys of released records are written in the next transaction.
    ReleasedKeyLater,
    /// The place of filtered, dead and duplicate records is not entered.
    PlaceNotEntered,
    /// A restore ends at the last stable offset that it finds, without a barrier.
    RestoreEndsAtStable,
    /// A restore trusts the local state and does not read the changelog that came after.
    StaleRestore,
    /// A restore reads what was aborted.
    RestoreReadsAborted,
    /// Committed positions are read though a transaction holds them back.
    UnstableOffsets,
    /// Time only moves by records.
    TimeStalls,
    /// Time moves by the clock, whether everything is read or not.
    TimeOverUnread,
    /// The time of a turn is added to that of a record which came at its end.
    TimeCountedTwice,
    /// A late record is dropped.
    LateDropped,
    /// Offsets are sent without the group's generation.
    ZombieCommits,
    /// An owner whose membership is lost commits once more.
    CommitsAfterLoss,
    /// A partition that was given back is worked on.
    RevokedPartitionKept,
    /// A transaction has no offsets where the position has not moved.
    NoOffsets,
    /// Dead letters are written outside of the transaction.
    DeadLetterTwice,
    /// Outputs are written outside of the transaction.
    OutputOutside,
    /// At the hold bound reading pauses.
    HoldBoundPauses,
    /// A key is looked up among what is committed, not among what is held.
    KeyOnlyInStore,
    /// The counts begin anew with each owner.
    CountsNotCarried,
    /// A commit whose outcome is unknown is taken for done.
    UnknownTakenForDone,
    /// After a commit that failed the tasks go on, and the next commit covers it.
    FailureCommittedOver,
    /// The set forgets by the wall clock, and too soon.
    ForgetsTooSoon,
    /// Records that come out of a spool are held no longer than others.
    SpoolHoldMissing,
    /// The append time of a record moves time before the record has its place.
    AppendTimeFirst,
    /// Time moves by the clock as soon as the broker is back, before the spools are drained.
    TimeRunsOnReturn,
    /// One instance lets records leave one by one where all others let bursts leave in one go.
    BurstsNotEverywhere,
    /// Bursts leave in one go, and what left is read again for one hold, as if nothing waited longer; what a restart
    /// has read again is not read again by the next.
    LeftKeptTooShort,
    /// At least once: entries are written while outputs are not acknowledged.
    EntriesBeforeOutputs,
    /// At least once: offsets are committed while entries are not acknowledged.
    OffsetsBeforeEntries,
    /// At least once: the set holds what is not committed.
    SetBeforeCommit,
    /// At least once: a record that was not written is covered by the commit.
    UnwrittenCovered,
    /// At least once: where a record is given up, those behind it are written.
    GapInOutputs,
    /// At least once: a partition is given back before its outputs are committed.
    RevokedUncommitted,
    /// At least once: who was put out of the group commits offsets, which the broker takes while the group is empty.
    LostMemberCommits,
    /// At least once: the set is taken to hold the changelog up to its last commit, whatever others wrote before that.
    PositionJumps,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 39] = [
        Defect::MarkBeforeOutput,
        Defect::OffsetOffByOne,
        Defect::OffsetOverHeld,
        Defect::ReleasedKeyMissing,
        Defect::ReleasedKeyLater,
        Defect::PlaceNotEntered,
        Defect::RestoreEndsAtStable,
        Defect::StaleRestore,
        Defect::RestoreReadsAborted,
        Defect::UnstableOffsets,
        Defect::TimeStalls,
        Defect::TimeOverUnread,
        Defect::TimeCountedTwice,
        Defect::LateDropped,
        Defect::ZombieCommits,
        Defect::CommitsAfterLoss,
        Defect::RevokedPartitionKept,
        Defect::NoOffsets,
        Defect::DeadLetterTwice,
        Defect::OutputOutside,
        Defect::HoldBoundPauses,
        Defect::KeyOnlyInStore,
        Defect::CountsNotCarried,
        Defect::UnknownTakenForDone,
        Defect::FailureCommittedOver,
        Defect::ForgetsTooSoon,
        Defect::SpoolHoldMissing,
        Defect::AppendTimeFirst,
        Defect::TimeRunsOnReturn,
        Defect::BurstsNotEverywhere,
        Defect::LeftKeptTooShort,
        Defect::EntriesBeforeOutputs,
        Defect::OffsetsBeforeEntries,
        Defect::SetBeforeCommit,
        Defect::UnwrittenCovered,
        Defect::GapInOutputs,
        Defect::RevokedUncommitted,
        Defect::LostMemberCommits,
        Defect::PositionJumps,
    ];

    /// Under which guarantee it is switched on.
    #[must_use]
    pub fn guarantee(self) -> Guarantee {
        match self {
            Self::EntriesBeforeOutputs
            | Self::OffsetsBeforeEntries
            | Self::SetBeforeCommit
            | Self::UnwrittenCovered
            | Self::GapInOutputs
            | Self::RevokedUncommitted
            | Self::LostMemberCommits
            | Self::PositionJumps => Guarantee::AtLeastOnce,
            _ => Guarantee::ExactlyOnce,
        }
    }

    /// Whether it shows only where bursts leave in one go.
    #[must_use]
    pub fn is_of_bursts(self) -> bool {
        matches!(self, Self::BurstsNotEverywhere | Self::LeftKeptTooShort)
    }

    /// What it does, for a person.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MarkBeforeOutput => "dedupe mark stored before the output is decided",
            Self::OffsetOffByOne => "offset off by one",
            Self::OffsetOverHeld => "offset committed over held records",
            Self::ReleasedKeyMissing => "released key not written",
            Self::ReleasedKeyLater => "released key not in the transaction of its output",
            Self::PlaceNotEntered => "filtered, dead and duplicate records not entered",
            Self::RestoreEndsAtStable => "restore ends at the last stable offset",
            Self::StaleRestore => "stale restore",
            Self::RestoreReadsAborted => "restore reads what was aborted",
            Self::UnstableOffsets => "committed offsets read while a transaction holds them back",
            Self::TimeStalls => "time stalls on an idle partition",
            Self::TimeOverUnread => "time runs over unread records",
            Self::TimeCountedTwice => "time before a record came added to its own",
            Self::LateDropped => "late record dropped",
            Self::ZombieCommits => "zombie commits: no generation with the offsets",
            Self::CommitsAfterLoss => "commit after the membership was lost",
            Self::RevokedPartitionKept => "a revoked partition is worked on",
            Self::NoOffsets => "transaction without offsets where the position stands",
            Self::DeadLetterTwice => "dead letter outside of the transaction",
            Self::OutputOutside => "output outside of the transaction",
            Self::HoldBoundPauses => "reading pauses at the hold bound",
            Self::KeyOnlyInStore => "duplicate key looked up only in the store",
            Self::CountsNotCarried => "counts not carried",
            Self::UnknownTakenForDone => "unknown outcome of a commit taken for done",
            Self::FailureCommittedOver => "failed commit covered by the next",
            Self::ForgetsTooSoon => "set forgets too soon",
            Self::SpoolHoldMissing => "spools drained out of order: no longer hold",
            Self::AppendTimeFirst => "append time moves time before the record has its place",
            Self::TimeRunsOnReturn => "time runs before the spools are drained",
            Self::BurstsNotEverywhere => "one instance lets the records of a burst leave one by one",
            Self::LeftKeptTooShort => "what left in a burst read again for one hold only, and once",
            Self::EntriesBeforeOutputs => "at least once: changelog written before outputs are acknowledged",
            Self::OffsetsBeforeEntries => {
                "at least once: offsets committed before the changelog is acknowledged"
            }
            Self::SetBeforeCommit => "at least once: set applied before the commit",
            Self::UnwrittenCovered => "at least once: unwritten record covered by the commit",
            Self::GapInOutputs => "at least once: outputs written behind one that was given up",
            Self::RevokedUncommitted => "at least once: partition given back before its commit",
            Self::LostMemberCommits => "at least once: commit of a lost member in an empty group",
            Self::PositionJumps => "at least once: changelog position jumps over what others wrote",
        }
    }
}
