//! The local state store of an instance: what was written can be lost from its end, or as a whole, when the instance
//! is killed; it can never hold less of the middle.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use streams::{Batch, Blocks, MemoryBlocks, Minute, StoreFault};

use super::random::Random;

/// Writes that a kill can take back.
const UNSAFE_WRITES: usize = 3;

#[derive(Default)]
struct Inner {
    now: MemoryBlocks,
    before: VecDeque<MemoryBlocks>,
    /// Whether a kill can damage it, so that what was there before is kept.
    fragile: bool,
}

/// The blocks of one partition on one instance. Clones are the same disk.
#[derive(Clone, Default)]
pub(super) struct Disk(Rc<RefCell<Inner>>);

impl Disk {
    pub(super) fn new(fragile: bool) -> Self {
        Self(Rc::new(RefCell::new(Inner { fragile, ..Inner::default() })))
    }

    /// What a kill of the instance leaves of it.
    pub(super) fn damage(&self, random: &mut Random) {
        let mut inner = self.0.borrow_mut();
        for _ in 0..random.below(UNSAFE_WRITES + 1) {
            if let Some(before) = inner.before.pop_back() {
                inner.now = before;
            }
        }
        inner.before.clear();
    }

    /// Empties it.
    pub(super) fn clear(&self) {
        let mut inner = self.0.borrow_mut();
        inner.now = MemoryBlocks::default();
        inner.before.clear();
    }
}

impl Blocks for Disk {
    fn read(&self, minute: Minute, read: &mut dyn FnMut(&[u8])) -> Result<(), StoreFault> {
        self.0.borrow().now.read(minute, read)
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreFault> {
        let mut inner = self.0.borrow_mut();
        if inner.fragile {
            let before = inner.now.clone();
            inner.before.push_back(before);
            if inner.before.len() > UNSAFE_WRITES {
                inner.before.pop_front();
            }
        }
        inner.now.write(batch)
    }

    fn open(&self) -> Result<(Vec<Minute>, Option<i64>), StoreFault> {
        self.0.borrow().now.open()
    }
}
