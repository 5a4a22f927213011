//! Map: a message as outbox records, as many as its destination needs calls.

use schemas::{Codec, Content, Outbox, VaultToken, header};
use streams::{Millis, Output};

use crate::dedupe::{derived_identity, identity_text};
use crate::identity::Identified;
use crate::incoming::Provenance;
use crate::route::Route;
use crate::settings::Settings;

/// A message that is ready to be written.
pub(crate) struct Outgoing {
    /// Where it comes from and goes to.
    pub(crate) of: Provenance,
    /// Whose conversation it belongs to.
    pub(crate) person: Identified,
    /// The platform's id of it.
    pub(crate) id: Option<String>,
    /// What it contains, masked.
    pub(crate) contents: Vec<Content>,
    /// What the vault gave for what is masked.
    pub(crate) tokens: Vec<VaultToken>,
    /// By how much it came too late to be in order; 0 where it is in order.
    pub(crate) late_by: Millis,
}

/// Writes records of the outboxes that a source feeds.
pub(crate) struct Writer {
    /// By destination; there are few.
    codecs: Vec<(&'static str, Codec<Outbox>)>,
}

impl Writer {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut destinations: Vec<_> = settings.routes.values().map(|route| route.destination).collect();
        destinations.sort_unstable_by_key(|destination| destination.name);
        destinations.dedup();
        let codec = |destination: &platforms::Platform| {
            Codec::new(&settings.framings.of(destination.destination.outbox))
        };
        let codecs = destinations.into_iter().map(|destination| (destination.name, codec(destination)));
        Self { codecs: codecs.collect() }
    }

    /// What does not fit one call goes out in further records, in order, each with an identity of its own.
    pub(crate) fn write(&mut self, outgoing: Outgoing, out: &mut Vec<Output>) {
        let Outgoing { of, person, id, contents, tokens, late_by } = outgoing;
        let route = &*of.route;
        let parts = route.destination.translate.write(person.member.as_ref(), contents);
        let message_id = id.unwrap_or_else(|| identity_text(of.identity));
        let (_, codec) = self
            .codecs
            .iter()
            .find(|(name, _)| *name == route.destination.name)
            .expect("there is a codec for the destination of every route");
        for (part, contents) in (0..).zip(parts) {
            let record = Outbox {
                identity: identity_text(derived_identity(of.identity, part)),
                platform: route.account.platform.clone(),
                account: route.account.name.clone(),
                integration: route.integration.clone(),
                person: person.guid.clone(),
                message_id: message_id.clone(),
                event_time: of.event_time,
                received: of.received,
                late_by,
                contents,
                attributes: route.attributes.clone(),
                // The values are in the text, wherever it was split.
                tokens: tokens.clone(),
            };
            out.push(output(route, &record, codec));
        }
    }
}

fn output(route: &Route, record: &Outbox, codec: &Codec<Outbox>) -> Output {
    Output {
        topic: route.destination.destination.outbox.name(),
        key: record.person.as_bytes().to_vec(),
        partition_by: Some(route.limit_key.as_bytes().to_vec()),
        // What egress needs of a record whose value it cannot read; all else is in the value.
        headers: vec![
            (header::IDENTITY, record.identity.as_bytes().to_vec()),
            (header::ACCOUNT, route.account.name.as_bytes().to_vec()),
            (header::PLATFORM, route.account.platform.as_bytes().to_vec()),
        ],
        value: codec.encode(record),
    }
}
