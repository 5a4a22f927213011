//! The one table of topics: name, retention, size limit, time stamp.

/// Partitions of a topic unless configured otherwise. Fixed for life: order and dedupe hang on it.
pub const DEFAULT_PARTITIONS: i32 = 24;

/// `max.message.bytes` of every topic, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Largest webhook body that ingress takes, in bytes: what a record may hold, less room for key and headers.
pub const WEBHOOK_BODY_LIMIT: usize = MAX_MESSAGE_BYTES - 64 * 1024;

/// A topic that Naru reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Raw LINE events, as received.
    WebhooksLine,
    /// Raw Genesys outbound messages, as received.
    WebhooksGenesys,
    /// Messages on their way to Genesys Cloud.
    OutboxGenesys,
    /// Messages on their way to LINE.
    OutboxLine,
    /// What became of each message for Genesys Cloud.
    DeliveriesGenesys,
    /// What became of each message for LINE.
    DeliveriesLine,
    /// Records that could not be processed or delivered, unchanged, with the reason.
    DeadLetters,
    /// Changelog of the dedupe sets of [`Topic::WebhooksLine`].
    DedupeLine,
    /// Changelog of the dedupe sets of [`Topic::WebhooksGenesys`].
    DedupeGenesys,
    /// Person to address, and alias to person.
    Identity,
    /// What was masked, sealed, by person and token.
    Vault,
    /// Who read what out of the vault, and why.
    Reveals,
    /// Fields of webhooks that Naru does not know, masked.
    UnknownFields,
}

/// How long a topic keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// This many days.
    Days(u32),
    /// The configured dedupe retention and this many days more.
    DedupeAnd(u32),
    /// The newest record of each key, for ever.
    Compacted,
    /// The same; what is replaced or removed is compacted away this many hours later at the latest
    /// (`max.compaction.lag.ms`).
    CompactedWithin(u32),
}

/// A row of the topic table.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Which topic.
    pub topic: Topic,
    /// Its name without the prefix.
    pub name: &'static str,
    /// How long it keeps its records.
    pub kept: Kept,
    /// Whether the broker stamps records with its own clock (`message.timestamp.type=LogAppendTime`).
    pub append_time: bool,
}

const fn row(topic: Topic, name: &'static str, kept: Kept, append_time: bool) -> Spec {
    Spec { topic, name, kept, append_time }
}

impl Topic {
    /// Every topic, in the order of the data path.
    pub const ALL: [Spec; 13] = [
        row(Topic::WebhooksLine, "webhooks.line", Kept::Days(7), true),
        row(Topic::WebhooksGenesys, "webhooks.genesys", Kept::Days(7), true),
        row(Topic::OutboxGenesys, "outbox.genesys", Kept::Days(7), false),
        row(Topic::OutboxLine, "outbox.line", Kept::Days(7), false),
        row(Topic::DeliveriesGenesys, "deliveries.genesys", Kept::Days(30), false),
        row(Topic::DeliveriesLine, "deliveries.line", Kept::Days(30), false),
        row(Topic::DeadLetters, "dead-letters", Kept::Days(30), false),
        row(Topic::DedupeLine, "state.dedupe.line", Kept::DedupeAnd(2), true),
        row(Topic::DedupeGenesys, "state.dedupe.genesys", Kept::DedupeAnd(2), true),
        row(Topic::Identity, "state.identity", Kept::Compacted, false),
        row(Topic::Vault, "state.vault", Kept::CompactedWithin(1), false),
        row(Topic::Reveals, "audit.reveals", Kept::Days(365), true),
        row(Topic::UnknownFields, "audit.unknown-fields", Kept::Days(30), false),
    ];

    /// This topic's row of the table.
    #[must_use]
    pub fn spec(self) -> Spec {
        Self::ALL[self as usize]
    }

    /// Its name without the prefix, as in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }
}

/// Full topic names under one prefix.
#[derive(Debug, Clone)]
pub struct TopicNames {
    prefix: String,
}

impl TopicNames {
    /// Names under `prefix`, such as `naru.`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The full name of `topic`.
    #[must_use]
    pub fn of(&self, topic: Topic) -> String {
        self.full(topic.name())
    }

    /// The full name of a topic given by its name in the table.
    #[must_use]
    pub fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_indexed_by_the_enum() {
        for spec in Topic::ALL {
            assert_eq!(spec.topic.spec().name, spec.name);
        }
    }

    #[test]
    fn names_carry_the_prefix() {
        assert_eq!(TopicNames::new("naru.").of(Topic::WebhooksLine), "naru.webhooks.line");
    }
}
