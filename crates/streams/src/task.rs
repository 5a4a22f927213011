//! A task: one source partition, from raw records to effects and what to commit.
//!
//! The driver calls, in this order: [`Task::process`] for each record and [`Task::advance`] while the partition is at
//! its end; then [`Task::take_effects`], which it writes; then [`Task::commit`], whose entries, counts and position it
//! commits with them; then [`Task::committed`] once the transaction is known to have ended well.

use std::collections::VecDeque;

use crate::dedupe::KeyMap;
use crate::reorder::{Held, Reorder, SortKey};
use crate::window::Window;
use crate::{
    AppendTime, Blocks, Chain, Commit, Counts, DeadLetter, DedupeSet, Effects, Entry, EventTime, Millis,
    Minute, Offset, Position, Record, Released, StoreFault, TaskTime, position_key,
};

const DAY: Millis = 24 * 60 * 60 * 1000;

/// How far ahead of its arrival an event may claim to be, in ms.
const FUTURE: Millis = DAY;

/// What a task may remember and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long the dedupe set remembers an event, in ms.
    pub dedupe_retention: Millis,
    /// How long the source topic keeps a record, in ms: what a replay can bring back.
    pub source_retention: Millis,
    /// Reason code of a record that is older than the set can vouch for.
    pub too_old: &'static str,
    /// Reason code of a record that claims to be more than a day ahead of its arrival.
    pub too_far_in_future: &'static str,
}

impl Limits {
    /// How much older than its arrival an event may be: less than the retention by what a replay may be late.
    fn age(&self) -> Millis {
        self.dedupe_retention - self.source_retention - DAY
    }
}

/// One source partition.
pub struct Task<M, B> {
    chain: Chain<M>,
    limits: Limits,
    dedupe: DedupeSet<B>,
    reorder: Reorder<M>,
    window: Window,
    time: TaskTime,
    position: Position,
    last_append: AppendTime,
    /// Append time up to which records are held longer, since one before them took a detour.
    detour_until: i64,
    /// How long a record waits at most, in holds.
    longest_wait: i64,
    /// Keys of records that are held, or released but not committed.
    pending: KeyMap<Offset>,
    effects: Effects,
    entries: Vec<Entry>,
    counts: Counts,
    cutting: bool,
}

impl<M, B: Blocks> Task<M, B> {
    /// A task that starts to read at `position`, with everything that was committed before in `dedupe` and `counts`.
    pub fn new(
        chain: Chain<M>,
        limits: Limits,
        dedupe: DedupeSet<B>,
        position: Position,
        counts: Counts,
    ) -> Self {
        Self {
            // A record may wait for its hold, and `together` as long again.
            longest_wait: if chain.together { 2 } else { 1 },
            reorder: Reorder::new(chain.together),
            chain,
            limits,
            dedupe,
            window: Window::default(),
            time: TaskTime(i64::MIN),
            position,
            last_append: AppendTime(i64::MIN),
            detour_until: i64::MIN,
            pending: KeyMap::default(),
            effects: Effects::default(),
            entries: Vec::new(),
            counts,
            cutting: false,
        }
    }

    /// Takes a record in. What was due when it was received is released first; then it takes its place; then its
    /// append time moves the task's time, which releases what is due by that.
    ///
    /// # Errors
    /// If the state store fails: the task must be dropped and restored.
    pub fn process(&mut self, record: &Record<'_>) -> Result<(), StoreFault> {
        if Position::at(record.offset) < self.position {
            return Ok(());
        }
        self.position = record.offset.next();
        self.last_append = self.last_append.max(record.append_time);
        let hold = self.hold(record);
        self.take_in(record, hold)?;
        self.advance(TaskTime(record.append_time.0));
        Ok(())
    }

    fn take_in(&mut self, record: &Record<'_>, hold: Millis) -> Result<(), StoreFault> {
        let message = match (self.chain.parse)(record) {
            Ok(message) => message,
            Err((reason, detail)) => return self.dead(record, reason, detail),
        };
        if let Some(reason) = (self.chain.filter)(&message) {
            if self.finish_without_effect(record, |counts| &mut counts.filtered)? {
                *self.effects.filtered.entry(reason).or_default() += 1;
            }
            return Ok(());
        }
        let placed = (self.chain.place)(&message);
        if let Some((reason, detail)) = self.out_of_reach(placed.event_time, record.append_time) {
            return self.dead(record, reason, detail);
        }

        self.advance(TaskTime(placed.received.0.min(record.append_time.0)));
        let key = (self.chain.key)(&message);
        let minute = Minute::of(placed.event_time.0);
        let due = record.append_time.0 + hold;
        let time = placed.event_time.0.min(due);
        let sort = SortKey { time, sequence: placed.sequence, offset: record.offset };
        let known = match self.pending.get(&key) {
            Some(offset) => Some(*offset),
            None => self.dedupe.get(minute, key)?,
        };
        match known {
            Some(offset) if offset == record.offset => self.released_before(placed.conversation, sort, due),
            Some(_) => {
                self.finish_without_effect(record, |counts| &mut counts.duplicate)?;
            }
            None => {
                let held = Held {
                    sort,
                    due,
                    append_time: record.append_time,
                    event_time: placed.event_time,
                    key,
                    minute,
                    bytes: placed.bytes,
                    message,
                };
                self.accept(placed.conversation, held);
            }
        }
        Ok(())
    }

    /// Moves the task's time forward, never back, and releases what is due.
    pub fn advance(&mut self, to: TaskTime) {
        self.time = self.time.max(to);
        while let Some((conversation, mut released)) = self.reorder.pop_due(self.time) {
            while let Some(mut held) = released.pop_front() {
                self.prepare(conversation, &mut held, &released);
                self.release(held, 0);
            }
        }
        self.window.slide(self.time, self.longest_wait * self.chain.hold);
    }

    /// Frees memory at the hold bound: moves time to where the next held record leaves, or the next burst. Says whether
    /// any was held.
    pub fn cut_hold(&mut self) -> bool {
        let held = self.reorder.len();
        self.cutting = true;
        // A record that is due may yet wait for others of its burst: each turn one more is due, so this ends.
        while self.reorder.len() == held
            && let Some(due) = self.reorder.next_due()
        {
            self.advance(TaskTime(due));
        }
        self.cutting = false;
        self.reorder.len() < held
    }

    /// Takes what must be written with the next commit.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// What to commit, once the effects taken so far are written.
    #[must_use]
    pub fn commit(&self) -> Commit<'_> {
        Commit {
            position: self.window.committable(self.position),
            entries: &self.entries,
            counts: self.counts,
        }
    }

    /// The transaction ended well: what it held is now in the set.
    ///
    /// # Errors
    /// If the state store fails: the task must be dropped and restored.
    pub fn committed(&mut self) -> Result<(), StoreFault> {
        for entry in std::mem::take(&mut self.entries) {
            self.pending.remove(&entry.key);
            self.dedupe.insert(entry)?;
        }
        if self.last_append.0 > i64::MIN {
            self.dedupe.expire(Minute::of(self.last_append.0 - self.limits.dedupe_retention))?;
        }
        Ok(())
    }

    /// The dedupe set, to be written back from time to time.
    pub fn dedupe(&mut self) -> &mut DedupeSet<B> {
        &mut self.dedupe
    }

    /// The task's time; `None` before its first record.
    #[must_use]
    pub fn time(&self) -> Option<TaskTime> {
        (self.time.0 > i64::MIN).then_some(self.time)
    }

    /// The position after the last record read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Messages in the reorder buffer.
    #[must_use]
    pub fn held(&self) -> usize {
        self.reorder.len()
    }

    /// Bytes in the reorder buffer.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.reorder.bytes()
    }

    /// How the records have ended so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Gives the state store back.
    #[must_use]
    pub fn into_dedupe(self) -> DedupeSet<B> {
        self.dedupe
    }

    /// How long a record is held: a function of what was read up to it, so that a replay holds as the live run did. The
    /// first that took a detour makes those wait that are held: what a spool has may sort before them, and its append
    /// time is that of its end.
    fn hold(&mut self, record: &Record<'_>) -> Millis {
        let Some(detour) = &self.chain.detour else { return self.chain.hold };
        let long = detour.hold.max(self.chain.hold);
        if (detour.took)(record) {
            if self.detour_until < record.append_time.0 {
                self.reorder.postpone(record.append_time.0 + long, long);
            }
            self.detour_until = self.detour_until.max(record.append_time.0 + long);
            // After a restart this record must say the same to all that are then read, as long as one of them is held.
            // For their marks it is known until the last of them, appended one hold after it, may have left in any run.
            self.window.keep(record.offset, record.append_time.0 + (1 + self.longest_wait) * long);
        }
        if record.append_time.0 > self.detour_until {
            return self.chain.hold;
        }
        self.window.longer(record.offset);
        long
    }

    fn accept(&mut self, conversation: u128, held: Held<M>) {
        self.window.enter(held.sort.offset);
        self.pending.insert(held.key, held.sort.offset);
        if let Some(late_by) = self.reorder.lateness(conversation, held.sort, held.append_time) {
            self.counts.late += 1;
            let mut held = held;
            self.prepare(conversation, &mut held, &VecDeque::new());
            self.release(held, late_by);
        } else {
            self.reorder.hold(conversation, held);
            self.advance(self.time);
        }
    }

    /// Shows a message that leaves what comes behind it: what leaves with it, then what is held.
    fn prepare(&mut self, conversation: u128, leaving: &mut Held<M>, with_it: &VecDeque<Held<M>>) {
        if let Some(prepare) = &mut self.chain.prepare {
            // Looked up only by who asks for it: few messages do.
            let held = std::iter::once_with(|| self.reorder.held(conversation)).flatten();
            let mut behind = with_it.iter().chain(held).map(|held| &held.message);
            prepare(&mut leaving.message, leaving.append_time, &mut behind);
        }
    }

    fn release(&mut self, held: Held<M>, late_by: Millis) {
        self.counts.released += 1;
        if self.cutting {
            self.counts.hold_cut += 1;
        }
        let Held { sort, append_time, event_time, key, minute, mut message, .. } = held;
        // A late one may leave before its own append time has moved the task's.
        self.window.release(sort.offset, self.time.max(TaskTime(append_time.0)));
        self.entries.push(Entry { minute, key, offset: sort.offset });
        (self.chain.identify)(&mut message, &mut self.effects.outputs);
        let released = Released { message, offset: sort.offset, append_time, event_time, late_by };
        (self.chain.map)(released, &mut self.effects.outputs);
    }

    /// A record that was released before a restart: its effect stands, only what it tells about order is taken up.
    fn released_before(&mut self, conversation: u128, sort: SortKey, due: i64) {
        self.window.enter(sort.offset);
        self.window.release(sort.offset, TaskTime(due));
        self.reorder.passed(conversation, sort, due, self.time);
    }

    fn dead(&mut self, record: &Record<'_>, reason: &'static str, detail: String) -> Result<(), StoreFault> {
        if self.finish_without_effect(record, |counts| &mut counts.dead)? {
            self.effects.dead.push(DeadLetter { record: record.to_owned(), reason, detail });
        }
        Ok(())
    }

    /// Ends a record that is not released. `false` where it had already ended so before a restart.
    fn finish_without_effect(
        &mut self,
        record: &Record<'_>,
        count: impl FnOnce(&mut Counts) -> &mut u64,
    ) -> Result<bool, StoreFault> {
        let minute = Minute::of(record.append_time.0);
        let key = position_key(record.offset);
        if self.dedupe.get(minute, key)?.is_some() {
            return Ok(false);
        }
        *count(&mut self.counts) += 1;
        self.entries.push(Entry { minute, key, offset: record.offset });
        Ok(true)
    }

    /// Too old, or too far ahead, by the record's own append time: a replay judges as the live run did.
    fn out_of_reach(&self, event: EventTime, append: AppendTime) -> Option<(&'static str, String)> {
        let age = append.0 - event.0;
        if age > self.limits.age() {
            let detail =
                format!("the event is {age} ms older than its arrival; at most {} ms", self.limits.age());
            Some((self.limits.too_old, detail))
        } else if -age > FUTURE {
            let detail = format!("the event's time is {} ms ahead of its arrival; at most {FUTURE} ms", -age);
            Some((self.limits.too_far_in_future, detail))
        } else {
            None
        }
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
