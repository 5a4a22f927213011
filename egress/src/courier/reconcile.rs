//! Finds out whether the platform has a message: makes the calls and the pauses that its [`platforms::Reconcile`] asks
//! for.

use platforms::{Call, Question, Reply, Settled, Step};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::Ended;
use super::attempts::Attempts;
use crate::seam::{Addresses, Sink};

impl<S: Sink, A: Addresses> Attempts<'_, S, A> {
    /// Asks until it is settled.
    pub(super) async fn reconcile(&mut self) -> Result<Settled, Ended> {
        let (courier, began) = (self.courier, Instant::now());
        let conversation = courier.conversations.of(&self.message.person);
        let times = courier.settings.reconcile_times();
        let questions = courier.destination.api.reconcile(self.message, conversation.as_deref(), times);
        let Some(mut questions) = questions else { return Ok(Settled::Unknown) };
        let mut reply = Reply::Go;
        loop {
            reply = match questions.next(reply, began.elapsed(), courier.clock.now_ms()) {
                Step::Wait(delay) => {
                    let _waits = courier.waits(self.job);
                    self.job.lease.wait(sleep(delay)).await?;
                    Reply::Go
                }
                Step::Ask(Question { call, until_answered: true }) => self.ask_until_answered(&call).await?,
                Step::Ask(Question { call, until_answered: false }) => self.ask_once(&call).await?,
                Step::Settled(settled) => return Ok(settled),
            };
        }
    }

    /// Asks until there is an answer or a refusal, or the message is too old to be sent again anyway.
    async fn ask_until_answered(&mut self, question: &Call) -> Result<Reply, Ended> {
        for retry in 0.. {
            let after = match self.ask_once(question).await? {
                Reply::NoAnswer(after) => after,
                reply => return Ok(reply),
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
        Ok(Reply::NoAnswer(None))
    }

    /// Asks once, under the endpoint's limit.
    async fn ask_once(&mut self, question: &Call) -> Result<Reply, Ended> {
        let outcome = self.ask(question).await?;
        let Ok(answer) = outcome else { return Ok(Reply::NoAnswer(None)) };
        Ok(match answer.status {
            200..=299 => Reply::Answer(answer.json()),
            404 => Reply::Answer(Value::Null),
            401 | 408 | 429 | 500..=599 => Reply::NoAnswer(answer.retry_after()),
            status => {
                tracing::error!(
                    client = &*self.endpoint.account.name,
                    status,
                    "a question that settles an unknown outcome is refused: look at the client's permissions"
                );
                Reply::Refused(status)
            }
        })
    }
}
