//! Cuts a verified body into records: each event's own bytes, keyed by its conversation, all else in headers.

mod genesys;
mod line;
mod pick;
mod time;

use std::borrow::Cow;

use bytes::Bytes;
use schemas::{Reason, Topic, header};

use crate::log::NewRecord;
use crate::route::Source;

/// Longest platform id that goes into a key or a header, in bytes: ten times what any platform uses, and small
/// enough for the room that the body limit leaves in a record. A longer one counts as absent.
const MAX_ID_BYTES: usize = 512;

/// The records of a body. Every event of it is in exactly one of them; a body that cannot be cut is one dead letter.
pub(crate) fn cut(envelope: &Envelope<'_>, body: &Bytes) -> Vec<NewRecord> {
    match envelope.source {
        Source::Line => line::cut(envelope, body),
        Source::Genesys => vec![genesys::cut(envelope, body)],
    }
}

/// What the records of one request share.
pub(crate) struct Envelope<'a> {
    pub(crate) source: Source,
    /// Account name or integration id.
    pub(crate) account: &'a str,
    /// Full name of the topic of the source.
    pub(crate) topic: &'a str,
    /// When the body was complete, in ms since 1970.
    pub(crate) received: i64,
}

/// What is read from an event.
#[derive(Debug, PartialEq, Eq)]
struct Facts<'a> {
    key: String,
    /// ms since 1970, UTC.
    time: i64,
    id: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    redelivery: bool,
}

/// Why an event cannot be a raw record.
#[derive(Debug, PartialEq, Eq)]
struct Flaw {
    reason: Reason,
    detail: &'static str,
    /// The conversation, where it is known all the same.
    key: Option<String>,
}

impl Flaw {
    fn new(reason: Reason, detail: &'static str) -> Self {
        Self { reason, detail, key: None }
    }
}

impl Envelope<'_> {
    /// The record of an event: raw, or a dead letter if it has a flaw.
    fn record(&self, facts: Result<Facts<'_>, Flaw>, value: Bytes) -> NewRecord {
        match facts {
            Ok(facts) => self.raw(facts, value),
            Err(flaw) => self.dead(flaw, value),
        }
    }

    fn raw(&self, facts: Facts<'_>, value: Bytes) -> NewRecord {
        let mut headers: Vec<(Cow<'static, str>, Cow<'static, str>)> = Vec::with_capacity(6);
        headers.push((header::EVENT_TIME.into(), facts.time.to_string().into()));
        if let Some(id) = facts.id {
            headers.push((header::EVENT_ID.into(), id.into_owned().into()));
        }
        if let Some(kind) = facts.kind {
            headers.push((header::EVENT_TYPE.into(), kind.into_owned().into()));
        }
        headers.push((header::REDELIVERY.into(), if facts.redelivery { "true" } else { "false" }.into()));
        headers.push((header::ACCOUNT.into(), self.account.to_owned().into()));
        headers.push((header::RECEIVED.into(), self.received.to_string().into()));
        NewRecord { topic: self.source.topic(), key: facts.key, headers, value, dead: None }
    }

    fn dead(&self, flaw: Flaw, value: Bytes) -> NewRecord {
        let headers = vec![
            (header::DEAD_REASON.into(), flaw.reason.code().into()),
            (header::DEAD_DETAIL.into(), flaw.detail.into()),
            (header::DEAD_STAGE.into(), "ingress".into()),
            (header::DEAD_TOPIC.into(), self.topic.to_owned().into()),
            (header::ACCOUNT.into(), self.account.to_owned().into()),
            (header::RECEIVED.into(), self.received.to_string().into()),
        ];
        let key = flaw.key.unwrap_or_else(|| self.nobody());
        NewRecord { topic: Topic::DeadLetters, key, headers, value, dead: Some(flaw.reason) }
    }

    /// The key of what belongs to no conversation.
    fn nobody(&self) -> String {
        format!("{}:", self.account)
    }
}

/// The records of a verified LINE body: what the edge does between verify and write. Each record's value is a slice
/// of `body` (the same memory); `received` is in ms since 1970.
#[must_use]
pub fn cut_line(account: &str, body: &Bytes, received: i64) -> Vec<NewRecord> {
    let topic = Topic::WebhooksLine.name();
    cut(&Envelope { source: Source::Line, account, topic, received }, body)
}
