//! Parse: a raw record of a source, opened and read by its platform.

use std::sync::Arc;

use keys::KeyRing;
use platforms::{Platform, RawRecord, Read};
use schemas::{Event, Message, Reason};
use streams::Record;

use crate::dedupe;
use crate::head::{self, Head};
use crate::incoming::Incoming;
use crate::route::Routes;
use crate::settings::Settings;

/// Why a record cannot be parsed, as the engine takes it.
type Refusal = (&'static str, String);

/// Reads records of `webhooks.<source>`.
pub(crate) struct Parser {
    source: &'static Platform,
    routes: Routes,
    keys: Option<Arc<KeyRing>>,
}

impl Parser {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { source: settings.source, routes: settings.routes.clone(), keys: settings.keys.clone() }
    }

    pub(crate) fn parse(&self, record: &Record<'_>) -> Result<Incoming, Refusal> {
        self.read(record).map_err(|(reason, detail)| (reason.code(), detail))
    }

    fn read(&self, record: &Record<'_>) -> Result<Incoming, platforms::Refusal> {
        let head = Head::of(record)?;
        let translate = self.source.translate;
        let route = self.routes.get(head.account).cloned();
        let route = route.ok_or_else(|| (Reason::UnknownAccount, translate.unknown_account().to_owned()))?;
        let mut incoming = Incoming {
            route,
            identity: 0,
            conversation: dedupe::conversation_hash(record.key),
            event_time: head.event_time,
            received: head.received,
            sequence: 0,
            bytes: size_of::<Incoming>() + record.value.len(),
            event: Event::Ignored(Reason::EventType),
            finds: Vec::new(),
        };
        // The header decides where there is one: an event that is not for us may have any shape.
        if let Some(reason) = head.event_type.and_then(|kind| translate.skips(kind)) {
            incoming.event = Event::Ignored(reason);
            return Ok(incoming);
        }
        let json = head::text(record, self.keys.as_deref())?;
        let Read { key, event, sequence } = translate.read(&RawRecord {
            account: head.account,
            key: record.key,
            id: head.event_id,
            kind: head.event_type,
            json: &json,
        })?;
        if let Event::Message(message) = &event {
            incoming.identity = dedupe::event_hash(record.key, head.event_time, &key);
            incoming.bytes += unknown_bytes(message);
        }
        incoming.event = event;
        incoming.sequence = sequence;
        Ok(incoming)
    }
}

/// What the unknown fields cost that are held with a message.
fn unknown_bytes(message: &Message) -> usize {
    message
        .unknown
        .iter()
        .map(|unknown| size_of_val(unknown) + unknown.field.len() + unknown.json.len())
        .sum()
}
