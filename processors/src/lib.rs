//! The chain of a source: parse → filter → dedupe → reorder → mask → identify → keep → map.
//!
//! Pure: no clock, socket, file or Kafka type. Everything that can fail does so in `parse`; the later steps are
//! total. Platform ids end in `identify`, and what was masked in `keep`: what is mapped holds neither. What is a
//! platform's own, the reading and the writing, is in `platforms`.

mod dedupe;
mod head;
mod identity;
mod incoming;
mod map;
mod masking;
mod parse;
mod route;
mod settings;
mod unknown;
mod vault;

pub use dedupe::{derived_identity, event_hash, identity_text};
pub use identity::{Entry, MEMBER_TAG_HEX, People, REMEMBERED_PERSONS, person_guid};
pub use incoming::Incoming;
pub use route::{Route, Routes, routes};
use schemas::{Message, Topic};
pub use settings::Settings;
use streams::Chain;
pub use vault::Vault;

use map::Outgoing;

/// `webhooks.<source>` → `outbox.<destination>`, by account. A message is boxed: it moves from buffer to buffer on its way.
///
/// A chain belongs to one task and is dropped with it: it remembers which persons it has written to
/// `state.identity` and which unknown fields it has reported, and that memory must not outlive a commit that failed.
#[must_use]
pub fn chain(settings: &Settings, people: impl People, mut vault: impl Vault) -> Chain<Box<Incoming>> {
    let parse = parse::Parser::new(settings);
    let mut masking = masking::Masking::new(settings);
    let mut identify = identity::Identify::new(settings, people);
    let mut unknown_fields = unknown::Reporter::new(settings);
    let mut map = map::Writer::new(settings);
    Chain::parse(move |record| parse.parse(record).map(Box::new))
        .filter(|incoming| incoming.filtered())
        .dedupe(|incoming| incoming.identity())
        .reorder(settings.hold_ms, |incoming| incoming.placed())
        .together(settings.together)
        .detour(settings.hold_spooled_ms, head::is_spooled)
        .prepare(move |incoming, append, behind| masking.mask(incoming, append, behind.map(|held| &**held)))
        .map(move |released, out| {
            let late_by = released.late_by;
            let (of, mut message, finds) = released.message.into_message();
            let account = &of.route.account;
            let person = identify.identify(account, &message.party, out);
            let tokens = vault::keep(&mut vault, &person.guid, finds, of.received, out);
            unknown_fields.report(account, of.received, &mut message, out);
            let Message { id, contents, .. } = message;
            map.write(Outgoing { of, person, id, contents, tokens, late_by }, out);
        })
}

/// Every topic that the chain of a source writes, besides dead letters: a worker refuses to start where one is missing.
#[must_use]
pub fn outputs(settings: &Settings) -> Vec<Topic> {
    let mut topics: Vec<Topic> =
        settings.routes.values().map(|route| route.destination.destination.outbox).collect();
    topics.extend([Topic::IDENTITY, Topic::VAULT, Topic::UNKNOWN_FIELDS]);
    topics.sort_unstable();
    topics.dedup();
    topics
}
