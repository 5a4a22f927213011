//! What processors ask a platform: from a raw record to the model, and from the model to what the platform can show.

use std::borrow::Cow;

use schemas::{Content, Event, Member, Reason, Unknown};
use serde_json::value::RawValue;

/// Why a record cannot be read: a reason code, and a detail without payload.
pub type Refusal = (Reason, String);

/// A raw record, opened. Has no `Debug`: it is personal data.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    /// The webhook that it came in by: an account, or an integration.
    pub account: &'a str,
    /// The record's key.
    pub key: &'a [u8],
    /// The platform's id of the event, where ingress found one.
    pub id: Option<&'a str>,
    /// The platform's type of the event, where ingress found one.
    pub kind: Option<&'a str>,
    /// The event as it was received.
    pub json: &'a str,
}

/// What tells one event from another within a conversation and a millisecond, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKey<'a> {
    /// The platform's id of the event.
    Id(&'a str),
    /// The event's type and the id of its message, where the event has no id of its own.
    MessageId(Cow<'a, str>, Cow<'a, str>),
    /// The event's type and its JSON, where it has no id at all, without the field that differs in a redelivery.
    Content {
        /// The event's type.
        kind: Cow<'a, str>,
        /// All of it.
        json: &'a str,
        /// The field that is left out.
        without: &'static str,
    },
}

/// An event as it was read.
pub struct Read<'a> {
    /// What makes it the same event when it comes again.
    pub key: EventKey<'a>,
    /// What it says.
    pub event: Event,
    /// The platform's own sequence among events of one millisecond; 0 where it has none.
    pub sequence: u64,
}

impl Read<'_> {
    /// An event that does not go on. Nobody asks for its key.
    #[must_use]
    pub fn ignored(reason: Reason) -> Self {
        Self { key: EventKey::Id(""), event: Event::Ignored(reason), sequence: 0 }
    }
}

/// What one call carries.
pub type Part = Vec<Content>;

/// Between a platform's wire types and the model.
pub trait Translate: Send + Sync {
    /// What a dead letter says of a record whose account the configuration does not have.
    fn unknown_account(&self) -> &'static str;

    /// Why an event of this type does not go on, where its type alone says so: that spares reading it.
    fn skips(&self, kind: &str) -> Option<Reason>;

    /// Reads a record. Everything that can fail fails here.
    ///
    /// # Errors
    /// If it is not what the platform's contract says: a dead letter.
    fn read<'a>(&self, record: &RawRecord<'a>) -> Result<Read<'a>, Refusal>;

    /// What the platform can show of a message: split, shortened, turned into text; never failed. `member` tells who
    /// speaks where a group is one conversation. Contents whose every text is blank may give no part.
    fn write(&self, member: Option<&Member>, contents: Vec<Content>) -> Vec<Part>;
}

/// Unknown fields of one message that are kept; the others stay in its raw record.
pub(crate) const UNKNOWN_FIELDS: usize = 16;

/// Longest name of an unknown type that is shown, in bytes.
const TYPE_BYTES: usize = 40;

pub(crate) fn refuse(reason: Reason, detail: impl Into<String>) -> Refusal {
    (reason, detail.into())
}

/// A JSON error without the payload that serde would quote.
pub(crate) fn unreadable(error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    if error.is_data() {
        refuse(
            Reason::MissingField,
            format!("a field is doubled or of another type, line {line}, column {column}"),
        )
    } else {
        refuse(Reason::NotJson, format!("not JSON from line {line}, column {column} on"))
    }
}

/// The address in the key of a channel's raw record, which is `account:address`.
pub(crate) fn address<'a>(record: &RawRecord<'a>) -> Result<&'a str, Refusal> {
    std::str::from_utf8(record.key)
        .ok()
        .and_then(|key| key.strip_prefix(record.account)?.strip_prefix(':'))
        .filter(|address| !address.is_empty())
        .ok_or_else(|| {
            refuse(Reason::NoConversation, "the key does not name a person, group or room of the account")
        })
}

/// The unknown fields of one object, which is at `place`.
pub(crate) fn unknown<'a>(
    place: &'static str,
    fields: impl IntoIterator<Item = (Cow<'a, str>, &'a RawValue)>,
) -> impl Iterator<Item = Unknown> {
    let of = move |(name, json): (Cow<'a, str>, &'a RawValue)| Unknown {
        field: format!("{place}{name}"),
        json: json.get().to_owned(),
    };
    fields.into_iter().map(of)
}

/// The name of an unknown type, if it looks like one: it is shown to an agent.
pub(crate) fn type_name(name: &str) -> &str {
    let plain = name.len() <= TYPE_BYTES
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if plain && !name.is_empty() { name } else { "unknown" }
}
