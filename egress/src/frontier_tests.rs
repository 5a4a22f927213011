//! Timelines of records that are read and finished, and what would be committed.

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
