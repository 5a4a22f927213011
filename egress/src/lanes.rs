//! One lane per conversation: first in, first out, one message at a time; lanes do not know of each other.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The lanes of a partition. A lane exists while one of its messages is being delivered.
#[derive(Debug)]
pub struct Lanes<K, T> {
    waiting: HashMap<K, VecDeque<T>>,
}

impl<K: Eq + Hash, T> Lanes<K, T> {
    /// No lanes.
    #[must_use]
    pub fn new() -> Self {
        Self { waiting: HashMap::new() }
    }

    /// Puts a message at the end of its lane. Returned if the lane was idle: it is to be delivered now, and
    /// [`Lanes::next`] to be called when that is over.
    pub fn push(&mut self, lane: K, message: T) -> Option<T> {
        if let Some(queue) = self.waiting.get_mut(&lane) {
            queue.push_back(message);
            return None;
        }
        self.waiting.insert(lane, VecDeque::new());
        Some(message)
    }

    /// The message of a lane is finished: the next one to deliver. None ends the lane.
    pub fn next(&mut self, lane: &K) -> Option<T> {
        let next = self.waiting.get_mut(lane)?.pop_front();
        if next.is_none() {
            self.waiting.remove(lane);
        }
        next
    }

    /// Lanes that exist.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing is being delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<K: Eq + Hash, T> Default for Lanes<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the interleaving of arrivals and endings, each lane delivers its own messages in order, one at a
        /// time, and none is lost.
        #[test]
        fn a_lane_never_overtakes_itself(steps in prop::collection::vec((any::<bool>(), 0_u8..4), 0..200)) {
            let mut lanes = Lanes::new();
            let mut running: BTreeMap<u8, usize> = BTreeMap::new();
            let (mut started, mut pushed) = (BTreeMap::<u8, Vec<usize>>::new(), BTreeMap::<u8, Vec<usize>>::new());
            for (at, (arrival, lane)) in steps.into_iter().enumerate() {
                let now = if arrival {
                    pushed.entry(lane).or_default().push(at);
                    lanes.push(lane, at)
                } else if running.remove(&lane).is_some() {
                    lanes.next(&lane)
                } else {
                    None
                };
                if let Some(message) = now {
                    prop_assert!(running.insert(lane, message).is_none(), "two at once in a lane");
                    started.entry(lane).or_default().push(message);
                }
            }
            while let Some((lane, _)) = running.pop_first() {
                if let Some(message) = lanes.next(&lane) {
                    running.insert(lane, message);
                    started.entry(lane).or_default().push(message);
                }
            }
            prop_assert!(lanes.is_empty());
            prop_assert_eq!(started, pushed);
        }
    }
}
