//! The chain of the simulated processors, on the real engine, and what its outputs and dead letters look like.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use streams::{Chain, DeadLetter, EventTime, Placed, ReceiptTime, Record, Released};

use super::defect::Defect;
use super::plan::{DETOUR_HOLD, Event, HOLD, Kind};

/// What holding any message costs, in bytes.
pub(super) const MESSAGE_BYTES: usize = 100;

/// A parsed record.
pub(super) struct Message {
    event: Event,
    offset: i64,
}

/// An output, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) id: u32,
    pub(super) conversation: u8,
    pub(super) offset: i64,
    pub(super) late: bool,
}

impl Effect {
    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(14);
        bytes.extend_from_slice(&[self.conversation, u8::from(self.late)]);
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Self {
        let (head, offset) = bytes.split_last_chunk().expect("written by encode");
        let (head, id) = head.split_last_chunk().expect("written by encode");
        Self {
            id: u32::from_be_bytes(*id),
            conversation: head[0],
            offset: i64::from_be_bytes(*offset),
            late: head[1] == 1,
        }
    }
}

/// A dead letter, as it is written: partition, offset, reason.
pub(super) fn encode_dead(partition: usize, dead: &DeadLetter) -> Vec<u8> {
    format!("{partition} {} {}", dead.record.offset.0, dead.reason).into_bytes()
}

/// Of which partition and offset a dead letter is.
pub(super) fn place_of_dead(value: &[u8]) -> (usize, i64) {
    let text = String::from_utf8_lossy(value);
    let mut parts = text.split(' ');
    let mut part = || parts.next().expect("written by encode_dead");
    (part().parse().expect("a partition"), part().parse().expect("an offset"))
}

/// For the defect that looks keys up only in the store: under which key each event was committed.
pub(super) type Known = Arc<Mutex<HashMap<u128, u128>>>;

/// Takes away what the defect has added to a key.
pub(super) fn plain_key(key: u128) -> u128 {
    key & !u128::from(u32::MAX)
}

fn key(message: &Message, defect: Option<Defect>, known: &Known) -> u128 {
    let plain = message.event.key();
    match defect {
        Some(Defect::KeyOnlyInStore) => {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let own = u128::from(message.offset.cast_unsigned());
            known.get(&plain).copied().unwrap_or(plain | own)
        }
        _ => plain,
    }
}

fn parse(record: &Record<'_>) -> Result<Message, (&'static str, String)> {
    let event = Event::decode(record.value);
    if event.kind == Kind::Unreadable {
        return Err(("not_json", String::new()));
    }
    Ok(Message { event, offset: record.offset.0 })
}

/// The chain of a task.
pub(super) fn chain(together: bool, defect: Option<Defect>, known: &Known) -> Chain<Message> {
    let known = Arc::clone(known);
    let detour_hold = if defect == Some(Defect::SpoolHoldMissing) { HOLD } else { DETOUR_HOLD };
    Chain::parse(parse)
        .filter(|message: &Message| (message.event.kind == Kind::Filtered).then_some("event_type"))
        .dedupe(move |message| key(message, defect, &known))
        .reorder(HOLD, |message| Placed {
            conversation: u128::from(message.event.conversation),
            event_time: EventTime(message.event.time),
            received: ReceiptTime(message.event.received.unwrap_or(i64::MAX)),
            sequence: 0,
            bytes: MESSAGE_BYTES,
        })
        .together(together)
        .detour(detour_hold, |record| Event::decode(record.value).spooled)
        .map(move |released: Released<Message>, out| {
            let late = released.late_by > 0;
            if late && defect == Some(Defect::LateDropped) {
                return;
            }
            let Event { id, conversation, .. } = released.message.event;
            let value = Effect { id, conversation, offset: released.offset.0, late }.encode();
            out.push(streams::Output {
                topic: "outbox",
                key: Vec::new(),
                partition_by: None,
                headers: Vec::new(),
                value,
            });
        })
}
