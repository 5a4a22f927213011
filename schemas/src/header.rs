//! Names of record headers. Values are UTF-8 text; numbers are decimal.

/// The platform's time of the event, in ms since 1970 (UTC).
pub const EVENT_TIME: &str = "naru-event-time";
/// The platform's id of the event, where it gives one.
pub const EVENT_ID: &str = "naru-event-id";
/// The platform's type of the event, such as `message`.
pub const EVENT_TYPE: &str = "naru-event-type";
/// `true` where the platform says that it sends this event again.
pub const REDELIVERY: &str = "naru-redelivery";
/// The name of the webhook that the event came in: an account, or an integration of the contact centre.
pub const ACCOUNT: &str = "naru-account";
/// Outbox: the platform of the channel account; absent in records of before it was written.
pub const PLATFORM: &str = "naru-platform";
/// When ingress received the event, in ms since 1970 (UTC).
pub const RECEIVED: &str = "naru-received";
/// `true` where the record lay in a spool of ingress while Kafka was away, or was written just after one was drained;
/// absent otherwise.
pub const SPOOLED: &str = "naru-spooled";

/// The key that the value is sealed with, such as `2026-11-24/20781`: a key of the ring, and the day; absent where it is
/// not sealed.
pub const KEY: &str = "naru-key";

/// Dead letters: why (a [`crate::Reason`] code).
pub const DEAD_REASON: &str = "naru-dead-reason";
/// Dead letters: what exactly, for a person; never a payload.
pub const DEAD_DETAIL: &str = "naru-dead-detail";
/// Dead letters: `ingress`, `processors` or `egress`.
pub const DEAD_STAGE: &str = "naru-dead-stage";
/// Dead letters: the topic that the record stood in, or was meant for.
pub const DEAD_TOPIC: &str = "naru-dead-topic";
/// Dead letters: partition of the source record; absent where it was never in a topic.
pub const DEAD_PARTITION: &str = "naru-dead-partition";
/// Dead letters: offset of the source record; absent where it was never in a topic.
pub const DEAD_OFFSET: &str = "naru-dead-offset";

/// Outbox: the event's identity (32 hex digits), the same after every replay.
pub const IDENTITY: &str = "naru-identity";
