//! Outbox records → messages, and what is known of a record that is none.

use schemas::{Codec, Delivery, DeliveryStatus, Framing, ToGenesys, ToLine, Topic, header};

use crate::platform::line;
use crate::seam::Record;

/// A platform that messages go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Genesys Cloud.
    Genesys,
    /// LINE.
    Line,
}

impl Destination {
    /// Every destination.
    pub const ALL: [Destination; 2] = [Destination::Genesys, Destination::Line];

    /// As topics, delivery records and metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Destination::Genesys => "genesys",
            Destination::Line => "line",
        }
    }

    /// What is read.
    #[must_use]
    pub fn outbox(self) -> Topic {
        match self {
            Destination::Genesys => Topic::OutboxGenesys,
            Destination::Line => Topic::OutboxLine,
        }
    }

    /// What is written.
    #[must_use]
    pub fn deliveries(self) -> Topic {
        match self {
            Destination::Genesys => Topic::DeliveriesGenesys,
            Destination::Line => Topic::DeliveriesLine,
        }
    }
}

/// A message to deliver. It holds personal data: no `Debug`.
pub enum Message {
    /// A customer's message for Genesys.
    Genesys(ToGenesys),
    /// An agent's message for LINE.
    Line(ToLine),
}

/// What of a message names and times it, the same for both destinations.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The event's identity.
    pub identity: &'a str,
    /// The LINE account.
    pub account: &'a str,
    /// The person's GUID.
    pub person: &'a str,
    /// Receipt by ingress, ms since 1970.
    pub received: i64,
}

impl Message {
    /// Names and times.
    #[must_use]
    pub fn about(&self) -> About<'_> {
        match self {
            Message::Genesys(ToGenesys { identity, account, person, received, .. })
            | Message::Line(ToLine { identity, account, person, received, .. }) => {
                About { identity, account, person, received: *received }
            }
        }
    }
}

/// Reads the records of one outbox.
pub enum Reader {
    /// `outbox.genesys`
    Genesys(Codec<ToGenesys>),
    /// `outbox.line`
    Line(Codec<ToLine>),
}

impl Reader {
    /// A reader of both framings, with the registry's id if there is one.
    #[must_use]
    pub fn new(destination: Destination, framing: Framing) -> Self {
        match destination {
            Destination::Genesys => Reader::Genesys(Codec::new(framing)),
            Destination::Line => Reader::Line(Codec::new(framing)),
        }
    }

    /// The message of a record.
    ///
    /// # Errors
    /// If it is none; the text says what is wrong and holds nothing of it.
    pub fn read(&self, record: &Record) -> Result<Message, String> {
        let payload = record.payload.as_deref().ok_or("no value")?;
        let message = match self {
            Reader::Genesys(codec) => codec.decode(payload).map(Message::Genesys),
            Reader::Line(codec) => codec.decode(payload).map(Message::Line),
        }
        .map_err(|error| error.to_string())?;
        let is_identity = line::retry_key(message.about().identity).is_some();
        is_identity.then_some(message).ok_or_else(|| "its identity is not 32 hex digits".into())
    }
}

/// A delivery record that knows no more than the headers and the key of the outbox record say.
#[must_use]
pub fn unread(destination: Destination, record: &Record, at: i64) -> Delivery {
    let header = |name: &str| {
        let value = record.headers.iter().find(|(key, _)| key == name)?.1.as_deref()?;
        String::from_utf8(value.to_vec()).ok()
    };
    Delivery {
        identity: header(header::IDENTITY).unwrap_or_default(),
        destination: destination.name().into(),
        account: header(header::ACCOUNT).unwrap_or_default(),
        person: record.key.clone().and_then(|key| String::from_utf8(key).ok()).unwrap_or_default(),
        status: DeliveryStatus::Failed,
        attempt: 0,
        reason: None,
        http_status: None,
        platform_id: None,
        correlation_id: None,
        at,
        ours_ms: None,
        platform_ms: None,
        deadline: None,
        conversation_id: None,
    }
}
