//! LINE: Official Accounts over the Messaging API.

mod api;
mod read;
mod released;
mod section;
mod split;
mod webhook;
mod write;

use schemas::{DestinationTopics, SourceTopics, destination_topics, source_topics};

use crate::{Platform, Role};

pub use api::retry_key;
pub use split::{MESSAGE_OBJECTS, TEXT_UNITS, split};

/// The topics of its webhooks.
pub const SOURCE: SourceTopics = source_topics!("line");
/// The topics of what goes to it.
pub const DESTINATION: DestinationTopics = destination_topics!("line");

/// LINE.
pub static PLATFORM: Platform = Platform {
    name: "line",
    title: "LINE",
    source: SOURCE,
    destination: DESTINATION,
    webhook: &webhook::LineWebhook,
    translate: &Line,
    api: &api::LineApi,
    role: Role::Channel(&section::LineSection),
    demo: include_str!("demo.toml"),
};

/// Between LINE's events and messages and the model.
struct Line;

impl crate::Translate for Line {
    fn unknown_account(&self) -> &'static str {
        "no such LINE account"
    }

    fn skips(&self, kind: &str) -> Option<schemas::Reason> {
        read::skips(kind)
    }

    fn read<'a>(&self, record: &crate::RawRecord<'a>) -> Result<crate::Read<'a>, crate::Refusal> {
        read::read(record)
    }

    fn write(&self, member: Option<&schemas::Member>, contents: Vec<schemas::Content>) -> Vec<crate::Part> {
        write::write(member, &contents)
    }
}
