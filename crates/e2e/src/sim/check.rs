//! What must hold once everything has settled, against a truth that is told from the source records alone.

use std::collections::{HashMap, HashSet};

use streams::{CommitMetadata, Counts, Entry, Minute, Offset, changelog, position_key};

use super::around::{Around, DEAD, changelog_of};
use super::chain::{Effect, plain_key};
use super::defect::Defect;
use super::instance::Instance;
use super::kafka::Kafka;
use super::order::Judge;
use super::plan::{DAY, DETOUR_HOLD, Event, HOLD, Kind, LIMITS, OUTBOXES};
use super::{bursts, repeats};

/// What must become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Accepted,
    Duplicate,
    Filtered,
    Dead(&'static str),
}

/// A record and what is true of it.
#[derive(Clone)]
pub(super) struct Truth {
    pub(super) partition: usize,
    pub(super) offset: i64,
    pub(super) append: i64,
    pub(super) event: Event,
    pub(super) fate: Fate,
    /// How long it is held.
    pub(super) hold: i64,
    /// The greatest append time before it.
    pub(super) before: i64,
    /// Whether it is the first that came out of a spool: whatever is held waits for it, and for those after it.
    pub(super) begins: bool,
}

impl Truth {
    pub(super) fn sort(&self) -> (i64, i64) {
        (self.event.time.min(self.due()), self.offset)
    }

    pub(super) fn due(&self) -> i64 {
        self.append + self.hold
    }

    /// The latest time at which it leaves where bursts leave in one go, if nothing makes it wait.
    pub(super) fn bound(&self) -> i64 {
        self.due() + self.hold
    }
}

/// The truth of all records of a partition.
fn truth_of(around: &Around, partition: usize) -> Vec<Truth> {
    let mut seen = HashSet::new();
    let (mut detour_until, mut newest) = (i64::MIN, i64::MIN);
    let age = LIMITS.dedupe_retention - LIMITS.source_retention - DAY;
    let records = (0..).zip(&around.kafka.sources[partition]);
    records
        .map(|(offset, record)| {
            let (append, event) = (record.append, Event::decode(&record.value));
            let begins = event.spooled && detour_until < append;
            let before = newest;
            newest = newest.max(append);
            if event.spooled {
                detour_until = detour_until.max(append + DETOUR_HOLD);
            }
            let fate = match event.kind {
                Kind::Unreadable => Fate::Dead("not_json"),
                Kind::Filtered => Fate::Filtered,
                Kind::Message if append - event.time > age => Fate::Dead("too_old"),
                Kind::Message if event.time - append > DAY => Fate::Dead("too_far_in_future"),
                Kind::Message if seen.insert(event.id) => Fate::Accepted,
                Kind::Message => Fate::Duplicate,
            };
            let hold = if append <= detour_until { DETOUR_HOLD } else { HOLD };
            Truth { partition, offset, append, event, fate, hold, before, begins }
        })
        .collect()
}

/// Judges a run that has settled; the first thing that is wrong, in one sentence.
pub(super) fn check(around: &Around, instances: &mut [Instance]) -> Result<(), String> {
    let truth: Vec<Vec<Truth>> =
        (0..around.settings.partitions).map(|partition| truth_of(around, partition)).collect();
    let effects = if around.is_transactional() {
        let effects = effects(around, Kafka::all_committed);
        counts(around, &truth, &effects)?;
        effects
    } else {
        repeats::check(around, &truth)?
    };
    once(&truth, &effects)?;
    dead_once(around, &truth)?;
    entries(around, &truth)?;
    let judge = Judge::new(around, &truth);
    judge.order(&effects)?;
    judge.replay(&effects)?;
    bursts::check(around, &truth)?;
    local_state(around, instances, &truth)
}

/// The effects that `read` shows of the outboxes.
pub(super) fn effects<'a, I: Iterator<Item = &'a [u8]>>(
    around: &'a Around,
    read: impl Fn(&'a Kafka, usize) -> I,
) -> Vec<Effect> {
    (0..OUTBOXES).flat_map(|log| read(&around.kafka, log).map(Effect::decode)).collect()
}

/// Every accepted event has one effect, made of the record that was first, and there is no other.
fn once(truth: &[Vec<Truth>], effects: &[Effect]) -> Result<(), String> {
    let mut expected: HashMap<u32, i64> = HashMap::new();
    for record in truth.iter().flatten().filter(|record| record.fate == Fate::Accepted) {
        expected.insert(record.event.id, record.offset);
    }
    for Effect { id, offset, .. } in effects {
        match expected.remove(id) {
            Some(first) if first == *offset => {}
            Some(first) => return Err(format!("event {id} took effect from offset {offset}, not {first}")),
            None => return Err(format!("event {id} took effect twice, or should not have any")),
        }
    }
    match expected.into_iter().min() {
        Some((id, offset)) => Err(format!("event {id} at offset {offset} had no effect: lost")),
        None => Ok(()),
    }
}

fn dead_once(around: &Around, truth: &[Vec<Truth>]) -> Result<(), String> {
    let mut written: Vec<String> =
        around.kafka.all_visible(DEAD).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    let mut expected: Vec<String> = truth
        .iter()
        .flatten()
        .filter_map(|record| match record.fate {
            Fate::Dead(reason) => Some(format!("{} {} {reason}", record.partition, record.offset)),
            _ => None,
        })
        .collect();
    written.sort_unstable();
    if !around.is_transactional() {
        written.dedup();
    }
    expected.sort_unstable();
    if written == expected {
        return Ok(());
    }
    let differs = (0..).find(|index| written.get(*index) != expected.get(*index)).expect("they differ");
    Err(format!("dead letters: {:?} where {:?} is due", written.get(differs), expected.get(differs)))
}

/// Everything is read and committed, and the counts that are committed with it are those of the truth.
pub(super) fn counts(around: &Around, truth: &[Vec<Truth>], effects: &[Effect]) -> Result<(), String> {
    let late: HashSet<u32> = effects.iter().filter(|effect| effect.late).map(|effect| effect.id).collect();
    for (partition, records) in truth.iter().enumerate().filter(|(_, records)| !records.is_empty()) {
        let committed = around.kafka.committed(partition).ok_or("nothing committed")?;
        let counted = CommitMetadata::decode(&committed.metadata).ok_or("no counts committed")?.counts;
        if around.recounted[partition] {
            continue;
        }
        let count =
            |fate: fn(&Fate) -> bool| records.iter().filter(|record| fate(&record.fate)).count() as u64;
        let expected = Counts {
            released: count(|fate| *fate == Fate::Accepted),
            late: records
                .iter()
                .filter(|record| record.fate == Fate::Accepted && late.contains(&record.event.id))
                .count() as u64,
            hold_cut: counted.hold_cut,
            duplicate: count(|fate| *fate == Fate::Duplicate),
            filtered: count(|fate| *fate == Fate::Filtered),
            dead: count(|fate| matches!(fate, Fate::Dead(_))),
        };
        if counted != expected {
            return Err(format!("counts of partition {partition}: {counted:?}, in truth {expected:?}"));
        }
        if counted.hold_cut > 0 && !around.cut[partition] {
            return Err(format!("partition {partition} counts a hold cut that was none"));
        }
    }
    Ok(())
}

/// The entries in values of a changelog.
pub(super) fn entries_in<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<Entry> {
    let entries_of = |value| match changelog::decode(value) {
        Ok(changelog::Item::Entries(entries)) => entries,
        _ => Vec::new(),
    };
    values.flat_map(entries_of).collect()
}

/// The changelog of a partition as its readers see it.
fn visible_entries(around: &Around, partition: usize) -> Vec<Entry> {
    let mut entries = entries_in(around.kafka.all_visible(changelog_of(partition)));
    if around.has(Defect::KeyOnlyInStore) {
        for entry in entries.iter_mut().filter(|entry| entry.key != position_key(entry.offset)) {
            entry.key = plain_key(entry.key);
        }
    }
    entries.sort_unstable();
    if !around.is_transactional() {
        entries.dedup();
    }
    entries
}

/// The changelog is the set of records that have had their effect, each once; without transactions it may say so again.
fn entries(around: &Around, truth: &[Vec<Truth>]) -> Result<(), String> {
    for (partition, records) in truth.iter().enumerate() {
        let mut expected: Vec<Entry> = records
            .iter()
            .map(|record| {
                let offset = Offset(record.offset);
                match record.fate {
                    Fate::Accepted => {
                        Entry { minute: Minute::of(record.event.time), key: record.event.key(), offset }
                    }
                    _ => Entry { minute: Minute::of(record.append), key: position_key(offset), offset },
                }
            })
            .collect();
        expected.sort_unstable();
        let written = visible_entries(around, partition);
        if written != expected {
            let (have, want) = (written.len(), expected.len());
            return Err(format!("changelog of partition {partition}: {have} entries differ from {want} due"));
        }
    }
    Ok(())
}

/// What the owners have in their sets is what the changelog says.
fn local_state(around: &Around, instances: &mut [Instance], truth: &[Vec<Truth>]) -> Result<(), String> {
    if around.defect.is_some() {
        return Ok(());
    }
    for instance in instances {
        for (partition, running) in &mut instance.tasks {
            let newest = truth[*partition].iter().map(|record| record.append).max().unwrap_or(0);
            let limit = Minute::of(newest - LIMITS.dedupe_retention);
            let recent = |entries: Vec<Entry>| -> Vec<Entry> {
                entries.into_iter().filter(|entry| entry.minute >= limit).collect()
            };
            let have = running.task.dedupe().entries().map_err(|fault| fault.to_string())?;
            let (have, want) = (recent(have), recent(visible_entries(around, *partition)));
            if have != want {
                let (have, want) = (have.len(), want.len());
                return Err(format!(
                    "instance {}, partition {partition}: {have} in the set, {want} in the changelog",
                    instance.id
                ));
            }
        }
    }
    Ok(())
}
