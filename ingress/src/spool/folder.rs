//! Who has which folder: a lock file in each says so, and the kernel frees it when a process dies, however it dies.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const SEGMENT: &str = "seg";

/// Names that an instance tries for its folder: its own is held while another drains it.
const NAMES: usize = 64;

/// A folder that is ours alone as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// The folder of an instance: `id`, or `id.2` and so on where somebody else is in it.
    pub(super) fn own(dir: &Path, id: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        for n in 1..=NAMES {
            let name = if n == 1 { id.to_owned() } else { format!("{id}.{n}") };
            if let Some(folder) = Self::lock(&dir.join(name), true)? {
                // Without it a power cut could take the folder with all that is in it.
                File::open(dir)?.sync_all()?;
                return Ok(folder);
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "every folder of this instance is held by others"))
    }

    /// A folder that was another's, if it is one of ours and nobody holds it.
    pub(super) fn orphan(path: &Path) -> io::Result<Option<Self>> {
        let is_ours = path.join(LOCK).exists() || !segments(path)?.is_empty();
        if is_ours { Self::lock(path, false) } else { Ok(None) }
    }

    fn lock(path: &Path, create: bool) -> io::Result<Option<Self>> {
        // A folder may be removed, with its lock file, between any two steps of ours: then all is done again.
        for _ in 0..NAMES {
            if create {
                DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            }
            let file = path.join(LOCK);
            let lock = match OpenOptions::new().create(true).append(true).mode(0o600).open(&file) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound && create => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if fs::metadata(&file)
                .is_ok_and(|there| there.ino() == lock.metadata().map_or(0, |ours| ours.ino()))
            {
                return Ok(Some(Self { path: path.to_owned(), _lock: lock }));
            }
        }
        Ok(None)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.{SEGMENT}"))
    }

    /// Removes the folder, which holds nothing but our lock and what is named. Whatever else is in it stays.
    pub(super) fn remove(&self, file: &str) {
        // A file that cannot be removed is an empty folder too many, and no more.
        let _ = fs::remove_file(self.path.join(file));
        let _ = fs::remove_file(self.path.join(LOCK));
        let _ = fs::remove_dir(&self.path);
    }
}

/// The folders in `dir`.
pub(super) fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The numbers of the segments in a folder, rising.
pub(super) fn segments(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == SEGMENT)
            && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}
