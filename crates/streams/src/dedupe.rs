//! The dedupe set: which events have taken effect, cut by event time into buckets of a minute.
//!
//! A bucket that is being written lives in memory as a hash set; a closed one is a sorted block of 24-byte entries
//! in a [`Blocks`] store. A look-up of a new key touches one hash set, one of an old key searches one block, and
//! expiry takes whole minutes from the front. The store is a cache: it is written only with what is committed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::{Minute, Offset};

/// Buckets that are open at once; the one that was used the longest ago is written back.
const OPEN_BUCKETS: usize = 64;

/// Bytes of an entry in a block: the key and the offset, both big-endian.
const ENTRY_BYTES: usize = KEY_BYTES + 8;
const KEY_BYTES: usize = 16;

/// A record that has had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The bucket.
    pub minute: Minute,
    /// The event's dedupe key, or [`position_key`] where the record has no event.
    pub key: u128,
    /// The source record.
    pub offset: Offset,
}

/// The key under which a filtered, dead or duplicate record is remembered: its place. Partition and topic are the
/// task's own, so the offset alone tells it; the upper half keeps it apart from hashes of events.
#[must_use]
pub fn position_key(offset: Offset) -> u128 {
    (u128::from(u64::MAX) << 64) | u128::from(offset.0.cast_unsigned())
}

/// A store that failed; the set must be rebuilt from the changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault(pub String);

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state store failed: {}", self.0)
    }
}

impl std::error::Error for StoreFault {}

/// One atomic change of a [`Blocks`] store.
#[derive(Default)]
pub struct Batch {
    /// Blocks to write.
    pub put: Vec<(Minute, Vec<u8>)>,
    /// Blocks to remove.
    pub remove: Vec<Minute>,
    /// Position in the changelog up to which the store then holds everything.
    pub position: Option<i64>,
}

impl Batch {
    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.position.is_none()
    }
}

/// Where closed buckets are kept: one block a minute.
pub trait Blocks {
    /// Calls `read` with the block of `minute`, or with nothing where there is none.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn read(&self, minute: Minute, read: &mut dyn FnMut(&[u8])) -> Result<(), StoreFault>;

    /// Changes the store, all or nothing.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn write(&mut self, batch: Batch) -> Result<(), StoreFault>;

    /// The minutes that have a block, and the changelog position that goes with them.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn open(&self) -> Result<(Vec<Minute>, Option<i64>), StoreFault>;
}

/// Blocks in memory, for tests and simulations.
#[derive(Debug, Default, Clone)]
pub struct MemoryBlocks {
    blocks: BTreeMap<Minute, Vec<u8>>,
    position: Option<i64>,
}

impl Blocks for MemoryBlocks {
    fn read(&self, minute: Minute, read: &mut dyn FnMut(&[u8])) -> Result<(), StoreFault> {
        if let Some(block) = self.blocks.get(&minute) {
            read(block);
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreFault> {
        self.blocks.extend(batch.put);
        for minute in batch.remove {
            self.blocks.remove(&minute);
        }
        self.position = batch.position.or(self.position);
        Ok(())
    }

    fn open(&self) -> Result<(Vec<Minute>, Option<i64>), StoreFault> {
        Ok((self.blocks.keys().copied().collect(), self.position))
    }
}

/// Keys are hashes already, or consecutive offsets: one multiplication spreads both.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys hash themselves as one u128");
    }

    fn write_u128(&mut self, key: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = (key >> 64) as u64 ^ key as u64;
        self.0 = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A hash map whose keys are 128-bit hashes.
pub type KeyMap<V> = HashMap<u128, V, BuildHasherDefault<KeyHasher>>;

#[derive(Default)]
struct Bucket {
    entries: KeyMap<Offset>,
    changed: bool,
    used: u64,
}

/// The set.
pub struct DedupeSet<B> {
    blocks: B,
    /// Minutes that have a block in the store.
    closed: BTreeMap<Minute, ()>,
    /// Open buckets, complete: a minute that is open is not looked up in the store.
    open: HashMap<Minute, Bucket>,
    uses: u64,
}

impl<B: Blocks> DedupeSet<B> {
    /// Opens a store; returns the set and the changelog position from which it must be brought up to date.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn open(blocks: B) -> Result<(Self, Option<i64>), StoreFault> {
        let (minutes, position) = blocks.open()?;
        let closed = minutes.into_iter().map(|minute| (minute, ())).collect();
        Ok((Self { blocks, closed, open: HashMap::new(), uses: 0 }, position))
    }

    /// The source record under whose offset `key` was entered.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn get(&mut self, minute: Minute, key: u128) -> Result<Option<Offset>, StoreFault> {
        if let Some(bucket) = self.open.get_mut(&minute) {
            self.uses += 1;
            bucket.used = self.uses;
            return Ok(bucket.entries.get(&key).copied());
        }
        if !self.closed.contains_key(&minute) {
            return Ok(None);
        }
        let mut found = None;
        self.blocks.read(minute, &mut |block| found = search(block, key))?;
        Ok(found)
    }

    /// Enters a committed record. The first offset of a key stays.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn insert(&mut self, entry: Entry) -> Result<(), StoreFault> {
        if !self.open.contains_key(&entry.minute) {
            self.open_bucket(entry.minute)?;
        }
        self.uses += 1;
        let bucket = self.open.get_mut(&entry.minute).expect("opened above");
        bucket.used = self.uses;
        bucket.changed = true;
        bucket.entries.entry(entry.key).or_insert(entry.offset);
        Ok(())
    }

    /// Forgets every minute before `limit`.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn expire(&mut self, limit: Minute) -> Result<(), StoreFault> {
        let kept = self.closed.split_off(&limit);
        let old = std::mem::replace(&mut self.closed, kept);
        self.open.retain(|minute, _| *minute >= limit);
        if old.is_empty() {
            return Ok(());
        }
        self.blocks.write(Batch { remove: old.into_keys().collect(), ..Batch::default() })
    }

    /// Writes every changed bucket, and that the store then holds the changelog up to `position`.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn write_back(&mut self, position: Option<i64>) -> Result<(), StoreFault> {
        let mut batch = Batch { position, ..Batch::default() };
        for (minute, bucket) in &mut self.open {
            if std::mem::take(&mut bucket.changed) {
                batch.put.push((*minute, sorted_block(&bucket.entries)));
                self.closed.insert(*minute, ());
            }
        }
        if batch.is_empty() { Ok(()) } else { self.blocks.write(batch) }
    }

    /// Gives the store back.
    #[must_use]
    pub fn into_blocks(self) -> B {
        self.blocks
    }

    /// Every entry, in order of minute and key: for tests, audits and the changelog's check.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreFault> {
        let mut all = Vec::new();
        for minute in self.closed.keys().filter(|minute| !self.open.contains_key(minute)) {
            self.blocks.read(*minute, &mut |block| {
                all.extend(block.chunks_exact(ENTRY_BYTES).map(|entry| {
                    let (key, offset) = split_entry(entry);
                    Entry { minute: *minute, key, offset }
                }));
            })?;
        }
        for (minute, bucket) in &self.open {
            all.extend(bucket.entries.iter().map(|(key, offset)| Entry {
                minute: *minute,
                key: *key,
                offset: *offset,
            }));
        }
        all.sort_unstable();
        Ok(all)
    }

    fn open_bucket(&mut self, minute: Minute) -> Result<(), StoreFault> {
        if self.open.len() >= OPEN_BUCKETS {
            let oldest = self.open.iter().min_by_key(|(_, bucket)| bucket.used).map(|(minute, _)| *minute);
            let oldest = oldest.expect("there are open buckets");
            let bucket = self.open.remove(&oldest).expect("found above");
            if bucket.changed {
                let put = vec![(oldest, sorted_block(&bucket.entries))];
                self.blocks.write(Batch { put, ..Batch::default() })?;
                self.closed.insert(oldest, ());
            }
        }
        let mut bucket = Bucket::default();
        if self.closed.contains_key(&minute) {
            self.blocks.read(minute, &mut |block| {
                bucket.entries = block.chunks_exact(ENTRY_BYTES).map(split_entry).collect();
            })?;
        }
        self.open.insert(minute, bucket);
        Ok(())
    }
}

fn sorted_block(entries: &KeyMap<Offset>) -> Vec<u8> {
    let mut sorted: Vec<(u128, Offset)> = entries.iter().map(|(key, offset)| (*key, *offset)).collect();
    sorted.sort_unstable();
    let mut block = Vec::with_capacity(sorted.len() * ENTRY_BYTES);
    for (key, offset) in sorted {
        block.extend_from_slice(&key.to_be_bytes());
        block.extend_from_slice(&offset.0.to_be_bytes());
    }
    block
}

fn search(block: &[u8], key: u128) -> Option<Offset> {
    let key = key.to_be_bytes();
    let (mut low, mut high) = (0, block.len() / ENTRY_BYTES);
    while low < high {
        let middle = low.midpoint(high);
        let entry = &block[middle * ENTRY_BYTES..][..ENTRY_BYTES];
        match entry[..KEY_BYTES].cmp(&key) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(split_entry(entry).1),
        }
    }
    None
}

fn split_entry(entry: &[u8]) -> (u128, Offset) {
    let (key, offset) = entry.split_at(KEY_BYTES);
    let key = u128::from_be_bytes(key.try_into().expect("16 bytes"));
    (key, Offset(i64::from_be_bytes(offset.try_into().expect("8 bytes"))))
}

#[cfg(test)]
#[path = "dedupe_tests.rs"]
mod tests;
