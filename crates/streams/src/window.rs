//! Which source position a task may commit: the oldest record that is held, was released less than one hold ago, or
//! says how long others are held.

use std::collections::VecDeque;

use crate::{Millis, Offset, Position, TaskTime};

/// A record that entered the reorder buffer.
struct Slot {
    offset: Offset,
    /// When it left; `None` while it is held.
    released: Option<TaskTime>,
}

/// The accepted records that a restart would have to read again, in order of their offsets.
#[derive(Default)]
pub(crate) struct Window {
    slots: VecDeque<Slot>,
    /// Records to read again until a task time, whatever has become of them. Both rise.
    kept: VecDeque<(Offset, i64)>,
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

    /// Keeps a record, of whatever fate, until task time `until`. Offsets only grow.
    pub(crate) fn keep(&mut self, offset: Offset, until: i64) {
        // Rounded up, so that however many records are kept, their places are few.
        let until = (until.div_euclid(KEPT_STEP) + 1) * KEPT_STEP;
        if self.kept.back().is_none_or(|(_, last)| *last < until) {
            self.kept.push_back((offset, until));
        }
    }

    /// Forgets what was released at least `context` ms ago, from the front, and what need not be kept any more.
    pub(crate) fn slide(&mut self, now: TaskTime, context: Millis) {
        while self.kept.front().is_some_and(|(_, until)| *until <= now.0) {
            self.kept.pop_front();
        }
        while let Some(Slot { released: Some(released), .. }) = self.slots.front()
            && released.0.saturating_add(context) <= now.0
        {
            self.slots.pop_front();
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
        let kept = self.kept.front().map(|(offset, _)| *offset);
        slot.into_iter().chain(kept).min().map_or(read, Position::at)
    }
}
