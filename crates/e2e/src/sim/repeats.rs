//! What must hold at least once: effects may be repeated, but only where a commit was cut off, and the changelog never
//! names what is not there.

use std::collections::HashSet;

use streams::{DedupeSet, Entry, Minute, StoreFault};

use super::around::{Around, DEAD, changelog_of};
use super::chain::{Effect, place_of_dead};
use super::check::{Fate, Truth, counts, effects, entries_in};
use super::disk::Disk;
use super::kafka::Kafka;
use super::plan::{LIMITS, OUTBOXES};

/// Judges the repeats of a run; gives the first copy of each effect, by which everything else is judged.
pub(super) fn check(around: &Around, truth: &[Vec<Truth>]) -> Result<Vec<Effect>, String> {
    names_what_is_there(around, truth)?;
    let covered = effects(around, Kafka::all_committed);
    covered_once(around, &covered)?;
    counts(around, &counted(around, truth)?, &covered)?;
    if around.tally.crashes + around.tally.faults == 0 && count(around) > 0 {
        return Err("effects were repeated, though nothing failed".to_owned());
    }
    let mut seen = HashSet::new();
    let mut first = effects(around, Kafka::all_visible);
    // A repeat is the same event, made of the same record: any other stays, and is found to be one too many.
    first.retain(|effect| seen.insert((effect.id, effect.offset)));
    Ok(first)
}

/// How many effects were written again.
pub(super) fn count(around: &Around) -> u64 {
    let all = effects(around, Kafka::all_visible);
    let distinct: HashSet<u32> = all.iter().map(|effect| effect.id).collect();
    (all.len() - distinct.len()) as u64
}

/// What a set lacks of the changelog that it was restored from, up to its `position` there, and has not forgotten.
pub(super) fn lacking(
    around: &Around,
    partition: usize,
    set: &DedupeSet<Disk>,
    position: i64,
) -> Result<Option<String>, StoreFault> {
    let newest = around.kafka.sources[partition].iter().map(|record| record.append).max().unwrap_or(0);
    let limit = Minute::of(newest - LIMITS.dedupe_retention);
    let has = set.entries()?;
    let read = |from| around.kafka.read_committed(changelog_of(partition), from);
    let records = std::iter::successors(read(0), |(offset, _)| read(offset + 1));
    let before = records.take_while(|(offset, _)| *offset < position).map(|(_, value)| value);
    let is_missing = |entry: &Entry| entry.minute >= limit && has.binary_search(entry).is_err();
    let missing = entries_in(before).into_iter().find(is_missing);
    Ok(missing
        .map(|entry| format!("a set of partition {partition} lacks offset {}, restored", entry.offset.0)))
}

/// When an entry arrives in a changelog, the output or dead letter of its record has arrived.
fn names_what_is_there(around: &Around, truth: &[Vec<Truth>]) -> Result<(), String> {
    let mut there = HashSet::new();
    for (log, value) in around.kafka.all_arrived() {
        if log < OUTBOXES {
            let Effect { conversation, offset, .. } = Effect::decode(value);
            there.insert((usize::from(conversation) % around.settings.partitions, offset));
        } else if log == DEAD {
            there.insert(place_of_dead(value));
        } else {
            let partition = log - changelog_of(0);
            for entry in entries_in(std::iter::once(value)) {
                let fate = truth[partition][usize::try_from(entry.offset.0).expect("an offset")].fate;
                let has_output = matches!(fate, Fate::Accepted | Fate::Dead(_));
                if has_output && !there.contains(&(partition, entry.offset.0)) {
                    let offset = entry.offset.0;
                    return Err(format!(
                        "changelog of partition {partition} names offset {offset}, whose output is not there"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Of the copies of an effect at most one is covered by a commit of offsets: all others were written by somebody whose
/// commit was cut off. Without a fault there are none.
fn covered_once(around: &Around, covered: &[Effect]) -> Result<(), String> {
    let mut seen = HashSet::new();
    if let Some(Effect { id, .. }) = covered.iter().find(|effect| !seen.insert(effect.id)) {
        return Err(format!("event {id} took effect twice, though nothing was cut off in between"));
    }
    let mut dead = HashSet::new();
    match around.kafka.all_committed(DEAD).find(|value| !dead.insert(*value)) {
        Some(value) => Err(format!("dead letter twice: {}", String::from_utf8_lossy(value))),
        None => Ok(()),
    }
}

/// The records that the counts must have: of those that are named by a commit which was cut off between changelog and
/// offsets, nobody counts. No record is entered by two commits that were not.
fn counted(around: &Around, truth: &[Vec<Truth>]) -> Result<Vec<Vec<Truth>>, String> {
    let counted_of = |(partition, records): (usize, &Vec<Truth>)| {
        let mut entered = HashSet::new();
        for entry in entries_in(around.kafka.all_committed(changelog_of(partition))) {
            let offset = entry.offset.0;
            if !entered.insert(offset) {
                return Err(format!("offset {offset} of partition {partition} was entered by two commits"));
            }
        }
        Ok(records.iter().filter(|record| entered.contains(&record.offset)).cloned().collect())
    };
    truth.iter().enumerate().map(counted_of).collect()
}
