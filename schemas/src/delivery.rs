//! Delivery records (`deliveries.<destination>`): what became of each message.

use serde::{Deserialize, Serialize};

/// A step in the life of a message at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// A call is about to be made.
    Started,
    /// The platform took the message. Final.
    Delivered,
    /// Given up after retries; a dead letter. Final.
    Failed,
    /// The platform refused it for good; a dead letter. Final.
    Refused,
    /// Whether the platform took it cannot be known yet.
    InDoubt,
}

/// One record of `deliveries.<destination>`, keyed by the person's GUID.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The event's identity, as in the outbox record.
    pub identity: String,
    /// The platform that the message goes to.
    pub destination: String,
    /// The channel account of the conversation; its platform is the last field.
    pub account: String,
    /// The person's GUID.
    pub person: String,
    /// What happened.
    pub status: DeliveryStatus,
    /// The number of the call, from 1; 0 where no call was made.
    pub attempt: i32,
    /// A [`crate::Reason`] code where the status is not a success.
    pub reason: Option<String>,
    /// The status code of the platform's answer.
    pub http_status: Option<i32>,
    /// The platform's id of the message, where its answer gave one.
    pub platform_id: Option<String>,
    /// The platform's id of the call.
    pub correlation_id: Option<String>,
    /// When this happened, ms since 1970 (UTC).
    pub at: i64,
    /// From receipt by ingress to the first call, ms: our share of the latency.
    pub ours_ms: Option<i64>,
    /// From the last call to its answer, ms: the platform's share.
    pub platform_ms: Option<i64>,
    /// When the call that `started` announces will have ended, whatever came of it, ms since 1970 (UTC).
    #[serde(default)]
    pub deadline: Option<i64>,
    /// The contact centre's conversation of the person, where it is known.
    #[serde(default)]
    pub conversation_id: Option<String>,
    /// The platform of the channel account; `None` in records of before it was written.
    #[serde(default)]
    pub platform: Option<String>,
}
