//! What settles a doubt: asking Genesys for a message that it may have, until it says yes, no twice, or too little.

use schemas::ToGenesys;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::Ended;
use super::trip::Trip;
use crate::outbox::Message;
use crate::platform::{Request, genesys};
use crate::seam::{Addresses, Sink};

/// How often a doubt is asked about: absent must be said twice.
const ASKS: u32 = 2;

/// How many times `ask_for` analytics may take to say anything at all: where the whole platform is away, it is better
/// to wait than to send what cannot be sent anyway.
const PATIENCE: u32 = 10;

/// What came of asking about a doubt.
pub(super) enum Doubt {
    /// The platform has it.
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

impl Doubt {
    /// The label of metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Doubt::Found { .. } => "found",
            Doubt::Absent => "absent",
            Doubt::Unknown => "unknown",
            Doubt::Unanswered => "unanswered",
        }
    }
}

/// What one conversation says about the message.
enum Said {
    /// It is here, under this id.
    Here(Option<String>),
    /// It is not here, and would be if it had arrived.
    Absent,
    /// It is not here, but may be in another one.
    Elsewhere,
    /// Nothing, within the life of the message.
    Nothing,
}

/// What came of one question.
enum Asked {
    /// The answer; null where the platform knows nothing of what was asked.
    Answer(Value),
    /// The platform does not answer such questions: of this status.
    Refused(u16),
    /// No answer yet; it may ask for a pause.
    Later(Option<std::time::Duration>),
}

impl<S: Sink, A: Addresses> Trip<'_, S, A> {
    /// Asks whether the platform has the message: the conversation that is known, and where that does not decide it,
    /// analytics for others.
    pub(super) async fn ask(&mut self) -> Result<Doubt, Ended> {
        let Message::Genesys(message) = self.message else { return Ok(Doubt::Unknown) };
        if let Some(conversation) = self.courier.conversations.of(&message.person) {
            match self.ask_twice(message, &conversation).await? {
                Said::Here(id) => return Ok(Doubt::Found { id, conversation }),
                Said::Absent => return Ok(Doubt::Absent),
                Said::Nothing => return Ok(Doubt::Unanswered),
                Said::Elsewhere => {}
            }
        }
        self.search(message).await
    }

    async fn ask_twice(&mut self, message: &ToGenesys, conversation: &str) -> Result<Said, Ended> {
        for _ in 0..ASKS {
            let waits = self.courier.waits(self.job);
            self.job.lease.wait(sleep(self.courier.settings.ask_after)).await?;
            drop(waits);
            match self.look_in(message, conversation).await? {
                Said::Absent => {}
                said => return Ok(said),
            }
        }
        Ok(Said::Absent)
    }

    /// Looks for the message among the newest ones of a conversation.
    async fn look_in(&mut self, message: &ToGenesys, conversation: &str) -> Result<Said, Ended> {
        let listed = match self.question(&genesys::ask_conversation(conversation)).await? {
            Asked::Answer(listed) => listed,
            Asked::Refused(status) => return Ok(self.cannot_ask(status)),
            Asked::Later(_) => return Ok(Said::Nothing),
        };
        let ids = genesys::message_ids(&listed);
        if !ids.is_empty() {
            match self.question(&genesys::ask_messages(conversation, &ids)).await? {
                Asked::Answer(bulk) => {
                    if let Some(id) = genesys::find(&bulk, &message.message_id) {
                        return Ok(Said::Here(Some(id).filter(|id| !id.is_empty())));
                    }
                }
                Asked::Refused(status) => return Ok(self.cannot_ask(status)),
                Asked::Later(_) => return Ok(Said::Nothing),
            }
        }
        Ok(if genesys::is_live(&listed) { Said::Absent } else { Said::Elsewhere })
    }

    /// Asks analytics for the person's conversations, and these for the message. Analytics lags, so that it knows
    /// nothing of a conversation says nothing: it is asked at growing distances for `ask_for`.
    async fn search(&mut self, message: &ToGenesys) -> Result<Doubt, Ended> {
        let (ask_for, began) = (self.courier.settings.ask_for, Instant::now());
        let (mut answered, mut absent, mut gap) = (None, 0, self.courier.settings.ask_after);
        loop {
            let until = answered.map_or(began + ask_for * PATIENCE, |at| at + ask_for);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Doubt::Unknown);
            }
            let waits = self.courier.waits(self.job);
            self.job.lease.wait(sleep(gap.min(left))).await?;
            drop(waits);
            gap *= 2;
            let request = genesys::ask_analytics(message, self.courier.clock.now_ms());
            let found = match self.once(&request).await? {
                Asked::Answer(found) => found,
                Asked::Refused(status) => {
                    self.cannot_ask(status);
                    return Ok(Doubt::Unknown);
                }
                Asked::Later(after) => {
                    gap = gap.max(after.unwrap_or_default());
                    continue;
                }
            };
            answered.get_or_insert_with(Instant::now);
            let mut is_absent = false;
            for conversation in genesys::conversations(&found, message) {
                match self.look_in(message, &conversation).await? {
                    Said::Here(id) => return Ok(Doubt::Found { id, conversation }),
                    Said::Absent => is_absent = true,
                    Said::Elsewhere => {}
                    Said::Nothing => return Ok(Doubt::Unanswered),
                }
            }
            absent += u32::from(is_absent);
            if absent == ASKS {
                return Ok(Doubt::Absent);
            }
        }
    }

    /// Asks until there is an answer or a refusal, or the message is too old to be sent again anyway.
    async fn question(&mut self, request: &Request) -> Result<Asked, Ended> {
        for retry in 0.. {
            let after = match self.once(request).await? {
                Asked::Later(after) => after,
                asked => return Ok(asked),
            };
            let settings = &self.courier.settings;
            let Some(delay) =
                settings.schedule.next(retry, (settings.chance)(), after, self.age(), self.is_fresh())
            else {
                break;
            };
            let _waits = self.courier.waits(self.job);
            self.job.lease.wait(sleep(delay)).await?;
        }
        Ok(Asked::Later(None))
    }

    /// Asks once, under the endpoint's limit.
    async fn once(&mut self, request: &Request) -> Result<Asked, Ended> {
        let outcome = self.call(request, false).await?;
        Ok(match &outcome {
            Ok(answer) => match answer.status {
                200..=299 => Asked::Answer(answer.json()),
                404 => Asked::Answer(Value::Null),
                401 | 408 | 429 | 500..=599 => Asked::Later(answer.retry_after()),
                status => Asked::Refused(status),
            },
            Err(_) => Asked::Later(None),
        })
    }

    fn cannot_ask(&self, status: u16) -> Said {
        tracing::error!(
            client = self.endpoint.name,
            status,
            "a question that settles a doubt is refused: look at the client's permissions"
        );
        Said::Elsewhere
    }
}
