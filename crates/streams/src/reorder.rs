//! The reorder buffer: each conversation leaves in order of event time, after a hold that is counted in task time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::burst::Bursts;
use crate::dedupe::KeyMap;
use crate::{AppendTime, EventTime, Millis, Minute, Offset, TaskTime};

/// How long it counts what a conversation has released: for records appended so much after it was due, in ms.
const REMEMBERED: Millis = 10 * 60 * 1000;

/// How long, at least, it is kept what a conversation has released, in ms of task time: longer than it counts, by more
/// than any hold, since after a restart it is known one hold before it was due.
const GENERATION: Millis = REMEMBERED + 60 * 1000;

/// Where a message stands in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SortKey {
    /// The event time, but no later than append time + hold: one event from the future delays nobody.
    pub(crate) time: i64,
    pub(crate) sequence: u64,
    pub(crate) offset: Offset,
}

/// A message in the buffer.
pub(crate) struct Held<M> {
    pub(crate) sort: SortKey,
    /// Task time at which it leaves, unless that was postponed.
    pub(crate) due: i64,
    pub(crate) append_time: AppendTime,
    pub(crate) event_time: EventTime,
    pub(crate) key: u128,
    pub(crate) minute: Minute,
    pub(crate) bytes: usize,
    pub(crate) message: M,
}

/// When a record is due, and where it then is. Ordered by due time, then offset.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    due: i64,
    offset: Offset,
    sort: SortKey,
    conversation: u128,
    /// How long it then waits for others at most, in ms.
    hold: Millis,
}

/// The buffer of one task.
pub(crate) struct Reorder<M> {
    /// Held messages by conversation, sorted.
    held: KeyMap<VecDeque<Held<M>>>,
    due: BinaryHeap<Reverse<Due>>,
    /// Where a conversation's burst leaves in one go.
    bursts: Option<Bursts>,
    frontier: Frontier,
    bytes: usize,
    count: usize,
}

impl<M> Reorder<M> {
    pub(crate) fn new(together: bool) -> Self {
        Self {
            held: KeyMap::default(),
            due: BinaryHeap::new(),
            bursts: together.then(Bursts::default),
            frontier: Frontier::default(),
            bytes: 0,
            count: 0,
        }
    }

    /// By how much a message that sorts at `sort` comes after one that has left already; `None` if it does not. Whether
    /// that still counts depends on append times alone, so that a replay judges as the live run did.
    pub(crate) fn lateness(&self, conversation: u128, sort: SortKey, append: AppendTime) -> Option<Millis> {
        let Left { sort: released, due } = self.frontier.get(conversation)?;
        (sort < released && append.0 <= due + REMEMBERED).then_some(released.time - sort.time)
    }

    /// Holds a message until it is due.
    pub(crate) fn hold(&mut self, conversation: u128, held: Held<M>) {
        self.bytes += held.bytes;
        self.count += 1;
        self.due.push(Reverse(Due {
            due: held.due,
            offset: held.sort.offset,
            sort: held.sort,
            conversation,
            hold: held.due - held.append_time.0,
        }));
        let queue = self.held.entry(conversation).or_default();
        let place = queue.partition_point(|other| other.sort < held.sort);
        queue.insert(place, held);
    }

    /// Notes that a message has left, which was due at `due`: what sorts before it from now on is late.
    pub(crate) fn passed(&mut self, conversation: u128, sort: SortKey, due: i64, now: TaskTime) {
        self.frontier.pass(conversation, Left { sort, due }, now);
    }

    /// Lets nothing that is held be due before `until`, nor what then waits for others wait longer than `long`. What is
    /// due already, and waits, stays so: otherwise it could be put off again and again.
    pub(crate) fn postpone(&mut self, until: i64, long: Millis) {
        let held = std::mem::take(&mut self.due).into_iter();
        let later = |Reverse(due): Reverse<Due>| {
            Reverse(if due.due < until { Due { due: until, hold: long, ..due } } else { due })
        };
        self.due = held.map(later).collect();
    }

    /// Takes out the record that is due the longest, with all of its conversation that sort before it, if any is due
    /// at `now`; or the burst that leaves next, if it does by then. They come in order, with their conversation.
    pub(crate) fn pop_due(&mut self, now: TaskTime) -> Option<(u128, VecDeque<Held<M>>)> {
        if self.bursts.is_some() {
            return self.pop_burst(now);
        }
        while self.due.peek().is_some_and(|Reverse(next)| next.due <= now.0) {
            let Reverse(next) = self.due.pop().expect("peeked");
            let Some(queue) = self.held.get_mut(&next.conversation) else { continue };
            let Ok(index) = queue.binary_search_by_key(&next.sort, |held| held.sort) else { continue };
            let released = if index + 1 == queue.len() {
                self.held.remove(&next.conversation).expect("found above")
            } else {
                queue.drain(..=index).collect()
            };
            self.left(next.conversation, &released, now);
            return Some((next.conversation, released));
        }
        None
    }

    fn pop_burst(&mut self, now: TaskTime) -> Option<(u128, VecDeque<Held<M>>)> {
        let bursts = self.bursts.as_mut()?;
        let (conversation, last) = loop {
            let next = self.due.peek().map(|Reverse(next)| next.due).filter(|due| *due <= now.0);
            // What is due at the time of a bound leaves with it.
            if let Some(burst) = bursts.pop_bound(next.unwrap_or(now.0.saturating_add(1))) {
                break burst;
            }
            next?;
            let Reverse(Due { due, sort, conversation, hold, .. }) = self.due.pop().expect("peeked");
            let Some(queue) = self.held.get(&conversation) else { continue };
            if queue.binary_search_by_key(&sort, |held| held.sort).is_ok()
                && let Some(last) = bursts.due(conversation, sort, due + hold, queue.len())
            {
                break (conversation, last);
            }
        };
        let queue = self.held.get_mut(&conversation).expect("what is due is held until its burst leaves");
        let end = queue.partition_point(|held| held.sort <= last);
        let released = if end == queue.len() {
            self.held.remove(&conversation).expect("found above")
        } else {
            queue.drain(..end).collect()
        };
        self.left(conversation, &released, now);
        Some((conversation, released))
    }

    /// Notes that messages have left, in order: at least one, the last of which was due.
    fn left(&mut self, conversation: u128, released: &VecDeque<Held<M>>, now: TaskTime) {
        for held in released {
            self.bytes -= held.bytes;
            self.count -= 1;
        }
        // By its own due time, which a restart knows too.
        let Held { sort, due, .. } = released.back().expect("at least the one that was due");
        self.passed(conversation, *sort, *due, now);
    }

    /// What is held of a conversation, in order.
    pub(crate) fn held(&self, conversation: u128) -> impl Iterator<Item = &Held<M>> {
        self.held.get(&conversation).into_iter().flatten()
    }

    /// Task time at which the next held record is due, or a burst reaches its bound.
    pub(crate) fn next_due(&mut self) -> Option<i64> {
        let bound = self.bursts.as_mut().and_then(Bursts::next_bound);
        while let Some(Reverse(next)) = self.due.peek() {
            let queue = self.held.get(&next.conversation);
            if queue.is_some_and(|queue| queue.binary_search_by_key(&next.sort, |held| held.sort).is_ok()) {
                return Some(bound.map_or(next.due, |bound| bound.min(next.due)));
            }
            self.due.pop();
        }
        // Of a burst that waits at least one record is not due.
        None
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

/// The message of a conversation that has left and sorts last.
#[derive(Clone, Copy)]
struct Left {
    sort: SortKey,
    due: i64,
}

/// What each conversation has released last, in two generations, so that forgetting costs nothing.
#[derive(Default)]
struct Frontier {
    current: KeyMap<Left>,
    previous: KeyMap<Left>,
    generation: i64,
}

impl Frontier {
    fn get(&self, conversation: u128) -> Option<Left> {
        self.current.get(&conversation).or_else(|| self.previous.get(&conversation)).copied()
    }

    fn pass(&mut self, conversation: u128, left: Left, now: TaskTime) {
        let generation = now.0.div_euclid(GENERATION);
        if generation > self.generation {
            let last = std::mem::take(&mut self.current);
            self.previous = if generation == self.generation + 1 { last } else { KeyMap::default() };
            self.generation = generation;
        }
        let counts = |before: &Left| before.sort >= left.sort && left.due <= before.due + REMEMBERED;
        let reached = self.get(conversation).filter(counts).unwrap_or(left);
        self.current.insert(conversation, reached);
    }
}
