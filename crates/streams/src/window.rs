//! Which source position a task may commit: the oldest record that is held, was released no longer ago than a record
//! may wait (one hold, or `together` two), or says how long others are held.
//!
//! What is held must be read again to leave at all, and what says how long others are held, for them to leave when they
//! would have. What has left is read again for the marks: **what takes its place before the latest time at which a record
//! may leave goes out before it or is marked late, whatever was restarted in between**. A record leaves no earlier than
//! it is appended, so it is kept at least until that time. Records of a burst that left while others stay need no
//! more than that: they do not decide when the others leave.

use std::collections::VecDeque;

use crate::{Millis, Offset, Position, TaskTime};

/// A record that entered the reorder buffer.
struct Slot {
    offset: Offset,
    /// When it left; `None` while it is held.
    released: Option<TaskTime>,
}

/// A record that says how long others are held, or several.
struct Kept {
    /// The first of them.
    offset: Offset,
    /// Task time until which it is read again, whatever has become of it.
    until: i64,
    /// The last record that is held longer because of it.
    last: Offset,
}

/// The accepted records that a restart would have to read again, in order of their offsets.
#[derive(Default)]
pub(crate) struct Window {
    slots: VecDeque<Slot>,
    /// In order of their offsets, and of how long they are kept.
    kept: VecDeque<Kept>,
}

/// Two records that are kept until times closer than this need one place, in ms.
const KEPT_STEP: Millis = 1_000;

impl Window {
    /// A record enters. Offsets only grow.
    pub(crate) fn enter(&mut self, offset: Offset) {
        debug_assert!(self.slots.back().is_none_or(|last| last.offset < offset));
        self.slots.push_back(Slot { offset, released: None });
    }

    /// A record leaves.
    pub(crate) fn release(&mut self, offset: Offset, now: TaskTime) {
        if let Ok(index) = self.slots.binary_search_by_key(&offset, |slot| slot.offset) {
            self.slots[index].released = Some(now);
        }
    }

    /// Keeps a record, of whatever fate, until task time `until`, and as long as what it makes wait. Offsets only grow.
    pub(crate) fn keep(&mut self, offset: Offset, until: i64) {
        // Rounded up, so that however many records are kept, their places are few.
        let until = (until.div_euclid(KEPT_STEP) + 1) * KEPT_STEP;
        if self.kept.back().is_none_or(|kept| kept.until < until) {
            self.kept.push_back(Kept { offset, until, last: offset });
        }
    }

    /// A record is held longer because of what was kept last.
    pub(crate) fn longer(&mut self, offset: Offset) {
        if let Some(kept) = self.kept.back_mut() {
            kept.last = offset;
        }
    }

    /// Forgets what was released at least `context` ms ago, from the front, and what need not be kept any more.
    pub(crate) fn slide(&mut self, now: TaskTime, context: Millis) {
        while let Some(Slot { released: Some(released), .. }) = self.slots.front()
            && released.0.saturating_add(context) <= now.0
        {
            self.slots.pop_front();
        }
        while let Some(kept) = self.kept.front()
            && kept.until <= now.0
            && self.slots.front().is_none_or(|first| kept.last < first.offset)
        {
            self.kept.pop_front();
        }
    }

    /// How many places the records take that are kept.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.kept.len()
    }

    /// The position to commit, `read` being the position after the last record read.
    pub(crate) fn committable(&self, read: Position) -> Position {
        let slot = self.slots.front().map(|slot| slot.offset);
        let kept = self.kept.front().map(|kept| kept.offset);
        slot.into_iter().chain(kept).min().map_or(read, Position::at)
    }
}
