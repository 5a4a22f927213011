//! How far a partition may be committed: up to its oldest unfinished record.

use std::collections::BTreeMap;
use std::fmt;

/// What is committed for a partition: the offset, and for others the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The oldest unfinished record, or the position if there is none.
    pub offset: i64,
    /// What goes into the metadata.
    pub note: Note,
}

/// Commit metadata: what a reader of offsets (lag, autoscaling) and the next owner need beside the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Note {
    /// The next offset that will be read.
    pub position: i64,
    /// Records that wait for a retry or for an account, not for us.
    pub parked: usize,
    /// Where in `deliveries` the next owner starts to read what became of the records from `offset` on.
    pub deliveries: i64,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Note { position, parked, deliveries } = self;
        write!(f, "naru1 position={position} parked={parked} deliveries={deliveries}")
    }
}

impl Note {
    /// Reads metadata; none where it is not of this form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        (words.next()? == "naru1").then_some(())?;
        let mut note = Note::default();
        for word in words {
            match word.split_once('=')? {
                ("position", value) => note.position = value.parse().ok()?,
                ("parked", value) => note.parked = value.parse().ok()?,
                ("deliveries", value) => note.deliveries = value.parse().ok()?,
                _ => {}
            }
        }
        Some(note)
    }
}

/// The frontier of one partition.
#[derive(Debug)]
pub struct Frontier {
    position: i64,
    /// Unfinished records: offset → a place in `deliveries` before everything that was ever written about it.
    unfinished: BTreeMap<i64, i64>,
    parked: usize,
    /// The end of `deliveries` as far as we know it.
    deliveries: i64,
    /// Records below `position` were read by an earlier owner, who wrote about them from `deliveries` on.
    inherited: Note,
}

impl Frontier {
    /// The frontier of a partition whose last owner committed `inherited`, and whose `deliveries` end at `deliveries`.
    #[must_use]
    pub fn new(inherited: Note, deliveries: i64) -> Self {
        Self { position: 0, unfinished: BTreeMap::new(), parked: 0, deliveries, inherited }
    }

    /// A record was read.
    pub fn read(&mut self, offset: i64) {
        let before_it =
            if offset < self.inherited.position { self.inherited.deliveries } else { self.deliveries };
        self.unfinished.insert(offset, before_it);
        self.position = self.position.max(offset + 1);
    }

    /// A record is finished: its final delivery record is acknowledged in `deliveries`.
    pub fn finish(&mut self, offset: i64) {
        self.unfinished.remove(&offset);
    }

    /// Something was acknowledged at `offset` of `deliveries`.
    pub fn wrote(&mut self, offset: i64) {
        self.deliveries = self.deliveries.max(offset + 1);
    }

    /// A record waits for a retry or for an account.
    pub fn park(&mut self) {
        self.parked += 1;
    }

    /// A record goes on.
    pub fn unpark(&mut self) {
        self.parked = self.parked.saturating_sub(1);
    }

    /// Records that are read and unfinished.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished.len()
    }

    /// What may be committed; none before the first record.
    #[must_use]
    pub fn committable(&self) -> Option<Commit> {
        let (offset, deliveries) = match self.unfinished.first_key_value() {
            Some((offset, deliveries)) => (*offset, *deliveries),
            None if self.position == 0 => return None,
            // An earlier owner read further than we have: what it wrote about those records is still wanted.
            None if self.position < self.inherited.position => (self.position, self.inherited.deliveries),
            None => (self.position, self.deliveries),
        };
        let position = self.position.max(self.inherited.position);
        Some(Commit { offset, note: Note { position, parked: self.parked, deliveries } })
    }
}

#[cfg(test)]
#[path = "frontier_tests.rs"]
mod tests;
