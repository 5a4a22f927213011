//! How many messages may be in memory, shared fairly between partitions.

use std::collections::HashMap;

/// The window of a destination. Half of it is divided equally between the partitions that are owned, the other half
/// is common: one stopped account can fill the common half and its own share, and the others still flow. More than
/// the whole is never in memory: what does not fit is left in Kafka, the partition is paused.
#[derive(Debug)]
pub struct Window {
    size: usize,
    used: HashMap<i32, usize>,
}

impl Window {
    /// A window of `size` messages.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, used: HashMap::new() }
    }

    /// A partition is owned from now on.
    pub fn open(&mut self, partition: i32) {
        self.used.entry(partition).or_insert(0);
    }

    /// A partition is no longer owned; what it held is forgotten.
    pub fn close(&mut self, partition: i32) {
        self.used.remove(&partition);
    }

    /// A message is in memory.
    pub fn enter(&mut self, partition: i32) {
        if let Some(used) = self.used.get_mut(&partition) {
            *used += 1;
        }
    }

    /// A message has left memory.
    pub fn leave(&mut self, partition: i32) {
        if let Some(used) = self.used.get_mut(&partition) {
            *used = used.saturating_sub(1);
        }
    }

    /// Messages in memory.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.values().sum()
    }

    /// Whether one more message of this partition fits. Where not, the partition is to be paused.
    #[must_use]
    pub fn fits(&self, partition: i32) -> bool {
        self.of(partition) < self.share() || self.common_used() < self.common()
    }

    /// Whether a paused partition may go on: when half of its share or of the common part is free, so that it is not
    /// paused and resumed for every message.
    #[must_use]
    pub fn resumes(&self, partition: i32) -> bool {
        self.of(partition) <= self.share() / 2 || self.common_used() <= self.common() / 2
    }

    fn of(&self, partition: i32) -> usize {
        self.used.get(&partition).copied().unwrap_or(0)
    }

    fn share(&self) -> usize {
        (self.size / 2 / self.used.len().max(1)).max(1)
    }

    fn common(&self) -> usize {
        self.size.saturating_sub(self.share() * self.used.len())
    }

    fn common_used(&self) -> usize {
        let share = self.share();
        self.used.values().map(|used| used.saturating_sub(share)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_partition_leaves_the_others_their_share() {
        let mut window = Window::new(100);
        (0..5).for_each(|p| window.open(p));
        while window.fits(0) {
            window.enter(0);
        }
        assert_eq!(window.used(), 60, "its own 10 and the common 50");
        for partition in 1..5 {
            while window.fits(partition) {
                window.enter(partition);
            }
        }
        assert_eq!(window.used(), 100);
        (0..5).for_each(|_| window.leave(1));
        assert!(window.resumes(1) && !window.resumes(0));
        (0..25).for_each(|_| window.leave(0));
        assert!(window.resumes(0));
        window.close(0);
        assert_eq!(window.used(), 35);
    }

    proptest! {
        #[test]
        fn the_window_holds_and_a_partition_always_has_room(size in 8_usize..200, steps in prop::collection::vec((0_i32..4, any::<bool>()), 0..500)) {
            let mut window = Window::new(size);
            (0..4).for_each(|p| window.open(p));
            for (partition, enter) in steps {
                if !enter {
                    window.leave(partition);
                } else if window.fits(partition) {
                    window.enter(partition);
                } else {
                    prop_assert!(window.of(partition) >= size / 8, "its share is always its own");
                }
                prop_assert!(window.used() <= size);
            }
        }
    }
}
