//! Bursts: what of a conversation is due waits for what is not, so that all of it leaves in one go.
//!
//! A record is due when stream time reaches its append time plus its hold, and at its bound one hold later. A burst
//! leaves when each held record of its conversation is due, or when one reaches its bound: then those that are due by
//! that time leave, and the rest begins the next burst. Both are decided at the time at which they happen, in order of
//! time, however far the caller has come since: so a run that jumps releases as one that goes in small steps.
//!
//! **What is held decides when it leaves, not what was held with it and has left**: whenever something leaves, all that
//! is due leaves, so what stays is not due and counts from its own append times. Hence a restart, which holds the same
//! records again and none of those that have left, ends each burst where the run before it would have. One thing may
//! differ there: what sorts before a record that left longer ago than a restart knows is not late but held, so a burst
//! waits for it, up to the same bound.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::dedupe::KeyMap;
use crate::reorder::SortKey;

/// Of one conversation, those that are due and wait.
struct Burst {
    count: usize,
    /// The last of them, in order.
    last: SortKey,
    /// When the first of them has waited long enough.
    bound: i64,
}

/// The bursts of one task. Each record is counted once and adds at most one bound: O(log n) a record.
#[derive(Default)]
pub(crate) struct Bursts {
    waiting: KeyMap<Burst>,
    /// When which conversation reaches a bound; void where that burst has left by itself.
    bounds: BinaryHeap<Reverse<(i64, u128)>>,
}

impl Bursts {
    /// A record is due, of the `held` records of its conversation. Takes out the burst if now all of them are, and gives
    /// the last of them; otherwise the record waits, until `bound` at most.
    pub(crate) fn due(
        &mut self,
        conversation: u128,
        sort: SortKey,
        bound: i64,
        held: usize,
    ) -> Option<SortKey> {
        let new = Burst { count: 0, last: sort, bound: i64::MAX };
        let burst = self.waiting.entry(conversation).or_insert(new);
        burst.count += 1;
        burst.last = burst.last.max(sort);
        if burst.count == held {
            return self.waiting.remove(&conversation).map(|burst| burst.last);
        }
        if bound < burst.bound {
            burst.bound = bound;
            self.bounds.push(Reverse((bound, conversation)));
        }
        None
    }

    /// The next time at which a burst reaches its bound.
    pub(crate) fn next_bound(&mut self) -> Option<i64> {
        while let Some(Reverse((bound, conversation))) = self.bounds.peek() {
            if self.waiting.get(conversation).is_some_and(|burst| burst.bound == *bound) {
                return Some(*bound);
            }
            self.bounds.pop();
        }
        None
    }

    /// Takes out the burst that reaches its bound next, if that is before `end`: its conversation and the last record of
    /// it that is due.
    pub(crate) fn pop_bound(&mut self, end: i64) -> Option<(u128, SortKey)> {
        self.next_bound().filter(|bound| *bound < end)?;
        let Reverse((_, conversation)) = self.bounds.pop()?;
        self.waiting.remove(&conversation).map(|burst| (conversation, burst.last))
    }
}
