//! What must hold once everything has settled, against a truth that is told from the source records alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use streams::{
    AppendTime, CommitMetadata, Counts, DedupeSet, Entry, MemoryBlocks, Minute, Offset, Position, Record,
    Task, TaskTime, changelog, position_key,
};

use super::around::{Around, DEAD, changelog_of};
use super::chain::{Effect, chain, plain_key};
use super::defect::Defect;
use super::instance::Instance;
use super::kafka::Kafka;
use super::plan::{DAY, DETOUR_HOLD, Event, HOLD, Kind, LIMITS, OUTBOXES};
use super::repeats;

/// By how much task time may run ahead of an unread record where the client knows the broker a little late, and what
/// the promise of order leaves for it, in ms.
const MARGIN: i64 = 500;

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
    append: i64,
    pub(super) event: Event,
    pub(super) fate: Fate,
    /// How long it is held.
    hold: i64,
}

impl Truth {
    fn sort(&self) -> (i64, i64) {
        (self.event.time.min(self.due()), self.offset)
    }

    fn due(&self) -> i64 {
        self.append + self.hold
    }
}

/// The truth of all records of a partition.
fn truth_of(around: &Around, partition: usize) -> Vec<Truth> {
    let mut seen = HashSet::new();
    let mut detour_until = i64::MIN;
    let age = LIMITS.dedupe_retention - LIMITS.source_retention - DAY;
    let records = (0..).zip(&around.kafka.sources[partition]);
    records
        .map(|(offset, record)| {
            let (append, event) = (record.append, Event::decode(&record.value));
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
            Truth { partition, offset, append, event, fate, hold }
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
    order(around, &truth, &effects)?;
    replay(around, &truth, &effects)?;
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

/// Order as it is promised: a goes out before b if it sorts before it and was appended no later than b's hold, less
/// the margin, after b. A late record is one that came so much after another that sorts after it.
fn order(around: &Around, truth: &[Vec<Truth>], effects: &[Effect]) -> Result<(), String> {
    let margin = if around.settings.exact { 0 } else { MARGIN };
    let accepted: HashMap<u32, &Truth> = truth
        .iter()
        .flatten()
        .filter(|record| record.fate == Fate::Accepted)
        .map(|record| (record.event.id, record))
        .collect();
    for (conversation, ids) in by_conversation(effects) {
        let released: Vec<(&Truth, bool)> = ids.iter().map(|(id, late)| (accepted[id], *late)).collect();
        if released.first().is_some_and(|(record, _)| around.cut[record.partition]) {
            continue;
        }
        // At least once, `a` need not be marked late after a copy of `b` whose commit was cut off: nobody knew of that any
        // more. It must have come in time for the copy, which left at once if late, or with what was due before it.
        let left_at = |b: &Truth, late: bool| {
            if around.is_transactional() {
                return b.due();
            }
            let takes = |(c, _): &&(&Truth, bool)| c.sort() > b.sort() && c.due() > b.append;
            let due = released.iter().filter(takes).map(|(c, _)| c.due()).min();
            if late { b.append } else { due.map_or(b.due(), |due| due.min(b.due())) }
        };
        for (index, (a, late)) in released.iter().enumerate() {
            let waits = |b: &Truth, late: bool| a.sort() < b.sort() && a.append + margin < left_at(b, late);
            let comes_after = |b: &Truth| a.sort() < b.sort() && a.append + margin >= b.due();
            let before = &released[..index];
            if *late {
                if !before.iter().any(|(b, _)| comes_after(b)) {
                    return Err(format!(
                        "event {} of conversation {conversation} is marked late, without cause",
                        a.event.id
                    ));
                }
            } else if let Some((b, _)) = before.iter().find(|(b, late)| waits(b, *late)) {
                let (a, b) = (a.event.id, b.event.id);
                return Err(format!("event {a} of conversation {conversation} went out after event {b}"));
            }
        }
    }
    Ok(())
}

/// What each conversation released, in order: event and whether it was late.
fn by_conversation(effects: &[Effect]) -> BTreeMap<u8, Vec<(u32, bool)>> {
    let mut conversations: BTreeMap<u8, Vec<(u32, bool)>> = BTreeMap::new();
    for effect in effects {
        conversations.entry(effect.conversation).or_default().push((effect.id, effect.late));
    }
    conversations
}

/// A replay of the same log into a fresh group releases in the order of this run.
fn replay(around: &Around, truth: &[Vec<Truth>], effects: &[Effect]) -> Result<(), String> {
    let mut again = Vec::new();
    for (partition, source) in around.kafka.sources.iter().enumerate() {
        let (set, _) = DedupeSet::open(MemoryBlocks::default()).map_err(|fault| fault.to_string())?;
        let chain = chain(None, &around.known);
        let mut task = Task::new(chain, LIMITS, set, Position(0), Counts::default());
        for (offset, record) in (0..).zip(source) {
            task.process(&Record {
                offset: Offset(offset),
                append_time: AppendTime(record.append),
                key: b"",
                value: &record.value,
                headers: &[],
            })
            .map_err(|fault| fault.to_string())?;
        }
        task.advance(TaskTime(around.now + 2 * DETOUR_HOLD));
        let records = Around::records_of(partition, task.take_effects());
        again.extend(records.filter(|(log, _)| *log != DEAD).map(|(_, value)| Effect::decode(&value)));
    }
    let (live, again) = (by_conversation(effects), by_conversation(&again));
    let partition_of: HashMap<u8, usize> =
        truth.iter().flatten().map(|record| (record.event.conversation, record.partition)).collect();
    for (conversation, live) in live {
        if around.cut[partition_of[&conversation]] {
            continue;
        }
        let again = again.get(&conversation).map(Vec::as_slice).unwrap_or_default();
        if !around.settings.exact && !around.is_transactional() {
            // A copy whose commit was cut off may have left while something was unread. `order` judges that.
            continue;
        }
        if around.settings.exact {
            // Where time never ran over an unread record, nothing is late but what a replay finds late too.
            if !around.moved[partition_of[&conversation]] && live != again {
                return Err(format!(
                    "conversation {conversation}: a replay releases otherwise, or marks otherwise"
                ));
            }
            let late: HashSet<u32> = again.iter().filter(|(_, late)| *late).map(|(id, _)| *id).collect();
            if let Some((id, _)) = live.iter().find(|(id, is_late)| *is_late && !late.contains(id)) {
                return Err(format!("event {id} was late, and is not in a replay"));
            }
        }
        let late: HashSet<u32> =
            live.iter().chain(again).filter(|(_, late)| *late).map(|(id, _)| *id).collect();
        let in_order = |run: &[(u32, bool)]| -> Vec<u32> {
            run.iter().map(|(id, _)| *id).filter(|id| !late.contains(id)).collect()
        };
        if in_order(&live) != in_order(again) {
            return Err(format!("conversation {conversation}: a replay releases in another order"));
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
