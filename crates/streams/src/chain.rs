//! A chain: what is done to each record of a source, step by step, in one expression.
//!
//! Everything that can fail does so in `parse`, before the record takes a place in the order; the later steps are
//! total. Dedupe and reorder are the task's own work: the chain only says by which key and in which order.

use crate::{AppendTime, EventTime, Millis, Output, ReceiptTime, Record, Released};

/// Where a message belongs: in which conversation, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// A hash of the conversation's key: order holds among equal ones.
    pub conversation: u128,
    /// When it happened, by the platform.
    pub event_time: EventTime,
    /// When it was taken in: what was due by then leaves before it, what was not waits until it has its place, however
    /// long it was on its way into the log.
    pub received: ReceiptTime,
    /// The platform's own sequence within one millisecond; 0 where it has none.
    pub sequence: u64,
    /// What holding the message costs, in bytes.
    pub bytes: usize,
}

type Parse<M> = Box<dyn Fn(&Record<'_>) -> Result<M, (&'static str, String)> + Send>;
type Filter<M> = Box<dyn Fn(&M) -> Option<&'static str> + Send>;
type Key<M> = Box<dyn Fn(&M) -> u128 + Send>;
type Place<M> = Box<dyn Fn(&M) -> Placed + Send>;
type Prepare<M> = Box<dyn FnMut(&mut M, AppendTime, &mut dyn Iterator<Item = &M>) + Send>;
type Identify<M> = Box<dyn FnMut(&mut M, &mut Vec<Output>) + Send>;
type Map<M> = Box<dyn FnMut(Released<M>, &mut Vec<Output>) + Send>;

/// Which records come after a detour, and how long the partition then holds.
pub(crate) struct Detour {
    pub(crate) took: Box<dyn Fn(&Record<'_>) -> bool + Send>,
    pub(crate) hold: Millis,
}

/// The steps from a raw record to outbox records.
pub struct Chain<M> {
    pub(crate) parse: Parse<M>,
    pub(crate) filter: Filter<M>,
    pub(crate) key: Key<M>,
    pub(crate) hold: Millis,
    pub(crate) together: bool,
    pub(crate) detour: Option<Detour>,
    pub(crate) place: Place<M>,
    pub(crate) prepare: Option<Prepare<M>>,
    pub(crate) identify: Identify<M>,
    pub(crate) map: Map<M>,
}

impl<M> Chain<M> {
    /// Starts a chain: `parse` reads the record, or says why it cannot (a reason code and a detail without payload).
    pub fn parse(
        parse: impl Fn(&Record<'_>) -> Result<M, (&'static str, String)> + Send + 'static,
    ) -> ChainBuilder<M> {
        ChainBuilder {
            parse: Box::new(parse),
            filter: Box::new(|_| None),
            key: Box::new(|_| 0),
            hold: 0,
            together: false,
            detour: None,
            place: None,
            prepare: None,
            identify: Box::new(|_, _| {}),
        }
    }
}

/// A chain that still lacks its last step.
pub struct ChainBuilder<M> {
    parse: Parse<M>,
    filter: Filter<M>,
    key: Key<M>,
    hold: Millis,
    together: bool,
    detour: Option<Detour>,
    place: Option<Place<M>>,
    prepare: Option<Prepare<M>>,
    identify: Identify<M>,
}

impl<M> ChainBuilder<M> {
    /// Drops, and counts, each message for which `filter` gives a reason code.
    #[must_use]
    pub fn filter(mut self, filter: impl Fn(&M) -> Option<&'static str> + Send + 'static) -> Self {
        self.filter = Box::new(filter);
        self
    }

    /// Lets each key through once: a 128-bit hash of what makes two records the same event.
    #[must_use]
    pub fn dedupe(mut self, key: impl Fn(&M) -> u128 + Send + 'static) -> Self {
        self.key = Box::new(key);
        self
    }

    /// Holds each message for `hold` ms after its append time and lets each conversation leave in order.
    #[must_use]
    pub fn reorder(mut self, hold: Millis, place: impl Fn(&M) -> Placed + Send + 'static) -> Self {
        self.hold = hold;
        self.place = Some(Box::new(place));
        self
    }

    /// Lets a conversation's burst leave in one go: what is due waits while another record of its conversation is held
    /// that is not. It waits one hold more at most: then all of the conversation that is due leaves, and the rest begins
    /// the next burst. A late record still leaves at once.
    #[must_use]
    pub fn together(mut self, together: bool) -> Self {
        self.together = together;
        self
    }

    /// Holds for `hold` ms, if that is longer, every record that `took` a detour (it lay in a spool), every other
    /// record of the partition that is appended no later than `hold` ms after one, and whatever is not yet due when the
    /// first of them is read: those who drain their spools do so each at its own pace.
    #[must_use]
    pub fn detour(mut self, hold: Millis, took: impl Fn(&Record<'_>) -> bool + Send + 'static) -> Self {
        self.detour = Some(Detour { took: Box::new(took), hold });
        self
    }

    /// Changes a released message in view of those of its conversation that are held behind it, in order; gets its append
    /// time too.
    #[must_use]
    pub fn prepare(
        mut self,
        prepare: impl FnMut(&mut M, AppendTime, &mut dyn Iterator<Item = &M>) + Send + 'static,
    ) -> Self {
        self.prepare = Some(Box::new(prepare));
        self
    }

    /// Finds out who it is; may write to tables.
    #[must_use]
    pub fn identify(mut self, identify: impl FnMut(&mut M, &mut Vec<Output>) + Send + 'static) -> Self {
        self.identify = Box::new(identify);
        self
    }

    /// Ends the chain: writes the outbox records of a released message.
    ///
    /// # Panics
    /// If the chain has no `reorder` step: without it nothing says where a message belongs.
    #[must_use]
    pub fn map(self, map: impl FnMut(Released<M>, &mut Vec<Output>) + Send + 'static) -> Chain<M> {
        Chain {
            parse: self.parse,
            filter: self.filter,
            key: self.key,
            hold: self.hold,
            together: self.together,
            detour: self.detour,
            place: self.place.expect("a chain says where a message belongs: .reorder(…)"),
            prepare: self.prepare,
            identify: self.identify,
            map: Box::new(map),
        }
    }
}
