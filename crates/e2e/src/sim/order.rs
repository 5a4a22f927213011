//! Order as it is promised, and whether a replay releases as the live run did, told from the source records alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use streams::{Counts, DedupeSet, MemoryBlocks, Position, StoreFault, Task, TaskTime};

use super::around::{Around, DEAD};
use super::chain::{Effect, chain};
use super::check::{Fate, Truth};
use super::plan::{DETOUR_HOLD, LIMITS, RETURNED};

/// By how much task time may run ahead of an unread record where the client knows the broker a little late, and what
/// the promise of order leaves for it, in ms.
const MARGIN: i64 = 500;

/// Between what times something happens. A live run and its replay may differ in it: at the end of a partition a live
/// run has a clock.
#[derive(Clone, Copy)]
struct Span {
    least: i64,
    most: i64,
}

/// What a run is judged by.
pub(super) struct Judge<'a> {
    around: &'a Around,
    /// The accepted records of each partition.
    accepted: Vec<Vec<&'a Truth>>,
    /// The records of each partition that made wait what was held.
    begins: Vec<Vec<&'a Truth>>,
    /// Partitions of which nothing came out of a spool, nor was long on its way: with an exact client, what leaves when
    /// is told by append times alone.
    plain: Vec<bool>,
    margin: i64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(around: &'a Around, truth: &'a [Vec<Truth>]) -> Self {
        let select = |which: fn(&&Truth) -> bool| -> Vec<Vec<&Truth>> {
            truth.iter().map(|records| records.iter().filter(which).collect()).collect()
        };
        let accepted = select(|record| record.fate == Fate::Accepted);
        let begins = select(|record| record.begins);
        let is_plain = |records: &Vec<Truth>| records.iter().all(|record| record.event.received.is_none());
        let plain = truth.iter().map(is_plain).collect();
        Self { around, accepted, begins, plain, margin: if around.settings.exact { 0 } else { MARGIN } }
    }

    fn by_id(&self) -> HashMap<u32, &'a Truth> {
        self.accepted.iter().flatten().map(|record| (record.event.id, *record)).collect()
    }

    /// Task time when a record is read.
    fn read_at(&self, record: &Truth) -> Span {
        let Truth { append, before, .. } = *record;
        let most = match self.around.settings.away {
            // Time stood still from then on, but for what records moved it.
            Some((from, back)) if from <= append && append < back + RETURNED => {
                before.max(from + self.margin)
            }
            _ => append + self.margin,
        };
        Span { least: before, most }
    }

    /// Task time when a record takes its place.
    fn placed_at(&self, record: &Truth) -> Span {
        let received = record.event.received.unwrap_or(record.append).min(record.append);
        let Span { least, most } = self.read_at(record);
        Span { least: least.max(received), most: most.max(received) }
    }

    /// Task time at which a message leaves by itself, as far as `seen_from` can tell.
    fn leaves(&self, record: &Truth, seen_from: &Truth) -> Span {
        let Span { mut least, mut most } = Span { least: record.due(), most: record.due() };
        let between = |first: &&&Truth| record.offset < first.offset && first.offset <= seen_from.offset;
        for first in self.begins[record.partition].iter().filter(between) {
            let read = self.read_at(first);
            let postponed = first.append + DETOUR_HOLD;
            if read.most < least {
                least = least.max(postponed);
            }
            if read.least < most {
                most = most.max(postponed);
            }
        }
        if self.around.settings.together {
            // It may wait for others as long again.
            most += if most > record.due() { DETOUR_HOLD } else { record.hold };
        }
        Span { least, most }
    }

    /// A goes out before b if it sorts before it and has its place before b may leave. A late record is one that sorts
    /// before another which may have left.
    pub(super) fn order(&self, effects: &[Effect]) -> Result<(), String> {
        let around = self.around;
        let accepted = self.by_id();
        for (conversation, ids) in by_conversation(effects) {
            let released: Vec<(&Truth, bool)> = ids.iter().map(|(id, late)| (accepted[id], *late)).collect();
            if released.first().is_some_and(|(record, _)| around.cut[record.partition]) {
                continue;
            }
            // When `b` left, at the earliest, as far as `a` must know of it: by itself, or with another that it sorts
            // before; a late one at once.
            let left_at = |b: &Truth, late: bool, a: &Truth| {
                let takes = |(c, _): &&(&Truth, bool)| {
                    c.sort() > b.sort() && self.leaves(c, b).most > self.placed_at(b).least
                };
                let taken = released.iter().filter(takes).map(|(c, _)| self.leaves(c, b).least).min();
                let by_itself = self.leaves(b, a).least;
                let left =
                    if late { b.append } else { taken.map_or(by_itself, |taken| taken.min(by_itself)) };
                // In a transaction what has left is remembered for as long as a record may wait. At least once, `a`
                // need not be marked late after a copy of `b` whose commit was cut off: nobody knew of that any more. It
                // must have come in time for the copy.
                let known = if around.settings.together { b.bound() } else { b.due() };
                if around.is_transactional() { left.max(known) } else { left }
            };
            for (index, (a, late)) in released.iter().enumerate() {
                let placed = self.placed_at(a).most;
                let waits = |b: &Truth, late: bool| a.sort() < b.sort() && placed < left_at(b, late, a);
                let comes_after = |b: &Truth| a.sort() < b.sort() && placed >= self.leaves(b, a).least;
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

    /// The events of which only the clock of a live run tells whether they are late: they were received, or came out of
    /// a spool, before others of which it is open whether they had left.
    fn open(&self, partition: usize) -> HashSet<u32> {
        if self.is_determined(partition) {
            return HashSet::new();
        }
        let records = &self.accepted[partition];
        let is_open = |(at, b): &(usize, &&Truth)| {
            let placed = self.placed_at(b);
            records[..*at].iter().any(|a| {
                let leaves = self.leaves(a, b);
                let sorts_before = a.event.conversation == b.event.conversation && b.sort() < a.sort();
                sorts_before && leaves.least <= placed.most && placed.least < leaves.most
            })
        };
        records.iter().enumerate().filter(is_open).map(|(_, b)| b.event.id).collect()
    }

    /// Whether append times alone tell when each burst of a partition leaves.
    fn is_determined(&self, partition: usize) -> bool {
        self.around.settings.together && self.around.settings.exact && self.plain[partition]
    }

    /// The offset of the first record of a conversation that is late in a replay, and was not after a restart, which did
    /// not know any more what had left: it was held, a burst waited for it, and others after it ended elsewhere.
    fn forgotten(&self, partition: usize, live: &[&(u32, bool)], late: &HashSet<u32>) -> i64 {
        if !self.is_determined(partition) || !self.around.moved[partition] {
            return i64::MAX;
        }
        let on_time: HashSet<u32> = live.iter().filter(|(_, late)| !*late).map(|(id, _)| *id).collect();
        let is_forgotten =
            |record: &&&Truth| late.contains(&record.event.id) && on_time.contains(&record.event.id);
        let first = self.accepted[partition].iter().find(is_forgotten);
        first.map_or(i64::MAX, |record| record.offset)
    }

    /// A replay of the same log into a fresh group releases in the order of this run.
    pub(super) fn replay(&self, effects: &[Effect]) -> Result<(), String> {
        let around = self.around;
        let accepted = self.by_id();
        let again = replayed(around).map_err(|fault| fault.to_string())?;
        let (live, again) = (by_conversation(effects), by_conversation(&again));
        for (conversation, live) in live {
            let partition = usize::from(conversation) % around.settings.partitions;
            if around.cut[partition] {
                continue;
            }
            let again = again.get(&conversation).map(Vec::as_slice).unwrap_or_default();
            if !around.settings.exact && !around.is_transactional() {
                // A copy whose commit was cut off may have left while something was unread. `order` judges that.
                continue;
            }
            let open = self.open(partition);
            let is_sure = |(id, _): &&(u32, bool)| !open.contains(id);
            if around.settings.exact {
                // Where time never ran over an unread record, nothing is late but what a replay finds late too.
                let (live, again): (Vec<_>, Vec<_>) =
                    (live.iter().filter(is_sure).collect(), again.iter().filter(is_sure).collect());
                if !around.moved[partition] && live != again {
                    return Err(format!(
                        "conversation {conversation}: a replay releases otherwise, or marks otherwise"
                    ));
                }
                let late: HashSet<u32> = again.iter().filter(|(_, late)| *late).map(|(id, _)| *id).collect();
                let forgotten = self.forgotten(partition, &live, &late);
                let is_judged = |id: &u32| accepted[id].offset < forgotten;
                let only_live =
                    |(id, is_late): &&&(u32, bool)| *is_late && !late.contains(id) && is_judged(id);
                if let Some((id, _)) = live.iter().find(only_live) {
                    return Err(format!("event {id} was late, and is not in a replay"));
                }
            }
            let late: HashSet<u32> =
                live.iter().chain(again).filter(|(_, late)| *late).map(|(id, _)| *id).collect();
            let in_order = |run: &[(u32, bool)]| -> Vec<u32> {
                run.iter().filter(is_sure).map(|(id, _)| *id).filter(|id| !late.contains(id)).collect()
            };
            if in_order(&live) != in_order(again) {
                return Err(format!("conversation {conversation}: a replay releases in another order"));
            }
        }
        Ok(())
    }
}

/// What each conversation released, in order: event and whether it was late.
fn by_conversation(effects: &[Effect]) -> BTreeMap<u8, Vec<(u32, bool)>> {
    let mut conversations: BTreeMap<u8, Vec<(u32, bool)>> = BTreeMap::new();
    for effect in effects {
        conversations.entry(effect.conversation).or_default().push((effect.id, effect.late));
    }
    conversations
}

/// The effects of reading all of it anew, as fast as it goes, with nothing known.
fn replayed(around: &Around) -> Result<Vec<Effect>, StoreFault> {
    let mut again = Vec::new();
    for (partition, source) in around.kafka.sources.iter().enumerate() {
        let (set, _) = DedupeSet::open(MemoryBlocks::default())?;
        let chain = chain(around.settings.together, None, &around.known);
        let mut task = Task::new(chain, LIMITS, set, Position(0), Counts::default());
        for (offset, record) in (0..).zip(source) {
            task.process(&record.at(offset))?;
        }
        task.advance(TaskTime(around.now + 2 * DETOUR_HOLD));
        let records = Around::records_of(partition, task.take_effects());
        again.extend(records.filter(|(log, _)| *log != DEAD).map(|(_, value)| Effect::decode(&value)));
    }
    Ok(again)
}
