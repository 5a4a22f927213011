//! The state store in sled: a cache of the changelogs and tables, never the truth.
//!
//! One folder an instance, under a lock of our own: a held lock ends the process and nothing is touched. A store that
//! does not open is moved aside and rebuilt from Kafka. sled's flush is not an fsync, so a store that saw another boot
//! of the machine is thrown away as well.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use streams::{Batch, Blocks, Minute, StoreFault};

/// Page cache of sled, in bytes. Blocks are read rarely, so a small one is enough.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Key of a tree under which the changelog position stands. Blocks have keys of four bytes.
const POSITION: &[u8] = b"position";

/// Why a store cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// Another process works in the folder.
    Locked(PathBuf),
    /// The folder cannot be made, read or written.
    Io(PathBuf, io::Error),
    /// sled does not open even an empty folder.
    Sled(PathBuf, sled::Error),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Locked(dir) => write!(
                f,
                "the data folder {} is in use by another process; give each instance an instance.id of its own",
                dir.display()
            ),
            Self::Io(dir, error) => write!(f, "the data folder {} cannot be used: {error}", dir.display()),
            Self::Sled(dir, error) => write!(f, "no state store can be made in {}: {error}", dir.display()),
        }
    }
}

impl std::error::Error for StoreError {}

/// The state of one instance.
pub struct StateStore {
    db: sled::Db,
    _lock: File,
}

impl StateStore {
    /// Opens the store in `<data_dir>/<instance>/<service>`, or makes an empty one.
    ///
    /// # Errors
    /// If the folder is in use by another process, or cannot be used.
    pub fn open(data_dir: &Path, instance: &str, service: &str) -> Result<Self, StoreError> {
        let dir = data_dir.join(instance).join(service);
        let io = |error| StoreError::Io(dir.clone(), error);
        std::fs::create_dir_all(&dir).map_err(io)?;
        let lock = File::create(dir.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(dir)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let state = dir.join("state");
        if !same_boot(&dir).map_err(io)? && state.exists() {
            tracing::info!(dir = %state.display(), "state of another boot discarded, it is rebuilt from Kafka");
            std::fs::remove_dir_all(&state).map_err(io)?;
        }
        // Stays behind where the opening itself ends the process: sled can panic on what it finds.
        let opening = dir.join("opening");
        if opening.exists() {
            move_aside(&state, &"the last start did not survive opening it").map_err(io)?;
        }
        File::create(&opening).map_err(io)?;
        let db = match open_sled(&state) {
            Ok(db) => db,
            Err(error) => {
                move_aside(&state, &error).map_err(io)?;
                open_sled(&state).map_err(|error| StoreError::Sled(state, error))?
            }
        };
        std::fs::remove_file(&opening).map_err(io)?;
        Ok(Self { db, _lock: lock })
    }

    /// The blocks of one task.
    ///
    /// # Errors
    /// If sled fails.
    pub fn blocks(&self, topic: &str, partition: i32) -> Result<SledBlocks, StoreFault> {
        Ok(SledBlocks { tree: self.tree(&format!("dedupe/{topic}/{partition}"))? })
    }

    /// A tree of the store.
    ///
    /// # Errors
    /// If sled fails.
    pub(crate) fn tree(&self, name: &str) -> Result<sled::Tree, StoreFault> {
        self.db.open_tree(name).map_err(|error| fault(&error))
    }
}

/// Keeps a store that does not open for whoever wants to look at it, in place of the one kept before.
fn move_aside(state: &Path, why: &dyn std::fmt::Display) -> io::Result<()> {
    let aside = state.with_extension("broken");
    tracing::warn!(dir = %state.display(), %why, moved_to = %aside.display(),
        "state store does not open, it is rebuilt from Kafka");
    match std::fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match std::fs::rename(state, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open_sled(dir: &Path) -> Result<sled::Db, sled::Error> {
    sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).mode(sled::Mode::HighThroughput).open()
}

/// Whether the machine has not been started anew since this folder was last opened. Where the system does not say,
/// it is assumed.
fn same_boot(dir: &Path) -> io::Result<bool> {
    let Ok(now) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else { return Ok(true) };
    let file = dir.join("boot");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    if before != now {
        std::fs::write(&file, &now)?;
    }
    Ok(before == now)
}

pub(crate) fn fault(error: &sled::Error) -> StoreFault {
    StoreFault(error.to_string())
}

/// Closed buckets of one dedupe set: a block a minute, and the changelog position that goes with them.
pub struct SledBlocks {
    tree: sled::Tree,
}

impl SledBlocks {
    /// Empties the store of this task, so that it is rebuilt from the front of the changelog.
    ///
    /// # Errors
    /// If sled fails.
    pub fn clear(&self) -> Result<(), StoreFault> {
        self.tree.clear().map_err(|error| fault(&error))
    }
}

impl Blocks for SledBlocks {
    fn read(&self, minute: Minute, read: &mut dyn FnMut(&[u8])) -> Result<(), StoreFault> {
        if let Some(block) = self.tree.get(minute.0.to_be_bytes()).map_err(|error| fault(&error))? {
            read(&block);
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreFault> {
        let mut changes = sled::Batch::default();
        for (minute, block) in batch.put {
            changes.insert(&minute.0.to_be_bytes(), block);
        }
        for minute in batch.remove {
            changes.remove(&minute.0.to_be_bytes());
        }
        if let Some(position) = batch.position {
            changes.insert(POSITION, &position.to_be_bytes());
        }
        self.tree.apply_batch(changes).map_err(|error| fault(&error))
    }

    fn open(&self) -> Result<(Vec<Minute>, Option<i64>), StoreFault> {
        let mut minutes = Vec::new();
        let mut position = None;
        for key in self.tree.iter().keys() {
            let key = key.map_err(|error| fault(&error))?;
            if let Ok(minute) = <[u8; 4]>::try_from(key.as_ref()) {
                minutes.push(Minute(u32::from_be_bytes(minute)));
            }
        }
        if let Some(value) = self.tree.get(POSITION).map_err(|error| fault(&error))? {
            position = <[u8; 8]>::try_from(value.as_ref()).ok().map(i64::from_be_bytes);
        }
        Ok((minutes, position))
    }
}

#[cfg(test)]
mod tests {
    use streams::{DedupeSet, Entry, Offset};

    use super::*;

    fn entry(minute: u32, offset: i64) -> Entry {
        Entry { minute: Minute(minute), key: 9, offset: Offset(offset) }
    }

    fn fill(store: &StateStore) {
        let (mut set, position) = DedupeSet::open(store.blocks("webhooks.line", 0).unwrap()).unwrap();
        assert_eq!(position, None);
        set.insert(entry(3, 7)).unwrap();
        set.write_back(Some(12)).unwrap();
    }

    fn read(store: &StateStore) -> (Option<Offset>, Option<i64>) {
        let (mut set, position) = DedupeSet::open(store.blocks("webhooks.line", 0).unwrap()).unwrap();
        (set.get(Minute(3), 9).unwrap(), position)
    }

    #[test]
    fn blocks_and_position_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        fill(&StateStore::open(dir.path(), "one", "processors").unwrap());
        let store = StateStore::open(dir.path(), "one", "processors").unwrap();
        assert_eq!(read(&store), (Some(Offset(7)), Some(12)));
    }

    #[test]
    fn a_held_lock_is_an_error_and_moves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = StateStore::open(dir.path(), "one", "processors").unwrap();
        fill(&store);
        assert!(matches!(StateStore::open(dir.path(), "one", "processors"), Err(StoreError::Locked(_))));
        assert_eq!(read(&store), (Some(Offset(7)), Some(12)));
        assert!(StateStore::open(dir.path(), "two", "processors").is_ok());
    }

    #[test]
    fn a_store_that_does_not_open_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        fill(&StateStore::open(dir.path(), "one", "processors").unwrap());
        let state = dir.path().join("one/processors/state");
        std::fs::remove_dir_all(&state).unwrap();
        std::fs::write(&state, b"not a store").unwrap();
        let store = StateStore::open(dir.path(), "one", "processors").unwrap();
        assert_eq!(read(&store), (None, None));
        assert_eq!(std::fs::read(dir.path().join("one/processors/state.broken")).unwrap(), b"not a store");
    }

    #[test]
    fn a_store_that_ended_the_process_when_it_was_opened_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        fill(&StateStore::open(dir.path(), "one", "processors").unwrap());
        std::fs::write(dir.path().join("one/processors/opening"), b"").unwrap();
        let store = StateStore::open(dir.path(), "one", "processors").unwrap();
        assert_eq!(read(&store), (None, None));
        assert!(dir.path().join("one/processors/state.broken").is_dir());
        drop(store);
        fill(&StateStore::open(dir.path(), "one", "processors").unwrap());
        let store = StateStore::open(dir.path(), "one", "processors").unwrap();
        assert_eq!(read(&store), (Some(Offset(7)), Some(12)), "and the next start is like any other");
    }

    #[test]
    fn the_state_of_another_boot_is_discarded() {
        let dir = tempfile::tempdir().unwrap();
        fill(&StateStore::open(dir.path(), "one", "processors").unwrap());
        std::fs::write(dir.path().join("one/processors/boot"), b"another boot").unwrap();
        let store = StateStore::open(dir.path(), "one", "processors").unwrap();
        assert_eq!(read(&store), (None, None));
    }
}
