//! Topics: their families, names, retention, size limit and time stamp.

/// Partitions of a topic unless configured otherwise. Fixed for life: order and dedupe hang on it.
pub const DEFAULT_PARTITIONS: i32 = 24;

/// `max.message.bytes` of every topic, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Largest webhook body that ingress takes, in bytes: what a record may hold, less room for key and headers.
pub const WEBHOOK_BODY_LIMIT: usize = MAX_MESSAGE_BYTES - 64 * 1024;

/// What a topic is for; all topics of a family are alike. In the order of the data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Raw events of a source, as received.
    Webhooks,
    /// Messages on their way to a destination.
    Outbox,
    /// What became of each message for a destination.
    Deliveries,
    /// Records that could not be processed or delivered, unchanged, with the reason.
    DeadLetters,
    /// Changelog of the dedupe sets of a source.
    Dedupe,
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
    /// As long as the raw topics are configured to keep them: it is what a replay can bring back.
    RawDays,
    /// The configured dedupe retention and this many days more.
    DedupeAnd(u32),
    /// The newest record of each key, for ever.
    Compacted,
    /// The same; what is replaced or removed is compacted away this many hours later at the latest
    /// (`max.compaction.lag.ms`).
    CompactedWithin(u32),
}

impl Family {
    /// How long its topics keep their records.
    #[must_use]
    pub fn kept(self) -> Kept {
        match self {
            Family::Webhooks => Kept::RawDays,
            Family::Outbox => Kept::Days(7),
            Family::Deliveries | Family::DeadLetters | Family::UnknownFields => Kept::Days(30),
            Family::Dedupe => Kept::DedupeAnd(2),
            Family::Identity => Kept::Compacted,
            Family::Vault => Kept::CompactedWithin(1),
            Family::Reveals => Kept::Days(365),
        }
    }

    /// Whether the broker stamps records with its own clock (`message.timestamp.type=LogAppendTime`).
    #[must_use]
    pub fn append_time(self) -> bool {
        matches!(self, Family::Webhooks | Family::Dedupe | Family::Reveals)
    }

    /// Whether it lies in the vault's own cluster, where there is one.
    #[must_use]
    pub fn is_vaults(self) -> bool {
        matches!(self, Family::Vault | Family::Reveals)
    }
}

/// A topic that Naru reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    family: Family,
    name: &'static str,
}

impl Topic {
    /// Records that could not be processed or delivered.
    pub const DEAD_LETTERS: Topic = Topic::new(Family::DeadLetters, "dead-letters");
    /// Person to address, and alias to person.
    pub const IDENTITY: Topic = Topic::new(Family::Identity, "state.identity");
    /// What was masked, sealed.
    pub const VAULT: Topic = Topic::new(Family::Vault, "state.vault");
    /// Who read what out of the vault.
    pub const REVEALS: Topic = Topic::new(Family::Reveals, "audit.reveals");
    /// Fields of webhooks that Naru does not know.
    pub const UNKNOWN_FIELDS: Topic = Topic::new(Family::UnknownFields, "audit.unknown-fields");

    /// The topics that all sources and destinations share.
    pub const SHARED: [Topic; 5] =
        [Topic::DEAD_LETTERS, Topic::IDENTITY, Topic::VAULT, Topic::REVEALS, Topic::UNKNOWN_FIELDS];

    /// The topic `name` of a family.
    #[must_use]
    pub const fn new(family: Family, name: &'static str) -> Self {
        Self { family, name }
    }

    /// What it is for.
    #[must_use]
    pub fn family(self) -> Family {
        self.family
    }

    /// Its name without the prefix.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }
}

/// The topics of a source: a platform that sends webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceTopics {
    /// Its raw events.
    pub webhooks: Topic,
    /// The changelog of its dedupe sets.
    pub dedupe: Topic,
}

/// The topics of a destination: a platform that messages go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationTopics {
    /// What it is to get.
    pub outbox: Topic,
    /// What became of that; the same number of partitions.
    pub deliveries: Topic,
}

/// The topics of the source with this name.
#[macro_export]
macro_rules! source_topics {
    ($name:literal) => {
        $crate::SourceTopics {
            webhooks: $crate::Topic::new($crate::Family::Webhooks, concat!("webhooks.", $name)),
            dedupe: $crate::Topic::new($crate::Family::Dedupe, concat!("state.dedupe.", $name)),
        }
    };
}

/// The topics of the destination with this name.
#[macro_export]
macro_rules! destination_topics {
    ($name:literal) => {
        $crate::DestinationTopics {
            outbox: $crate::Topic::new($crate::Family::Outbox, concat!("outbox.", $name)),
            deliveries: $crate::Topic::new($crate::Family::Deliveries, concat!("deliveries.", $name)),
        }
    };
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

    /// The full name of a topic given by its name without the prefix.
    #[must_use]
    pub fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix() {
        let topics = crate::source_topics!("web");
        assert_eq!(TopicNames::new("naru.").of(topics.webhooks), "naru.webhooks.web");
        assert_eq!(topics.dedupe.name(), "state.dedupe.web");
        assert_eq!(crate::destination_topics!("web").deliveries.name(), "deliveries.web");
    }
}
