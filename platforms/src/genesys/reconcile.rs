//! What settles a doubt: asking Genesys for a message that it may have, until it says yes, no twice, or too little.
//!
//! The conversation that is known is asked first; where that does not decide it, analytics for others. Analytics lags, so
//! that it knows nothing of a conversation says nothing: it is asked at growing distances for `ask_for`.

use std::collections::VecDeque;
use std::time::Duration;

use schemas::Outbox;
use serde_json::Value;

use super::questions::{self, About};
use crate::{Call, Question, Reconcile, ReconcileTimes, Reply, Settled, Step};

/// How often a doubt is asked about: absent must be said twice.
const ASKS: u32 = 2;

/// How many times `ask_for` analytics may take to say anything at all: where the whole platform is away, it is better
/// to wait than to send what cannot be sent anyway.
const PATIENCE: u32 = 10;

/// The questions about one message.
pub(super) struct Questions {
    about: About,
    times: ReconcileTimes,
    known: Option<String>,
    state: State,
    absent: u32,
    search: Option<Search>,
}

/// What is waited for.
enum State {
    Begin,
    /// A pause before the conversation that is known is asked.
    Known,
    /// An answer about a conversation.
    Looking(Look),
    /// A pause before analytics is asked.
    Search,
    /// Its answer.
    Analytics,
}

/// The two questions about one conversation: which messages, then what they say about their origin.
struct Look {
    conversation: String,
    listed: Option<Value>,
}

/// The search for other conversations.
struct Search {
    began: Duration,
    /// When analytics answered first.
    answered: Option<Duration>,
    gap: Duration,
    /// Conversations that were found and are still to be asked.
    found: VecDeque<String>,
    is_absent: bool,
    absent: u32,
}

/// What one conversation says about the message.
enum Said {
    /// It is here, under this id.
    Here(Option<String>),
    /// It is not here, and would be if it had arrived.
    Absent,
    /// It is not here, but may be in another one.
    Elsewhere,
}

impl Questions {
    pub(super) fn new(record: &Outbox, conversation: Option<&str>, times: ReconcileTimes) -> Self {
        Self {
            about: About::of(record),
            times,
            known: conversation.map(ToOwned::to_owned),
            state: State::Begin,
            absent: 0,
            search: None,
        }
    }

    fn wait_for_known(&mut self) -> Step {
        self.state = State::Known;
        Step::Wait(self.times.ask_after)
    }

    fn look_in(&mut self, conversation: String) -> Step {
        let call = questions::ask_conversation(&conversation);
        self.state = State::Looking(Look { conversation, listed: None });
        Step::Ask(Question { call, until_answered: true })
    }

    fn looked(&mut self, mut look: Look, answer: Value, since: Duration) -> Step {
        let said = match look.listed.take() {
            None => {
                let ids = questions::message_ids(&answer);
                if !ids.is_empty() {
                    let call = questions::ask_messages(&look.conversation, &ids);
                    self.state = State::Looking(Look { listed: Some(answer), ..look });
                    return Step::Ask(Question { call, until_answered: true });
                }
                Said::absent_from(&answer)
            }
            Some(listed) => match questions::find(&answer, &self.about.message_id) {
                Some(id) => Said::Here(Some(id).filter(|id| !id.is_empty())),
                None => Said::absent_from(&listed),
            },
        };
        self.said(look.conversation, said, since)
    }

    fn said(&mut self, conversation: String, said: Said, since: Duration) -> Step {
        match (said, &mut self.search) {
            (Said::Here(id), _) => Step::Settled(Settled::Found { id, conversation }),
            (Said::Absent, None) => {
                self.absent += 1;
                if self.absent == ASKS { Step::Settled(Settled::Absent) } else { self.wait_for_known() }
            }
            (Said::Elsewhere, None) => self.begin_search(since),
            (Said::Absent, Some(search)) => {
                search.is_absent = true;
                self.next_found(since)
            }
            (Said::Elsewhere, Some(_)) => self.next_found(since),
        }
    }

    fn begin_search(&mut self, since: Duration) -> Step {
        self.search = Some(Search {
            began: since,
            answered: None,
            gap: self.times.ask_after,
            found: VecDeque::new(),
            is_absent: false,
            absent: 0,
        });
        self.pause(since)
    }

    /// Waits before analytics is asked again, unless the time for it is over.
    fn pause(&mut self, since: Duration) -> Step {
        let Some(search) = &mut self.search else { return self.begin_search(since) };
        let ask_for = self.times.ask_for;
        let until = search.answered.map_or(search.began + ask_for * PATIENCE, |at| at + ask_for);
        let left = until.saturating_sub(since);
        if left.is_zero() {
            return Step::Settled(Settled::Unknown);
        }
        let wait = search.gap.min(left);
        search.gap *= 2;
        self.state = State::Search;
        Step::Wait(wait)
    }

    /// Asks the next conversation that was found, or analytics again.
    fn next_found(&mut self, since: Duration) -> Step {
        let Some(search) = &mut self.search else { return self.begin_search(since) };
        if let Some(conversation) = search.found.pop_front() {
            return self.look_in(conversation);
        }
        search.absent += u32::from(std::mem::take(&mut search.is_absent));
        if search.absent == ASKS { Step::Settled(Settled::Absent) } else { self.pause(since) }
    }

    /// Analytics has answered, or has not.
    fn searched(&mut self, reply: Reply, since: Duration) -> Step {
        let Some(search) = &mut self.search else { return self.begin_search(since) };
        match reply {
            Reply::Answer(found) => {
                search.answered.get_or_insert(since);
                search.found = questions::conversations(&found, &self.about).into();
                self.next_found(since)
            }
            Reply::Refused(_) => Step::Settled(Settled::Unknown),
            Reply::NoAnswer(after) => {
                search.gap = search.gap.max(after.unwrap_or_default());
                self.pause(since)
            }
            Reply::Go => self.pause(since),
        }
    }
}

impl Said {
    fn absent_from(listed: &Value) -> Self {
        if questions::is_live(listed) { Said::Absent } else { Said::Elsewhere }
    }
}

impl Reconcile for Questions {
    fn next(&mut self, reply: Reply, since: Duration, now: i64) -> Step {
        match std::mem::replace(&mut self.state, State::Begin) {
            State::Begin => match &self.known {
                Some(_) => self.wait_for_known(),
                None => self.begin_search(since),
            },
            State::Known => match self.known.clone() {
                Some(conversation) => self.look_in(conversation),
                None => self.begin_search(since),
            },
            State::Looking(look) => match reply {
                Reply::Answer(answer) => self.looked(look, answer, since),
                Reply::Refused(_) => self.said(look.conversation, Said::Elsewhere, since),
                Reply::NoAnswer(_) | Reply::Go => Step::Settled(Settled::Unanswered),
            },
            State::Search => {
                self.state = State::Analytics;
                let call: Call = questions::ask_analytics(&self.about, now);
                Step::Ask(Question { call, until_answered: false })
            }
            State::Analytics => self.searched(reply, since),
        }
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
