//! What travels through a chain: one parsed event of either source.

use std::sync::Arc;

use schemas::{Reason, VaultToken};
use streams::{EventTime, Placed, ReceiptTime};

use crate::mask::Find;
use crate::settings::Account;
use crate::unknown::{self, Unknown};

/// An event on its way through a chain. Has no `Debug`: it holds what a person said.
pub struct Message {
    pub(crate) account: Arc<Account>,
    /// The dedupe key, which is also the event's identity.
    pub(crate) event: u128,
    /// A hash of the source record's key.
    pub(crate) conversation: u128,
    pub(crate) event_time: i64,
    pub(crate) received: i64,
    /// What holding it costs: never less than what it owns.
    pub(crate) bytes: usize,
    /// The platform's id of the message, or the event's identity where it has none.
    pub(crate) message_id: String,
    pub(crate) who: Who,
    pub(crate) body: Body,
    /// Fields of the webhook that Naru does not know, as they stand.
    pub(crate) unknown: Vec<Unknown>,
    /// What was masked in the body.
    pub(crate) finds: Vec<Find>,
    /// What the vault gave for what it keeps of that.
    pub(crate) tokens: Vec<VaultToken>,
}

/// The person or group that the conversation is with.
pub(crate) enum Who {
    /// A LINE address, as parsed.
    Address {
        /// The platform's own id of the person, group or room.
        address: String,
        /// Who of them speaks.
        speaker: Speaker,
    },
    /// A person's GUID: from the start on the way to LINE, and what `identify` makes of an address.
    Person {
        /// The GUID, in lower case with dashes.
        guid: String,
        /// What stands before the text: in a group, who speaks.
        prefix: String,
    },
}

/// Who speaks in a LINE conversation.
pub(crate) enum Speaker {
    /// The only customer there is.
    Alone,
    /// A member of a group, of whom LINE does not say who it is.
    Unnamed,
    /// The member of a group with this user id.
    Member(String),
}

/// What an event carries.
pub(crate) enum Body {
    /// Nothing to pass on, and why.
    Nothing(Reason),
    /// A customer's message on LINE.
    Line(Said),
    /// A message out of Genesys Cloud.
    Genesys(Written),
}

/// The kinds of LINE message.
pub(crate) enum Said {
    Text(String),
    Sticker {
        text: String,
        keywords: Vec<String>,
    },
    Location {
        title: String,
        address: String,
        latitude: String,
        longitude: String,
    },
    File {
        name: String,
        size: String,
    },
    /// Image, video or audio: a fixed word of ours.
    Media(&'static str),
    /// A type that Naru does not know: its name, checked.
    Unknown(String),
}

/// A message out of Genesys Cloud: text, content, or both.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) content: Vec<crate::genesys::Content>,
}

impl Message {
    /// Takes unknown fields along, as many as are told.
    pub(crate) fn tells(&mut self, unknown: impl Iterator<Item = Unknown>) {
        self.unknown = unknown.take(unknown::FIELDS).collect();
        self.bytes += self.unknown.iter().map(Unknown::bytes).sum::<usize>();
    }

    /// Filter: why this event does not go on, or `None` if it does.
    #[must_use]
    pub fn filtered(&self) -> Option<&'static str> {
        match &self.body {
            Body::Nothing(reason) => Some(reason.code()),
            Body::Line(_) | Body::Genesys(_) => None,
        }
    }

    /// Dedupe: what makes two records the same event.
    #[must_use]
    pub fn event(&self) -> u128 {
        self.event
    }

    /// Reorder: where it belongs. The sequence is 0: LINE's event ids are ULIDs, whose order within one
    /// millisecond is not defined, and Genesys has none; there the offset decides.
    #[must_use]
    pub fn placed(&self) -> Placed {
        Placed {
            conversation: self.conversation,
            event_time: EventTime(self.event_time),
            received: ReceiptTime(self.received),
            sequence: 0,
            bytes: self.bytes,
        }
    }
}
