//! Why a record was filtered, or is a dead letter: codes for headers and metrics.

/// A reason code. The text of [`Reason::code`] is what headers and metric labels carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Dead: the webhook body, or the event, is not JSON in UTF-8.
    NotJson,
    /// Dead: the webhook body has no array of events.
    NoEvents,
    /// Dead: the event has nothing that says whose conversation it belongs to.
    NoConversation,
    /// Dead: the event has no usable time.
    NoTimestamp,
    /// Dead: the event lacks a field that its type requires.
    MissingField,
    /// Dead: a record without the headers that ingress writes.
    NoHeaders,
    /// Dead: the value is sealed with a key that the key ring does not have, or it was changed.
    Sealed,
    /// Dead: the account is not in the configuration.
    UnknownAccount,
    /// Dead: the event is older than what dedupe can vouch for.
    TooOld,
    /// Dead: the event's time is more than a day ahead of its arrival.
    TooFarInFuture,
    /// Dead: the outbox record would exceed the topic's size limit.
    TooLarge,
    /// Dead: an outbox record that does not decode.
    Undecodable,
    /// Dead: no address is known for the person.
    UnknownPerson,
    /// Dead: the platform refused the message permanently.
    Refused,
    /// Dead: the platform says that the person can no longer be reached there.
    Gone,
    /// Dead: not delivered before the time after which trying again is no longer safe.
    Expired,
    /// Dead: whether the platform took the message cannot be known.
    InDoubt,
    /// Filtered: an event type that carries no message.
    EventType,
    /// Filtered: another module holds the chat.
    Standby,
    /// Filtered: a receipt about a message of ours.
    Receipt,
    /// Filtered: a customer came or left, which the contact centre has no event for.
    Session,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 21] = [
        Reason::NotJson,
        Reason::NoEvents,
        Reason::NoConversation,
        Reason::NoTimestamp,
        Reason::MissingField,
        Reason::NoHeaders,
        Reason::Sealed,
        Reason::UnknownAccount,
        Reason::TooOld,
        Reason::TooFarInFuture,
        Reason::TooLarge,
        Reason::Undecodable,
        Reason::UnknownPerson,
        Reason::Refused,
        Reason::Gone,
        Reason::Expired,
        Reason::InDoubt,
        Reason::EventType,
        Reason::Standby,
        Reason::Receipt,
        Reason::Session,
    ];

    /// The code, in lower-case words joined by `_`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Reason::NotJson => "not_json",
            Reason::NoEvents => "no_events",
            Reason::NoConversation => "no_conversation",
            Reason::NoTimestamp => "no_timestamp",
            Reason::MissingField => "missing_field",
            Reason::NoHeaders => "no_headers",
            Reason::Sealed => "sealed",
            Reason::UnknownAccount => "unknown_account",
            Reason::TooOld => "too_old",
            Reason::TooFarInFuture => "too_far_in_future",
            Reason::TooLarge => "too_large",
            Reason::Undecodable => "undecodable",
            Reason::UnknownPerson => "unknown_person",
            Reason::Refused => "refused",
            Reason::Gone => "gone",
            Reason::Expired => "expired",
            Reason::InDoubt => "in_doubt",
            Reason::EventType => "event_type",
            Reason::Standby => "standby",
            Reason::Receipt => "receipt",
            Reason::Session => "session",
        }
    }
}
