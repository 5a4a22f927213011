//! The chain: parse → filter → dedupe → reorder → mask → identify → keep → map, once for each direction.
//!
//! Pure: no clock, socket, file or Kafka type. Everything that can fail does so in `parse`; the later steps are
//! total. Platform ids end in `identify`, and what was masked in `keep`: what is mapped holds neither.

mod dedupe;
mod genesys;
mod head;
mod identity;
mod json;
mod line;
mod mask;
mod masking;
mod message;
mod settings;
mod split;
mod to_genesys;
mod to_line;
mod unknown;
mod vault;

pub use dedupe::{EventKey, derived_identity, event_hash, identity_text};
pub use identity::{Entry, MEMBER_TAG_HEX, People, REMEMBERED_PERSONS, person_guid};
pub use mask::{Find, Found, Masker, Original, RulesError};
pub use message::Message;
use schemas::Topic;
pub use settings::{Account, Framings, Settings};
pub use split::{LINE_OBJECTS, LINE_UNITS, split};
use streams::Chain;
pub use vault::Vault;

/// `webhooks.line` → `outbox.genesys`. A message is boxed: it moves from buffer to buffer on its way.
///
/// A chain belongs to one task and is dropped with it: it remembers which persons it has written to
/// `state.identity` and which unknown fields it has told, and that memory must not outlive a commit that failed.
#[must_use]
pub fn line_to_genesys(
    settings: &Settings,
    people: impl People,
    mut vault: impl Vault,
) -> Chain<Box<Message>> {
    let parse = line::Parser::new(settings);
    let mut masking = masking::Masking::new(settings.masker.clone());
    let mut identify = identity::Identify::new(settings, people);
    let mut unknown = unknown::Tell::new(Topic::WebhooksLine, settings);
    let map = to_genesys::Writer::new(settings);
    Chain::parse(move |record| parse.parse(record).map(Box::new))
        .filter(|message| message.filtered())
        .dedupe(|message| message.event())
        .reorder(settings.hold_line_ms, |message| message.placed())
        .detour(settings.hold_spooled_ms, head::is_spooled)
        .prepare(move |message, append, behind| masking.mask(message, append, behind.map(|held| &**held)))
        .identify(move |message, out| {
            identify.identify(message, out);
            vault::keep(&mut vault, message, out);
            unknown.tell(message, out);
        })
        .map(move |released, out| map.write(released, out))
}

/// `webhooks.genesys` → `outbox.line`. For whom it is made, see [`line_to_genesys`].
#[must_use]
pub fn genesys_to_line(settings: &Settings, people: impl People) -> Chain<Box<Message>> {
    let parse = genesys::Parser::new(settings);
    let mut identify = identity::Identify::new(settings, people);
    let mut unknown = unknown::Tell::new(Topic::WebhooksGenesys, settings);
    let map = to_line::Writer::new(settings);
    Chain::parse(move |record| parse.parse(record).map(Box::new))
        .filter(|message| message.filtered())
        .dedupe(|message| message.event())
        .reorder(settings.hold_genesys_ms, |message| message.placed())
        .detour(settings.hold_spooled_ms, head::is_spooled)
        .identify(move |message, out| {
            identify.identify(message, out);
            unknown.tell(message, out);
        })
        .map(move |released, out| map.write(released, out))
}
