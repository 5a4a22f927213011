//! What goes into a task and what comes out.

use std::collections::BTreeMap;

use crate::{AppendTime, EventTime, Millis, Offset};

/// A source record, borrowed from the client that read it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Its place in the task's partition.
    pub offset: Offset,
    /// The broker's time stamp.
    pub append_time: AppendTime,
    /// Its key, empty where it has none.
    pub key: &'a [u8],
    /// Its value, empty where it has none.
    pub value: &'a [u8],
    /// Its headers, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Record<'a> {
    /// The value of the first header of this name, as text; `None` where it is absent or not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(n, _)| *n == name)?;
        std::str::from_utf8(value).ok()
    }

    /// A copy that owns its bytes.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            offset: self.offset,
            append_time: self.append_time,
            key: self.key.to_vec(),
            value: self.value.to_vec(),
            headers: self.headers.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect(),
        }
    }
}

/// A source record that owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its place in the task's partition.
    pub offset: Offset,
    /// The broker's time stamp.
    pub append_time: AppendTime,
    /// Its key, empty where it has none.
    pub key: Vec<u8>,
    /// Its value, empty where it has none.
    pub value: Vec<u8>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl OwnedRecord {
    /// The record as the engine takes it, `headers` being its own.
    #[must_use]
    pub fn borrow<'a>(&'a self, headers: &'a [(&'a str, &'a [u8])]) -> Record<'a> {
        let Self { offset, append_time, key, value, .. } = self;
        Record { offset: *offset, append_time: *append_time, key, value, headers }
    }
}

/// A message that leaves the reorder buffer.
pub struct Released<M> {
    /// What the chain made of the record.
    pub message: M,
    /// Its source record's place.
    pub offset: Offset,
    /// When the broker had it.
    pub append_time: AppendTime,
    /// When it happened.
    pub event_time: EventTime,
    /// By how much it came too late to stand in order; 0 where it stands in order.
    pub late_by: Millis,
}

/// A record to write.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// The topic's name without the prefix.
    pub topic: &'static str,
    /// The record's key.
    pub key: Vec<u8>,
    /// What decides the partition, where that is not the key.
    pub partition_by: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The value.
    pub value: Vec<u8>,
}

/// A source record that cannot be processed.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The record, unchanged.
    pub record: OwnedRecord,
    /// A reason code.
    pub reason: &'static str,
    /// What exactly, for a person; never a payload.
    pub detail: String,
}

/// What must be written in the same transaction as the commit of the source records.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Effects {
    /// Records to write, in order.
    pub outputs: Vec<Output>,
    /// Dead letters to write, in order.
    pub dead: Vec<DeadLetter>,
    /// How many records were filtered, by reason code.
    pub filtered: BTreeMap<&'static str, u64>,
}
