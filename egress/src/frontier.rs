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

    /// A record is finished: the last word about it is acknowledged in `deliveries`.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A timeline: `r5` read, `f5` finished, `w9` written at 9 of deliveries; then what would be committed.
    fn check(inherited: Note, steps: &[(&str, Option<(i64, i64)>)]) {
        let mut frontier = Frontier::new(inherited, 100);
        for (at, (step, expected)) in steps.iter().enumerate() {
            let (verb, number) = step.split_at(1);
            let number: i64 = number.parse().unwrap();
            match verb {
                "r" => frontier.read(number),
                "f" => frontier.finish(number),
                _ => frontier.wrote(number),
            }
            let got = frontier.committable().map(|commit| (commit.offset, commit.note.deliveries));
            assert_eq!(got, *expected, "step {at}: {step}");
        }
    }

    #[test]
    fn a_later_success_does_not_commit_over_an_earlier_failure() {
        check(
            Note::default(),
            &[
                ("w100", None),
                ("r5", Some((5, 101))),
                ("r7", Some((5, 101))),
                ("r9", Some((5, 101))),
                ("f9", Some((5, 101))),
                ("w101", Some((5, 101))),
                ("f7", Some((5, 101))),
                ("f5", Some((10, 102))),
            ],
        );
    }

    #[test]
    fn what_an_earlier_owner_wrote_stays_wanted_until_its_records_are_passed() {
        check(
            Note { position: 8, parked: 0, deliveries: 40 },
            &[
                ("r5", Some((5, 40))),
                ("f5", Some((6, 40))),
                ("r7", Some((7, 40))),
                ("r8", Some((7, 40))),
                ("f7", Some((8, 100))),
                ("f8", Some((9, 100))),
            ],
        );
    }

    #[test]
    fn the_position_never_goes_back() {
        let mut frontier = Frontier::new(Note { position: 8, parked: 3, deliveries: 40 }, 100);
        frontier.read(5);
        frontier.park();
        let note = frontier.committable().unwrap().note;
        assert_eq!(note, Note { position: 8, parked: 1, deliveries: 40 });
        assert_eq!(Note::parse(&note.to_string()), Some(note));
        assert_eq!(Note::parse("naru1 position=3 parked=0 deliveries=2 later=x").unwrap().position, 3);
        for other in ["", "naru2 position=1", "naru1 position=x", "someone else's"] {
            assert_eq!(Note::parse(other), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_unfinished_is_ever_below_the_committed_offset(order in Just((0_i64..40).collect::<Vec<_>>()).prop_shuffle(), gap in 1_i64..4) {
            let mut frontier = Frontier::new(Note::default(), 0);
            (0..40).for_each(|n| frontier.read(n * gap));
            let mut open: std::collections::BTreeSet<i64> = (0..40).map(|n| n * gap).collect();
            let mut before = 0;
            for n in order {
                frontier.finish(n * gap);
                open.remove(&(n * gap));
                let offset = frontier.committable().unwrap().offset;
                prop_assert!(open.first().is_none_or(|first| offset == *first));
                prop_assert!(offset >= before, "it only moves forward");
                before = offset;
            }
            prop_assert_eq!(before, 39 * gap + 1);
        }
    }
}
