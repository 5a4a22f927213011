//! Where a conversation's burst leaves in one go: what every task did, and whether bursts left whole and in time.

use std::collections::{BTreeMap, HashMap};

use streams::{Effects, Position, Task};

use super::around::Around;
use super::chain::{Effect, Message};
use super::check::Truth;
use super::disk::Disk;
use super::kafka::SourceRecord;
use super::plan::{DETOUR_HOLD, Event, HOLD};

/// A call of a task.
pub(super) struct Step {
    /// Which of all tasks.
    pub(super) task: usize,
    pub(super) partition: usize,
    /// The offset of the record that was read in it.
    pub(super) read: Option<i64>,
    /// Stream time before and after it.
    pub(super) from: i64,
    pub(super) to: i64,
    /// What left in it.
    pub(super) left: Vec<Effect>,
}

/// What is noted of the steps of one task.
pub(super) struct Notes {
    task: usize,
    /// Stream time, and how many records were held, before the step that it is in.
    before: (i64, usize),
    now: i64,
    /// What was held, and when it left: for the defect that reads too little again.
    held: Vec<(i64, Option<i64>)>,
}

impl Notes {
    pub(super) fn of(task: usize) -> Self {
        Self { task, before: (i64::MIN, 0), now: i64::MIN, held: Vec::new() }
    }

    /// A step begins.
    pub(super) fn begin(&mut self, task: &Task<Message, Disk>) {
        self.before = (self.now, task.held());
    }

    /// A step ends, in which a record was `read`, or none. Time is never ahead of the clock, but where a hold was cut.
    pub(super) fn end(
        &mut self,
        around: &mut Around,
        partition: usize,
        task: &Task<Message, Disk>,
        read: Option<i64>,
        effects: &Effects,
    ) {
        let (from, held) = self.before;
        self.now = task.time().map_or(i64::MIN, |time| time.0);
        if self.now > around.now && !around.cut[partition] {
            let ahead = self.now - around.now;
            let complaint = format!("time of partition {partition} is {ahead} ms ahead of the clock");
            around.complaint = Some(complaint);
        }
        if !around.settings.together {
            return;
        }
        let left: Vec<Effect> = effects.outputs.iter().map(|output| Effect::decode(&output.value)).collect();
        if let Some(offset) = read
            && task.held() + left.len() > held
        {
            self.held.push((offset, None));
        }
        for (offset, leaves) in &mut self.held {
            if left.iter().any(|effect| effect.offset == *offset) {
                *leaves = Some(self.now);
            }
        }
        around.steps.push(Step { task: self.task, partition, read, from, to: self.now, left });
    }

    /// For the defect that reads too little again: where to go back to, from `position` on and no further than `end`.
    pub(super) fn kept_too_short(
        &self,
        source: &[SourceRecord],
        position: Position,
        end: Position,
    ) -> Position {
        let is_held = |offset: i64| {
            let mut slots = self.held.iter().filter(|(held, _)| *held == offset);
            slots.any(|(_, left)| left.is_none_or(|left| left + HOLD > self.now))
        };
        let is_kept = |offset: &i64| {
            let record = &source[usize::try_from(*offset).expect("a position")];
            is_held(*offset) || Event::decode(&record.value).spooled
        };
        (position.0..end.0).find(is_kept).map_or(end, Position)
    }
}

/// What one task did, in order.
struct Life<'a> {
    steps: Vec<&'a Step>,
    truth: &'a [Truth],
    /// Whether its hold was cut.
    cut: bool,
    /// The step in which each record was read.
    read: HashMap<i64, usize>,
    /// The step in which each record left that had been held.
    left: HashMap<i64, usize>,
}

/// No record is held once it has reached its bound, none leaves before its hold is over but with another that it sorts
/// before, and none of a conversation leaves without all of it that is held, unless one has reached its bound.
pub(super) fn check(around: &Around, truth: &[Vec<Truth>]) -> Result<(), String> {
    let mut tasks: BTreeMap<usize, Vec<&Step>> = BTreeMap::new();
    for step in &around.steps {
        tasks.entry(step.task).or_default().push(step);
    }
    for steps in tasks.into_values() {
        let partition = steps[0].partition;
        Life::new(steps, &truth[partition], around.cut[partition]).check()?;
    }
    Ok(())
}

impl<'a> Life<'a> {
    fn new(steps: Vec<&'a Step>, truth: &'a [Truth], cut: bool) -> Self {
        let (mut read, mut left) = (HashMap::new(), HashMap::new());
        for (index, step) in steps.iter().enumerate() {
            read.extend(step.read.map(|offset| (offset, index)));
            left.extend(step.left.iter().filter(|effect| !effect.late).map(|effect| (effect.offset, index)));
        }
        Self { steps, truth, cut, read, left }
    }

    fn check(&self) -> Result<(), String> {
        for (index, step) in self.steps.iter().enumerate() {
            let mut conversations: BTreeMap<u8, Vec<&Truth>> = BTreeMap::new();
            for effect in step.left.iter().filter(|effect| !effect.late) {
                conversations.entry(effect.conversation).or_default().push(self.record(effect.offset));
            }
            for (conversation, leaving) in conversations {
                self.in_time(index, &leaving)?;
                if !self.cut {
                    self.in_one_go(index, conversation, &leaving)?;
                }
            }
        }
        Ok(())
    }

    fn record(&self, offset: i64) -> &'a Truth {
        &self.truth[usize::try_from(offset).expect("an offset")]
    }

    fn in_time(&self, index: usize, leaving: &[&Truth]) -> Result<(), String> {
        let Step { from, to, .. } = *self.steps[index];
        for record in leaving {
            let id = record.event.id;
            let (_, bound) = self.due_and_bound(record, index);
            // After a hold was cut, time may be beyond the bound of what is only then read.
            let was_held = self.read.get(&record.offset).is_some_and(|read| *read < index);
            if was_held && bound <= from {
                return Err(format!(
                    "event {id} was held beyond twice its hold, by {} ms or more",
                    from - bound
                ));
            }
            let is_due =
                |other: &&Truth| other.sort() >= record.sort() && self.due_and_bound(other, index).0 <= to;
            if !self.cut && !leaving.iter().any(is_due) {
                return Err(format!("event {id} left before its hold was over"));
            }
        }
        Ok(())
    }

    fn in_one_go(&self, index: usize, conversation: u8, leaving: &[&Truth]) -> Result<(), String> {
        let Step { to, .. } = *self.steps[index];
        let is_at_bound = |record: &&Truth| self.due_and_bound(record, index).1 <= to;
        if leaving.iter().any(is_at_bound) {
            return Ok(());
        }
        let stays = |record: &&Truth| {
            let was_read = self.read.get(&record.offset).is_some_and(|read| *read < index);
            let leaves = self.left.get(&record.offset).is_some_and(|left| *left > index);
            record.event.conversation == conversation && was_read && leaves
        };
        match self.truth.iter().find(stays) {
            Some(record) => {
                let (left, stays) = (leaving[0].event.id, record.event.id);
                Err(format!("event {left} left without event {stays} of its burst, before its bound"))
            }
            None => Ok(()),
        }
    }

    /// When a record is due in this task, and how long it waits at most, as far as was known at a step: what was not yet
    /// due when the first came out of a spool waits for that, and for others as long again.
    fn due_and_bound(&self, record: &Truth, index: usize) -> (i64, i64) {
        let (mut due, mut hold) = (record.due(), record.hold);
        let after = self.truth.iter().skip_while(|first| first.offset <= record.offset);
        for first in after.filter(|first| first.begins) {
            let Some(read) = self.read.get(&first.offset).filter(|read| **read <= index) else { continue };
            let until = first.append + DETOUR_HOLD;
            if self.steps[*read].from < due && due < until {
                (due, hold) = (until, DETOUR_HOLD);
            }
        }
        (due, due + hold)
    }
}
