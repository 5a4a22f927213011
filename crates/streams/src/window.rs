//! Which source position a task may commit: the oldest record that is held, or was released less than one hold ago.

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
}

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

    /// Forgets what was released at least `context` ms ago, from the front.
    pub(crate) fn slide(&mut self, now: TaskTime, context: Millis) {
        while let Some(Slot { released: Some(released), .. }) = self.slots.front()
            && released.0.saturating_add(context) <= now.0
        {
            self.slots.pop_front();
        }
    }

    /// The position to commit, `read` being the position after the last record read.
    pub(crate) fn committable(&self, read: Position) -> Position {
        self.slots.front().map_or(read, |slot| Position::at(slot.offset))
    }
}
