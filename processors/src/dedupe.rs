//! The dedupe key: what makes two records the same event, and the identities that follow from it.
//!
//! The hash and its keys are part of the contract with changelogs already written: they never change.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hasher;

use platforms::EventKey;
use serde_json::value::RawValue;
use siphasher::sip128::{Hasher128, SipHasher13};

/// Keys of the hash: ASCII, so that anybody can compute it again. They are not secret, and need not be: who can
/// choose the hashed text has signed for it.
const EVENT_KEYS: (u64, u64) = (u64::from_le_bytes(*b"naru.ded"), u64::from_le_bytes(*b"upe.v1.."));
const CONVERSATION_KEYS: (u64, u64) = (u64::from_le_bytes(*b"naru.con"), u64::from_le_bytes(*b"vers.v1."));
const PART_KEYS: (u64, u64) = (u64::from_le_bytes(*b"naru.par"), u64::from_le_bytes(*b"tof.v1.."));

/// The 128-bit dedupe key of an event; also its identity.
#[must_use]
pub fn event_hash(conversation: &[u8], timestamp: i64, key: &EventKey<'_>) -> u128 {
    hash(EVENT_KEYS, |sink| encode(conversation, timestamp, key, sink))
}

/// A hash of a conversation's key, for reordering.
pub(crate) fn conversation_hash(conversation: &[u8]) -> u128 {
    hash(CONVERSATION_KEYS, |sink| sink(conversation))
}

/// The identity of the `part`th outbox record of an event. Part 0 is the event itself.
#[must_use]
pub fn derived_identity(event: u128, part: u32) -> u128 {
    if part == 0 {
        return event;
    }
    hash(PART_KEYS, |sink| {
        sink(&event.to_be_bytes());
        sink(&part.to_be_bytes());
    })
}

/// An identity as 32 hex digits, as headers and outbox records carry it.
#[must_use]
pub fn identity_text(identity: u128) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(32);
    for byte in identity.to_be_bytes() {
        text.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    String::from_utf8(text).expect("hex digits are ASCII")
}

fn hash((k0, k1): (u64, u64), feed: impl FnOnce(&mut dyn FnMut(&[u8]))) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(k0, k1);
    feed(&mut |bytes| hasher.write(bytes));
    hasher.finish128().as_u128()
}

/// Every field behind its length, so that no two triples read the same.
fn encode(conversation: &[u8], timestamp: i64, key: &EventKey<'_>, sink: &mut dyn FnMut(&[u8])) {
    let mut field = |bytes: &[u8]| {
        sink(&(bytes.len() as u64).to_le_bytes());
        sink(bytes);
    };
    field(conversation);
    field(&timestamp.to_le_bytes());
    match key {
        EventKey::Id(id) => {
            field(b"id");
            field(id.as_bytes());
        }
        EventKey::MessageId(event_type, id) => {
            field(b"message");
            field(event_type.as_bytes());
            field(id.as_bytes());
        }
        EventKey::Content { kind, json, without } => {
            field(b"content");
            field(kind.as_bytes());
            match serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(json) {
                Ok(fields) => {
                    for (name, value) in fields.iter().filter(|(name, _)| name != without) {
                        field(name.as_bytes());
                        field(value.get().as_bytes());
                    }
                }
                Err(_) => field(json.as_bytes()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
