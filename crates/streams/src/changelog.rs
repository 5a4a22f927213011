//! The bytes of a changelog record: one commit's entries, grouped by minute, or the barrier of a new owner.
//!
//! Layout, all big-endian: version `01`, kind, then for entries any number of groups (minute u32, count u32, count ×
//! (key 16 bytes, offset 8 bytes)), for a barrier its nonce to the end.

use std::fmt;

use crate::{Entry, Minute, Offset};

/// Entries of one changelog record at most: 384 KB, well below a record's limit.
pub const ENTRIES_PER_RECORD: usize = 16_000;

const VERSION: u8 = 1;
const KIND_ENTRIES: u8 = 0;
const KIND_BARRIER: u8 = 1;

/// A decoded changelog record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Entries of one commit.
    Entries(Vec<Entry>),
    /// Written by a new owner before it reads; it has read everything once it sees its own nonce.
    Barrier(Vec<u8>),
}

/// The values of the records that carry `entries`.
#[must_use]
pub fn encode_entries(entries: &[Entry]) -> Vec<Vec<u8>> {
    entries.chunks(ENTRIES_PER_RECORD).map(encode_chunk).collect()
}

fn encode_chunk(entries: &[Entry]) -> Vec<u8> {
    let mut sorted = entries.to_vec();
    sorted.sort_unstable_by_key(|entry| entry.minute);
    let mut bytes = Vec::with_capacity(2 + sorted.len() * 24 + 64);
    bytes.extend_from_slice(&[VERSION, KIND_ENTRIES]);
    for group in sorted.chunk_by(|a, b| a.minute == b.minute) {
        let count = u32::try_from(group.len()).expect("a chunk is far shorter");
        bytes.extend_from_slice(&group[0].minute.0.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        for entry in group {
            bytes.extend_from_slice(&entry.key.to_be_bytes());
            bytes.extend_from_slice(&entry.offset.0.to_be_bytes());
        }
    }
    bytes
}

/// The value of a barrier record.
#[must_use]
pub fn encode_barrier(nonce: &[u8]) -> Vec<u8> {
    [&[VERSION, KIND_BARRIER], nonce].concat()
}

/// Reads a changelog record.
///
/// # Errors
/// If the bytes are not of this layout: the topic holds something else, or a newer version wrote it.
pub fn decode(bytes: &[u8]) -> Result<Item, BadChangelog> {
    match bytes {
        [VERSION, KIND_BARRIER, nonce @ ..] => Ok(Item::Barrier(nonce.to_vec())),
        [VERSION, KIND_ENTRIES, groups @ ..] => decode_groups(groups).map(Item::Entries).ok_or(BadChangelog),
        _ => Err(BadChangelog),
    }
}

fn decode_groups(mut rest: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(rest.len() / 24);
    while !rest.is_empty() {
        let minute = Minute(u32::from_be_bytes(take(&mut rest)?));
        let count = u32::from_be_bytes(take(&mut rest)?);
        for _ in 0..count {
            let key = u128::from_be_bytes(take(&mut rest)?);
            let offset = Offset(i64::from_be_bytes(take(&mut rest)?));
            entries.push(Entry { minute, key, offset });
        }
    }
    Some(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// A changelog record that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChangelog;

impl fmt::Display for BadChangelog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a changelog record has another layout than this version writes")
    }
}

impl std::error::Error for BadChangelog {}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(minute: u32, key: u128, offset: i64) -> Entry {
        Entry { minute: Minute(minute), key, offset: Offset(offset) }
    }

    #[test]
    fn entries_come_back_grouped_by_minute() {
        let values = encode_entries(&[entry(7, 1, 10), entry(5, u128::MAX, 11), entry(7, 2, i64::MAX)]);
        assert_eq!(values.len(), 1);
        let expected = vec![entry(5, u128::MAX, 11), entry(7, 1, 10), entry(7, 2, i64::MAX)];
        assert_eq!(decode(&values[0]), Ok(Item::Entries(expected)));
    }

    #[test]
    fn a_large_commit_is_cut_into_records() {
        let entries: Vec<Entry> =
            (0..ENTRIES_PER_RECORD as i64 + 1).map(|i| entry(1, i as u128, i)).collect();
        let values = encode_entries(&entries);
        assert_eq!(values.len(), 2);
        let back: Vec<Entry> = values
            .iter()
            .flat_map(|value| match decode(value) {
                Ok(Item::Entries(entries)) => entries,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(back, entries);
    }

    #[test]
    fn nothing_to_write_is_no_record() {
        assert!(encode_entries(&[]).is_empty());
    }

    #[test]
    fn a_barrier_keeps_its_nonce() {
        assert_eq!(decode(&encode_barrier(b"me-1")), Ok(Item::Barrier(b"me-1".to_vec())));
    }

    #[test]
    fn a_torn_or_foreign_record_is_an_error() {
        let value = &encode_entries(&[entry(1, 2, 3)])[0];
        for end in 3..value.len() {
            assert_eq!(decode(&value[..end]), Err(BadChangelog), "cut at {end}");
        }
        assert_eq!(decode(b""), Err(BadChangelog));
        assert_eq!(decode(&[2, 0]), Err(BadChangelog));
    }
}
