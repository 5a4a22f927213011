//! What crosses a topic: the topics themselves, header names, the model of events and messages, the Avro types,
//! dead-letter reasons.
//!
//! Everything that two services, or Naru and another Kafka tool, must agree on is here and nowhere else.

mod account;
mod audit;
mod avro;
mod content;
mod delivery;
mod event;
mod framings;
pub mod header;
mod identity;
mod outbox;
mod partition;
mod reason;
mod topic;
mod vault;

pub use account::AccountRef;
pub use audit::UnknownField;
pub use avro::{AvroRecord, Codec, DecodeError, Framing, TopicSchemas};
pub use content::{Card, ChoiceOption, Content, MediaKind, Written};
pub use delivery::{Delivery, DeliveryStatus};
pub use event::{Event, Member, Message, Party, Session, Speaker, Unknown};
pub use framings::Framings;
pub use identity::{IdentityEntry, Person};
pub use outbox::{Outbox, VaultToken};
pub use partition::partition_for;
pub use reason::Reason;
pub use topic::{
    DEFAULT_PARTITIONS, DestinationTopics, Family, Kept, MAX_MESSAGE_BYTES, SourceTopics, Topic, TopicNames,
    WEBHOOK_BODY_LIMIT,
};
pub use vault::{Act, DataKey, KeptValue, Reveal, VaultEntry, VaultKey};
