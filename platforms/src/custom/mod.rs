//! Custom channels: a web chat, an app or a social network that nobody bridges, over Naru's own JSON.
//!
//! Both ways are signed after Standard Webhooks (<https://www.standardwebhooks.com>). The contract is written down for
//! whoever builds the other side in `docs/custom-channel.md`, as a JSON Schema in `docs/custom-channel.schema.json`.

mod api;
mod read;
#[cfg(test)]
mod schema_tests;
mod section;
mod sign;
mod webhook;
mod wire;
mod write;

use schemas::{Content, DestinationTopics, Member, Reason, SourceTopics, destination_topics, source_topics};

use crate::{Part, Platform, RawRecord, Read, Refusal, Role, Translate};

/// The topics of its webhooks.
pub const SOURCE: SourceTopics = source_topics!("custom");
/// The topics of what goes to it.
pub const DESTINATION: DestinationTopics = destination_topics!("custom");

/// Custom channels.
pub static PLATFORM: Platform = Platform {
    name: "custom",
    title: "Custom",
    source: SOURCE,
    destination: DESTINATION,
    webhook: &webhook::CustomWebhook,
    translate: &Custom,
    api: &api::CustomApi,
    role: Role::Channel(&section::CustomSection),
    demo: include_str!("demo.toml"),
};

/// Between Naru's own JSON and the model.
struct Custom;

impl Translate for Custom {
    fn unknown_account(&self) -> &'static str {
        "no such custom account"
    }

    fn skips(&self, kind: &str) -> Option<Reason> {
        read::skips(kind)
    }

    fn read<'a>(&self, record: &RawRecord<'a>) -> Result<Read<'a>, Refusal> {
        read::read(record)
    }

    /// Who writes to a channel is an agent, and no member of a group.
    fn write(&self, _: Option<&Member>, contents: Vec<Content>) -> Vec<Part> {
        write::write(contents)
    }
}
