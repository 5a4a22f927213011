//! Times and places as types, so that one cannot be taken for another.

/// A span of time, in milliseconds.
pub type Millis = i64;

/// When the platform says that the event happened, ms since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

/// When whoever wrote the record took the event in, ms since 1970 (UTC): earlier than it was appended, by seconds where
/// the broker was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptTime(pub i64);

/// When the broker appended the record (its Kafka timestamp), ms since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendTime(pub i64);

/// How far a task has come: the greatest append time read, or more where its partition is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskTime(pub i64);

/// Where a record stands in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// The offset of the next record to read. What is committed is a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

/// A minute since 1970 (UTC): the width of a bucket of the dedupe set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub u32);

impl Offset {
    /// The position after this record: the one place where an offset becomes a position.
    #[must_use]
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

impl Position {
    /// The position at which the record at `offset` is read (again).
    #[must_use]
    pub fn at(offset: Offset) -> Self {
        Self(offset.0)
    }
}

impl Minute {
    /// Length of a minute, in ms.
    pub const MILLIS: i64 = 60_000;

    /// The minute that `millis` since 1970 falls into; times outside 1970 to 10136 are clamped.
    #[must_use]
    pub fn of(millis: i64) -> Self {
        let minute = millis.div_euclid(Self::MILLIS).clamp(0, i64::from(u32::MAX));
        Self(u32::try_from(minute).expect("clamped to its range"))
    }
}
