//! What crosses a topic: the topics themselves, header names, the Avro types, dead-letter reasons.
//!
//! Everything that two services, or Naru and another Kafka tool, must agree on stands here and nowhere else.

mod audit;
mod avro;
mod delivery;
pub mod header;
mod identity;
mod outbox;
mod partition;
mod reason;
mod topic;
mod vault;

pub use audit::UnknownField;
pub use avro::{AvroRecord, Codec, DecodeError, Framing, Schema};
pub use delivery::{Delivery, DeliveryStatus};
pub use identity::{IdentityEntry, Person};
pub use outbox::{ToGenesys, ToLine, VaultToken};
pub use partition::partition_for;
pub use reason::Reason;
pub use topic::{DEFAULT_PARTITIONS, Kept, MAX_MESSAGE_BYTES, Spec, Topic, TopicNames, WEBHOOK_BODY_LIMIT};
pub use vault::{Act, DataKey, KeptValue, Reveal, VaultEntry, VaultKey};
