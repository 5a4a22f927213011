//! The format of a spool's files: eight bytes that name it, then one frame a request, whole or torn, never half read.
//!
//! A frame is the length of its payload (u32), a CRC32 over that length and the payload (u32), and the payload: when
//! the request was spooled (ms since 1970, i64), the number of its records (u32), and each record as topic, key,
//! number of headers (u32), names and values of the headers, value. Every text and value has its length (u32) before
//! it. Numbers are little-endian. What the broker refused is kept in files of the same format.

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use schemas::{Reason, header};

use crate::log::NewRecord;

/// What every file begins with; the digit is the version of the format.
pub(super) const MAGIC: [u8; 8] = *b"naruspl1";
/// Length and CRC before a payload, in bytes.
pub(super) const FRAME_HEAD: usize = 8;

/// A request out of the spool.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// When it was spooled, in ms since 1970.
    pub(super) spooled_ms: i64,
    pub(super) records: Vec<NewRecord>,
}

/// What is at some place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A frame of this length, head included, that is what was written.
    Whole(usize),
    /// A frame of this length, head included, of which the rest is not in what was looked at.
    Longer(usize),
    /// Less than a head.
    Short,
    /// A frame of this length, head included, that is not what was written.
    Broken(usize),
}

/// The frame of a request.
pub(super) fn encode(spooled_ms: i64, records: &[NewRecord]) -> Vec<u8> {
    let size: usize = records.iter().map(|record| record.key.len() + record.value.len() + 512).sum();
    let mut frame = Vec::with_capacity(FRAME_HEAD + 16 + size);
    frame.extend_from_slice(&[0; FRAME_HEAD]);
    frame.extend_from_slice(&spooled_ms.to_le_bytes());
    frame.extend_from_slice(&length_of(records.len()).to_le_bytes());
    for record in records {
        put(&mut frame, record.topic.name().as_bytes());
        put(&mut frame, record.key.as_bytes());
        frame.extend_from_slice(&length_of(record.headers.len()).to_le_bytes());
        for (name, value) in &record.headers {
            put(&mut frame, name.as_bytes());
            put(&mut frame, value.as_bytes());
        }
        put(&mut frame, &record.value);
    }
    let length = length_of(frame.len() - FRAME_HEAD).to_le_bytes();
    let crc = crc(length, &frame[FRAME_HEAD..]).to_le_bytes();
    frame[..4].copy_from_slice(&length);
    frame[4..FRAME_HEAD].copy_from_slice(&crc);
    frame
}

/// What is at the beginning of `bytes`.
pub(super) fn frame(bytes: &[u8]) -> Frame {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD>() else { return Frame::Short };
    let [a, b, c, d, crc_of_payload @ ..] = *head;
    let length = [a, b, c, d];
    let payload = u32::from_le_bytes(length) as usize;
    let whole = FRAME_HEAD + payload;
    match rest.get(..payload) {
        None => Frame::Longer(whole),
        Some(payload) if crc(length, payload) == u32::from_le_bytes(crc_of_payload) => Frame::Whole(whole),
        Some(_) => Frame::Broken(whole),
    }
}

/// The request of a whole frame; `None` if it is of a kind that this version does not know.
pub(super) fn decode(frame: &Bytes) -> Option<Entry> {
    let mut rest = frame.slice(FRAME_HEAD..);
    let spooled_ms = rest.try_get_i64_le().ok()?;
    let count = rest.try_get_u32_le().ok()?;
    // What is reserved is bounded by what is there, whatever the numbers say.
    let mut records = Vec::with_capacity(rest.len().min(count as usize * 16) / 16);
    for _ in 0..count {
        let topic = platforms::topic(&text(&mut rest)?)?;
        let key = text(&mut rest)?;
        let count = rest.try_get_u32_le().ok()?;
        let mut headers: Vec<(Cow<'static, str>, Cow<'static, str>)> = Vec::with_capacity(8);
        for _ in 0..count {
            headers.push((text(&mut rest)?.into(), text(&mut rest)?.into()));
        }
        let dead = headers.iter().find(|(name, _)| name == header::DEAD_REASON);
        let dead =
            dead.and_then(|(_, code)| Reason::ALL.iter().copied().find(|reason| reason.code() == code));
        records.push(NewRecord { topic, key, headers, value: take(&mut rest)?, dead });
    }
    rest.is_empty().then_some(Entry { spooled_ms, records })
}

fn crc(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

fn put(frame: &mut Vec<u8>, bytes: &[u8]) {
    frame.extend_from_slice(&length_of(bytes.len()).to_le_bytes());
    frame.extend_from_slice(bytes);
}

fn length_of(length: usize) -> u32 {
    u32::try_from(length).expect("what one body is split into is far below 4 GiB")
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32_le().ok()? as usize;
    (length <= rest.len()).then(|| rest.split_to(length))
}

fn text(rest: &mut Bytes) -> Option<String> {
    String::from_utf8(take(rest)?.into()).ok()
}
