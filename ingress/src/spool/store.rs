//! The files of a spool: segments that are only appended to at the end, read at the front, and removed when all in
//! them is done. Plain and blocking: one thread owns it.
//!
//! What is written counts only after [`Store::sync`]; what was not synced may be read all the same after a crash, which
//! dedupe absorbs. A file `position` says how far the front segment is done; if it is behind, what comes again is
//! absorbed as well. New entries never go behind what an earlier process has left in a segment: they begin a new one.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use runtime::metrics;

use super::entry::{self, Entry, Frame, MAGIC};
use super::folder::{Folder, segments};

/// Name of the file that says how far the front segment is done: its number, an offset in it, and a CRC32 of both.
const POSITION: &str = "position";
const START: u64 = MAGIC.len() as u64;

/// What is read at once, in bytes, unless one entry is longer.
const READ: usize = 1024 * 1024;
/// Entries that are read at once, unless the first has more records.
const READ_RECORDS: usize = 500;

/// Bounds of a store's files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// All files together, in bytes.
    pub(super) max_bytes: u64,
    /// One file, in bytes, unless one entry is longer.
    pub(super) segment_bytes: u64,
}

/// Why an entry was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The bound is reached.
    Full,
    /// The disk does not take it.
    Failed(io::Error),
}

/// What stands next in the spool.
#[derive(Debug)]
pub(super) struct Batch {
    /// When its first request was spooled, in ms since 1970.
    pub(super) oldest_ms: i64,
    pub(super) entries: Vec<Entry>,
    /// To be handed back once all of it is done.
    pub(super) end: End,
}

/// How far a batch reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    segment: u64,
    offset: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    /// Bytes written, the file's head included.
    written: u64,
    /// Of these, how many are safe.
    durable: u64,
    /// Open as long as it is written, or not all safe.
    file: Option<File>,
}

/// The files of one folder.
#[derive(Debug)]
pub(super) struct Store {
    folder: Folder,
    bounds: Bounds,
    segments: VecDeque<Segment>,
    /// Of the first entry in the front segment that is not done.
    offset: u64,
    next: u64,
    position: File,
    reader: Option<(u64, File)>,
    /// How often it has written through to the disk.
    pub(super) syncs: u64,
}

impl Store {
    /// The files that are in a folder.
    pub(super) fn open(folder: Folder, bounds: Bounds) -> io::Result<Self> {
        let found = segments(folder.path())?;
        let position = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.path().join(POSITION))?;
        let done = read_position(&position);
        let last = found.last().map_or(0, |(number, _)| *number);
        let mut segments = VecDeque::with_capacity(found.len());
        for (number, path) in found {
            let length = fs::metadata(&path)?.len();
            segments.push_back(Segment { number, path, written: length, durable: length, file: None });
        }
        let front = segments.front().map(|front| front.number);
        Ok(Self {
            offset: done
                .filter(|done| front == Some(done.segment))
                .map_or(START, |done| done.offset.max(START)),
            // Never a number that the position may still name.
            next: last.max(done.map_or(0, |done| done.segment)) + 1,
            folder,
            bounds,
            segments,
            position,
            reader: None,
            syncs: 0,
        })
    }

    /// Bytes that are not done.
    pub(super) fn pending(&self) -> u64 {
        let all: u64 = self.segments.iter().map(|segment| segment.written.saturating_sub(START)).sum();
        all.saturating_sub(self.offset - START)
    }

    /// Appends a frame. It counts after the next [`Store::sync`].
    pub(super) fn write(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let length = frame.len() as u64;
        let fits = |segment: &Segment| {
            segment.file.is_some()
                && (segment.written == START || segment.written + length <= self.bounds.segment_bytes)
        };
        let fits = self.segments.back().is_some_and(fits);
        let used: u64 = self.segments.iter().map(|segment| segment.written).sum();
        if used + length + if fits { 0 } else { START } > self.bounds.max_bytes {
            return Err(WriteError::Full);
        }
        if !fits {
            self.begin_segment().map_err(WriteError::Failed)?;
        }
        let segment = self.segments.back_mut().expect("there is one, or it was begun above");
        let file = segment.file.as_ref().expect("the last segment is open");
        // At the place and not at the end of the file: what a failure left behind is written over.
        file.write_all_at(frame, segment.written).map_err(WriteError::Failed)?;
        segment.written += length;
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let (number, path) = (self.next, self.folder.segment(self.next));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        self.next += 1;
        file.write_all(&MAGIC)?;
        // The name of the file must be as safe as what is in it.
        File::open(self.folder.path())?.sync_all()?;
        if self.segments.is_empty() {
            self.offset = START;
        }
        self.segments.push_back(Segment { number, path, written: START, durable: START, file: Some(file) });
        Ok(())
    }

    /// Makes safe whatever was written. If it fails, nothing of what was written since the last time counts.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let mut synced = Ok(());
        self.syncs += 1;
        metrics::INGRESS_SPOOL_SYNCS.add(metrics::NONE, 1);
        for segment in self.segments.iter_mut().filter(|segment| segment.written > segment.durable) {
            let Some(file) = &segment.file else { continue };
            match file.sync_data() {
                Ok(()) => segment.durable = segment.written,
                // The kernel may forget what it could not write and say so only once, so the file is left as it is.
                Err(error) => {
                    segment.written = segment.durable;
                    segment.file = None;
                    synced = Err(error);
                }
            }
        }
        let last = self.segments.len().saturating_sub(1);
        for segment in self.segments.iter_mut().take(last) {
            segment.file = None;
        }
        synced
    }

    /// The next entries that are safe and not done; `None` where there are none. What is damaged is set aside.
    pub(super) fn read(&mut self, now_ms: i64) -> io::Result<Option<Batch>> {
        loop {
            let Some(front) = self.segments.front() else { return Ok(None) };
            let (number, durable) = (front.number, front.durable);
            if self.offset >= durable {
                if durable < front.written {
                    return Ok(None);
                }
                self.remove_front()?;
                continue;
            }
            let mut magic = MAGIC;
            if self.offset == START {
                self.reader()?.read_exact_at(&mut magic, 0)?;
            }
            if magic != MAGIC {
                self.set_rest_aside(0, "damaged", now_ms)?;
                continue;
            }
            let chunk = self.chunk(durable)?;
            let mut at = 0;
            let (mut entries, mut records) = (Vec::new(), 0);
            while records < READ_RECORDS
                && let Frame::Whole(length) = entry::frame(&chunk[at..])
            {
                let frame = chunk.slice(at..at + length);
                match entry::decode(&frame) {
                    Some(entry) => {
                        records += entry.records.len();
                        entries.push(entry);
                    }
                    None => {
                        let file = self.set_aside("unknown", &frame, now_ms)?;
                        let file = file.display();
                        tracing::error!(%file, "the spool holds what this version does not know, it is set aside");
                    }
                }
                at += length;
            }
            if let Some(first) = entries.first() {
                let end = End { segment: number, offset: self.offset + at as u64 };
                return Ok(Some(Batch { oldest_ms: first.spooled_ms, entries, end }));
            }
            if at > 0 {
                self.done(End { segment: number, offset: self.offset + at as u64 })?;
                continue;
            }
            // A write that a crash cut off is the last of its file and never counted; anything else did.
            let cause = match entry::frame(&chunk) {
                Frame::Short | Frame::Longer(_) => "torn",
                Frame::Broken(length) if self.offset + length as u64 == durable => "torn",
                _ => "damaged",
            };
            self.set_rest_aside(self.offset, cause, now_ms)?;
        }
    }

    /// What stands from the offset on, at least one whole frame if there is one.
    fn chunk(&mut self, durable: u64) -> io::Result<Bytes> {
        let there = usize::try_from(durable - self.offset).unwrap_or(usize::MAX);
        let offset = self.offset;
        let mut chunk = BytesMut::zeroed(there.min(READ));
        self.reader()?.read_exact_at(&mut chunk, offset)?;
        if let Frame::Longer(length) = entry::frame(&chunk)
            && chunk.len() < length
            && length <= there
        {
            chunk = BytesMut::zeroed(length);
            self.reader()?.read_exact_at(&mut chunk, offset)?;
        }
        Ok(chunk.freeze())
    }

    fn reader(&mut self) -> io::Result<&File> {
        let front = self.segments.front().expect("there is something to read");
        if self.reader.as_ref().is_none_or(|(number, _)| *number != front.number) {
            self.reader = Some((front.number, File::open(&front.path)?));
        }
        Ok(&self.reader.as_ref().expect("opened above").1)
    }

    /// All up to `end` is done, and need not be kept.
    pub(super) fn done(&mut self, end: End) -> io::Result<()> {
        if self.segments.front().is_none_or(|front| front.number != end.segment) {
            return Ok(());
        }
        self.offset = self.offset.max(end.offset);
        write_position(&self.position, End { segment: end.segment, offset: self.offset })?;
        let front = self.segments.front().expect("found above");
        if self.offset >= front.written { self.remove_front() } else { Ok(()) }
    }

    fn remove_front(&mut self) -> io::Result<()> {
        if let Some(front) = self.segments.front() {
            fs::remove_file(&front.path)?;
            self.segments.pop_front();
            self.offset = START;
            self.reader = None;
        }
        Ok(())
    }

    /// Puts a frame into a file of its own beside the folder, and names it. To send it again, move the file into any
    /// folder beside it under the name `1.seg`: whoever finds a folder that nobody holds drains it.
    pub(super) fn set_aside(
        &mut self,
        cause: &'static str,
        frame: &[u8],
        now_ms: i64,
    ) -> io::Result<PathBuf> {
        let (path, mut file) = self.beside(cause, now_ms)?;
        file.write_all(&MAGIC)?;
        file.write_all(frame)?;
        file.sync_all()?;
        metrics::INGRESS_SPOOL_SET_ASIDE.add([cause], 1);
        Ok(path)
    }

    /// Puts the rest of the front segment beside the folder as it is, and goes on with the next segment.
    fn set_rest_aside(&mut self, from: u64, cause: &'static str, now_ms: i64) -> io::Result<()> {
        let front = self.segments.front().expect("it was being read");
        let end = End { segment: front.number, offset: front.written };
        let rest = fs::read(&front.path)?.split_off(usize::try_from(from).unwrap_or(usize::MAX));
        let length = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // What is all zeros was never written: the file had grown, and its blocks had not come.
        if length > 0 {
            let file = self.set_aside(cause, &rest[..length], now_ms)?;
            let file = file.display();
            if cause == "torn" {
                tracing::warn!(%file, bytes = length, "a write was cut off by a crash, it was never acknowledged");
            } else {
                tracing::error!(%file, bytes = length, "the spool is damaged, the rest of its file is set aside");
            }
        }
        self.done(end)
    }

    /// A new file beside the folder.
    fn beside(&self, cause: &str, now_ms: i64) -> io::Result<(PathBuf, File)> {
        let folder = self.folder.path();
        let dir = folder.parent().unwrap_or(folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        for n in 0..u32::MAX {
            let path = dir.join(format!("{name}-{now_ms}-{n}.{cause}"));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Whether there are no files, and hence nothing to drain.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

impl Drop for Store {
    /// A folder with nothing in it goes, so that instances whose names never come again leave none behind.
    fn drop(&mut self) {
        if self.segments.is_empty() {
            self.folder.remove(POSITION);
        }
    }
}

fn read_position(file: &File) -> Option<End> {
    let mut bytes = [0; 20];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (numbers, crc) = bytes.split_at(16);
    let (segment, offset) = numbers.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let whole = crc == crc32fast::hash(numbers).to_le_bytes();
    if whole { Some(End { segment: number(segment)?, offset: number(offset)? }) } else { None }
}

fn write_position(file: &File, end: End) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(20);
    bytes.extend_from_slice(&end.segment.to_le_bytes());
    bytes.extend_from_slice(&end.offset.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    file.write_all_at(&bytes, 0)
}
