//! The questions that settle an unknown outcome, as a state machine without I/O: the driver asks, waits and passes time
//! and answers in.

use std::time::Duration;

use serde_json::Value;

use crate::api::Call;

/// How long is waited and asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileTimes {
    /// Before each question about a conversation: long enough for what was on its way to be seen.
    pub ask_after: Duration,
    /// How long a search that lags is asked again.
    pub ask_for: Duration,
}

/// A question to the platform.
pub struct Question {
    /// The call.
    pub call: Call,
    /// Whether it is asked again, at the distances of retries, until there is an answer or the message is too old;
    /// otherwise the machine decides after each try.
    pub until_answered: bool,
}

/// What came of the last step.
pub enum Reply {
    /// It is the first step, or the wait is over.
    Go,
    /// The answer; null where the platform knows nothing of what was asked.
    Answer(Value),
    /// The platform does not answer such questions: of this status.
    Refused(u16),
    /// No answer; the platform may have asked for a pause.
    NoAnswer(Option<Duration>),
}

/// What to do next.
pub enum Step {
    /// Wait, then come again with [`Reply::Go`].
    Wait(Duration),
    /// Ask, then come again with what came of it.
    Ask(Question),
    /// It is settled.
    Settled(Settled),
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The platform has the message.
    Found {
        /// Its id there, if the platform says.
        id: Option<String>,
        /// The conversation that it is in.
        conversation: String,
    },
    /// It said twice that it has not.
    Absent,
    /// It could not say within the time for it.
    Unknown,
    /// No answer within the life of the message.
    Unanswered,
}

impl Settled {
    /// The label of metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Settled::Found { .. } => "found",
            Settled::Absent => "absent",
            Settled::Unknown => "unknown",
            Settled::Unanswered => "unanswered",
        }
    }
}

/// The questions about one message.
pub trait Reconcile: Send {
    /// The next step. `since` is how long ago the first one was; `now` is in ms since 1970 (UTC).
    fn next(&mut self, reply: Reply, since: Duration, now: i64) -> Step;
}
