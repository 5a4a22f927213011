//! Genesys Cloud: the contact centre, over Open Messaging.

mod api;
mod questions;
mod read;
mod reconcile;
mod released;
mod section;
mod webhook;
mod write;

use schemas::{DestinationTopics, SourceTopics, destination_topics, source_topics};

use crate::{Platform, Role};

/// The topics of its webhooks.
pub const SOURCE: SourceTopics = source_topics!("genesys");
/// The topics of what goes to it.
pub const DESTINATION: DestinationTopics = destination_topics!("genesys");

/// Genesys Cloud.
pub static PLATFORM: Platform = Platform {
    name: "genesys",
    title: "Genesys",
    source: SOURCE,
    destination: DESTINATION,
    webhook: &webhook::GenesysWebhook,
    translate: &Genesys,
    api: &api::GenesysApi,
    role: Role::ContactCentre(&section::GenesysSection),
    demo: include_str!("demo.toml"),
};

/// Between Open Messaging and the model.
struct Genesys;

impl crate::Translate for Genesys {
    fn unknown_account(&self) -> &'static str {
        "no account has this integration"
    }

    fn skips(&self, kind: &str) -> Option<schemas::Reason> {
        read::skips(kind)
    }

    fn read<'a>(&self, record: &crate::RawRecord<'a>) -> Result<crate::Read<'a>, crate::Refusal> {
        read::read(record)
    }

    fn write(&self, member: Option<&schemas::Member>, contents: Vec<schemas::Content>) -> Vec<crate::Part> {
        write::write(member, contents)
    }
}
