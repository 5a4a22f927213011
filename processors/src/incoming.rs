//! What travels through a chain: one parsed event.

use std::sync::Arc;

use mask::Find;
use schemas::{Event, Message, Reason};
use streams::{EventTime, Placed, ReceiptTime};

use crate::route::Route;

/// An event on its way through a chain. Has no `Debug`: it holds what a person said.
pub struct Incoming {
    /// Where it goes.
    pub(crate) route: Arc<Route>,
    /// The dedupe key, which is also the event's identity.
    pub(crate) identity: u128,
    /// A hash of the source record's key.
    pub(crate) conversation: u128,
    pub(crate) event_time: i64,
    pub(crate) received: i64,
    /// The platform's own sequence within one millisecond; 0 where it has none.
    pub(crate) sequence: u64,
    /// What holding it costs: never less than what it owns.
    pub(crate) bytes: usize,
    pub(crate) event: Event,
    /// What was masked in it.
    pub(crate) finds: Vec<Find>,
}

impl Incoming {
    /// Filter: why this event does not go on, or `None` if it does.
    #[must_use]
    pub fn filtered(&self) -> Option<&'static str> {
        match &self.event {
            Event::Ignored(reason) => Some(reason.code()),
            Event::Session(_) => Some(Reason::Session.code()),
            Event::Message(_) => None,
        }
    }

    /// Dedupe: what makes two records the same event.
    #[must_use]
    pub fn identity(&self) -> u128 {
        self.identity
    }

    /// Reorder: where it belongs. Among events of one millisecond and sequence the offset decides.
    #[must_use]
    pub fn placed(&self) -> Placed {
        Placed {
            conversation: self.conversation,
            event_time: EventTime(self.event_time),
            received: ReceiptTime(self.received),
            sequence: self.sequence,
            bytes: self.bytes,
        }
    }

    /// What somebody wrote, where it comes from and goes to, and what was masked in it.
    pub(crate) fn into_message(self) -> (Provenance, Message, Vec<Find>) {
        let Self { route, identity, event_time, received, event, finds, .. } = self;
        match event {
            Event::Message(message) => (Provenance { route, identity, event_time, received }, message, finds),
            Event::Session(_) | Event::Ignored(_) => unreachable!("the filter lets messages alone through"),
        }
    }

    /// What somebody wrote, if that is what it is.
    pub(crate) fn message(&self) -> Option<&Message> {
        match &self.event {
            Event::Message(message) => Some(message),
            Event::Session(_) | Event::Ignored(_) => None,
        }
    }
}

/// Where a message comes from and goes to.
pub(crate) struct Provenance {
    pub(crate) route: Arc<Route>,
    pub(crate) identity: u128,
    pub(crate) event_time: i64,
    pub(crate) received: i64,
}
