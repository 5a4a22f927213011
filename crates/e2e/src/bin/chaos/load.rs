//! The messages of a run: who writes what and when, what comes twice and what comes in the wrong order.

use standins::{Direction, Send, marker};

use crate::dice::Dice;

/// Exponent of Zipf's law over the people: the busiest of 1,000 writes 2.5 % of everything, which one conversation can
/// carry, one call at a time, with the faults that are switched on.
const ZIPF: f64 = 0.6;
/// Messages a person, on average.
const EACH: u64 = 20;
const PEOPLE: (u64, u64) = (20, 2_000);
/// Share that the agents write.
const ANSWERS: f64 = 0.4;
/// From a person's first message until agents answer, in ms.
const FIRST_ANSWER_MS: u64 = 4_000;
/// Share that comes again, after so many ms.
const REDELIVERED: f64 = 0.05;
const REDELIVERY_MS: (u64, u64) = (100, 3_000);
/// Share that is sent late, by so many ms: behind what was said after it, and within what is put in order again.
const SWAPPED: f64 = 0.08;
const SWAP_MS: (u64, u64) = (50, 1_300);

/// A message's first sending and what comes of it.
#[derive(Debug)]
pub(crate) struct Load {
    /// Every sending, in order.
    pub(crate) sends: Vec<Send>,
    pub(crate) people: u32,
}

/// Makes `messages` messages over `length_ms`.
pub(crate) fn load(seed: u64, messages: u32, length_ms: u64) -> Load {
    let mut dice = Dice::new(seed, 2);
    let people = (u64::from(messages) / EACH).clamp(PEOPLE.0, PEOPLE.1);
    let shares = zipf(people);
    let mut first_wrote: Vec<Option<u64>> = vec![None; shares.len()];
    let mut last: Vec<[Option<u64>; 2]> = vec![[None; 2]; shares.len()];
    let mut sends = Vec::new();
    for message in 0..messages {
        let at = u64::from(message) * length_ms / u64::from(messages.max(1));
        let thrown = dice.unit();
        let person = shares.partition_point(|share| *share <= thrown).min(shares.len() - 1);
        let known = first_wrote[person].is_some_and(|wrote| wrote + FIRST_ANSWER_MS <= at);
        let direction = if dice.hits(ANSWERS) && known { Direction::Outbound } else { Direction::Inbound };
        if direction == Direction::Inbound {
            first_wrote[person].get_or_insert(at);
        }
        // Times differ within a conversation and direction, so that there is one right order.
        let before = &mut last[person][usize::from(direction == Direction::Outbound)];
        let is_first = before.is_none();
        let event_ms = before.map_or(at, |before| at.max(before + 1));
        *before = Some(event_ms);
        // What opens a conversation is in its place: nothing was said before it that it could overtake.
        let late = if dice.hits(SWAPPED) && !is_first { dice.between(SWAP_MS) } else { 0 };
        let send = Send {
            at_ms: event_ms + late,
            message,
            direction,
            person: u32::try_from(person).unwrap_or(0),
            event_ms,
            text: format!("{} สวัสดีค่ะ 🙏", marker(message)),
            redelivery: false,
            with_previous: false,
        };
        if dice.hits(REDELIVERED) {
            let at_ms = send.at_ms + dice.between(REDELIVERY_MS);
            sends.push(Send { at_ms, redelivery: true, ..send.clone() });
        }
        sends.push(send);
    }
    sends.sort_by_key(|send| (send.at_ms, send.message, send.redelivery));
    Load { sends, people: u32::try_from(people).unwrap_or(0) }
}

/// The summed shares of everybody up to each person.
fn zipf(people: u64) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "some thousand people")]
    let weights: Vec<f64> = (1..=people).map(|rank| (rank as f64).powf(-ZIPF)).collect();
    let all: f64 = weights.iter().sum();
    weights
        .iter()
        .scan(0.0, |sum, weight| {
            *sum += weight / all;
            Some(*sum)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_what_it_says() {
        let Load { sends, people } = load(1, 20_000, 130_000);
        assert_eq!(people, 1_000);
        let first: Vec<&Send> = sends.iter().filter(|send| !send.redelivery).collect();
        assert_eq!(first.len(), 20_000);
        let busiest = first.iter().filter(|send| send.person == 0).count();
        assert!((400..600).contains(&busiest), "{busiest}");
        let answers = first.iter().filter(|send| send.direction == Direction::Outbound).count();
        assert!((6_500..8_200).contains(&answers), "{answers}");
        let late: Vec<u64> =
            first.iter().map(|send| send.at_ms - send.event_ms).filter(|ms| *ms > 0).collect();
        assert!((1_200..1_800).contains(&late.len()), "{}", late.len());
        assert!(late.iter().all(|ms| *ms < 1_300));
        assert!(sends.is_sorted_by_key(|send| send.at_ms));
    }
}
