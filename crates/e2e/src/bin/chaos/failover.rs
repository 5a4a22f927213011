//! How long nothing of what a victim owned came out: from the last effect before the blow to the first effect of a
//! message that cannot have left before it. The hold is not in it: a message that is sent no earlier than one hold
//! before the blow can leave from the blow on.

use std::collections::BTreeMap;

use standins::Direction;

use crate::ownership::Part;
use crate::scene::{Account, PARTITIONS};

/// The hold of both sources, in ms: the configuration's default.
pub(crate) const HOLD_MS: u64 = 2_000;

/// A message that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) at_ms: u64,
    pub(crate) first_sent_ms: u64,
    /// Whether it can have left with a message that was due, before its own time.
    pub(crate) swapped: bool,
    /// Places in [`Part::all`] of the two partitions that it went through.
    pub(crate) parts: [usize; 2],
}

/// The places of a message's partitions in [`Part::all`].
pub(crate) fn places(direction: Direction, account: &Account, user: &str, guid: &str) -> [usize; 2] {
    let all = Part::all();
    let of = |is_outbox: bool| {
        let carries = |part: &Part| {
            matches!(part, Part::Outbox(..)) == is_outbox && part.carries(direction, account, user, guid)
        };
        all.iter().position(carries).unwrap_or(0)
    };
    [of(false), of(true)]
}

/// The longest silence over the partitions, in ms; none where nothing was carried before or after.
pub(crate) fn silence(at_ms: u64, owned: &[Part], effects: &[Effect]) -> Option<u64> {
    let all = Part::all();
    let mut last: BTreeMap<usize, u64> = BTreeMap::new();
    let mut first: BTreeMap<usize, u64> = BTreeMap::new();
    for effect in effects {
        for part in effect.parts {
            if effect.at_ms <= at_ms {
                last.entry(part).and_modify(|ms| *ms = effect.at_ms.max(*ms)).or_insert(effect.at_ms);
            } else if !effect.swapped && effect.first_sent_ms + HOLD_MS >= at_ms {
                first.entry(part).and_modify(|ms| *ms = effect.at_ms.min(*ms)).or_insert(effect.at_ms);
            }
        }
    }
    let places = owned.iter().filter_map(|part| all.iter().position(|one| one == part));
    places.filter_map(|place| Some(first.get(&place)? - last.get(&place)?)).max()
}

impl Part {
    /// Every partition that messages go through.
    pub(crate) fn all() -> Vec<Self> {
        let of =
            |make: fn(Direction, i32) -> Self, direction| (0..PARTITIONS).map(move |n| make(direction, n));
        let both = |make| of(make, Direction::Inbound).chain(of(make, Direction::Outbound));
        both(Part::Source).chain(both(Part::Outbox)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_have_left_before_ends_the_silence() {
        let effect = |at_ms, first_sent_ms, swapped| Effect { at_ms, first_sent_ms, swapped, parts: [0, 12] };
        let effects = [
            effect(9_900, 7_800, false),
            // Released before the blow, delivered after it.
            effect(10_100, 7_900, false),
            effect(10_200, 8_100, true),
            effect(13_500, 8_200, false),
            effect(14_000, 12_000, false),
        ];
        let all = Part::all();
        assert_eq!(silence(10_000, &[all[0]], &effects), Some(3_600));
        assert_eq!(silence(10_000, &[all[12], all[1]], &effects), Some(3_600));
        assert_eq!(silence(10_000, &[all[1]], &effects), None);
        assert_eq!(silence(10_000, &[], &effects), None);
    }
}
