//! What egress must know of a platform before it calls it.

/// The rules of a platform's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What may be done after an outcome that says nothing.
    pub repeat: Repeat,
    /// Whether a message is sent to the person's address instead of the GUID.
    pub needs_address: bool,
    /// Whether its answers name conversations, which settle later doubts.
    pub has_conversations: bool,
    /// The header of its answers that names the call.
    pub correlation_header: &'static str,
}

/// What may be done after an outcome that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Send it again: the platform knows the message by a key that is the same on every try.
    Safe,
    /// Ask first: the platform would take it a second time.
    Ask,
}
