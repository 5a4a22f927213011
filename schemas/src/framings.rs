//! How the values of each topic are framed.

use std::collections::BTreeMap;

use crate::{Framing, Topic};

/// The framing of each topic's values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Framings(BTreeMap<Topic, Framing>);

impl Framings {
    /// Single-object encoding for every topic: what holds without a registry.
    #[must_use]
    pub fn single_object() -> Self {
        Self::default()
    }

    /// The same, but for a topic.
    #[must_use]
    pub fn with(mut self, topic: Topic, framing: Framing) -> Self {
        self.0.insert(topic, framing);
        self
    }

    /// The framing of a topic's values.
    #[must_use]
    pub fn of(&self, topic: Topic) -> Framing {
        self.0.get(&topic).cloned().unwrap_or_default()
    }
}
