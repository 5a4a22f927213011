//! The tries of one message: call, verdict, wait, and what becomes of an unknown outcome.

use std::time::Duration;

use platforms::{Repeat, Settled, Verdict};
use runtime::config::InDoubt;
use schemas::{Delivery, DeliveryStatus, Outbox, Reason};
use tokio::time::sleep;

use super::{Courier, Ended, Job};
use crate::endpoint::Endpoint;
use crate::seam::{Addresses, Earlier, Sink};

/// How much later than the time for a whole call an announced call has ended, in ms: time to write the announcement.
/// What takes longer is announced again.
pub(super) const AHEAD_MS: i64 = 2_000;

/// How long the end of an earlier owner's call is waited for at most, whatever its clock showed: the longest time for
/// a call that can be configured, and some more.
const LONGEST_CALL: Duration = Duration::from_secs(330);

/// The tries of one message.
pub(super) struct Attempts<'a, S, A> {
    pub(super) courier: &'a Courier<S, A>,
    pub(super) job: &'a Job,
    pub(super) message: &'a Outbox,
    /// The person's address, where the platform needs it.
    pub(super) address: Option<String>,
    pub(super) endpoint: &'a Endpoint,
    pub(super) delivery: Delivery,
    pub(super) attempt: u32,
    pub(super) retries: u32,
    /// An earlier call may have arrived.
    pub(super) doubted: bool,
    /// It was sent again without knowing whether it had arrived.
    pub(super) possible_duplicate: bool,
}

impl<S: Sink, A: Addresses> Attempts<'_, S, A> {
    /// Tries until the final delivery record is written.
    pub(super) async fn run(mut self) -> Result<(), Ended> {
        if let Some(Earlier::Started { at, deadline }) = self.job.earlier
            && let Some(end) = self.inherit(at, deadline).await?
        {
            return self.end(end).await;
        }
        loop {
            let verdict = self.send().await?;
            if let Some(end) = self.judge(verdict).await? {
                return self.end(end).await;
            }
        }
    }

    /// An earlier owner may have sent it. It is sent again where the platform knows it by its key, while it keeps that;
    /// other platforms are asked once the owner's call has ended.
    async fn inherit(&mut self, at: i64, deadline: Option<i64>) -> Result<Option<End>, Ended> {
        let settings = &self.courier.settings;
        if self.courier.policy.repeat == Repeat::Safe {
            let is_too_old = self.age() >= settings.schedule.give_up_after;
            let end = || End::Dead(Reason::Expired, "tried before, and now too old".into());
            return Ok(is_too_old.then(end));
        }
        let call_ms = i64::try_from(settings.call_timeout.as_millis()).unwrap_or(i64::MAX);
        let ends = deadline.unwrap_or_else(|| at.saturating_add(call_ms).saturating_add(AHEAD_MS));
        let left = u64::try_from(ends.saturating_sub(self.courier.clock.now_ms())).unwrap_or(0);
        let _waits = self.courier.waits(self.job);
        self.job.lease.wait(sleep(Duration::from_millis(left).min(LONGEST_CALL))).await?;
        self.settle(None).await
    }

    /// What to do after a call; none to send again.
    async fn judge(&mut self, verdict: Verdict) -> Result<Option<End>, Ended> {
        self.courier.meters.verdict(&verdict);
        tracing::debug!(
            destination = self.courier.destination.name,
            platform = &*self.message.platform,
            account = self.delivery.account,
            identity = self.delivery.identity,
            attempt = self.attempt,
            status = self.delivery.http_status,
            correlation_id = self.delivery.correlation_id,
            verdict = verdict.label(),
            "call answered"
        );
        match verdict {
            Verdict::Delivered { platform_id, conversation } => {
                if let Some(conversation) = conversation {
                    self.joined(conversation);
                }
                Ok(Some(End::Delivered(platform_id)))
            }
            Verdict::Refused(detail) => Ok(Some(End::Dead(Reason::Refused, detail))),
            Verdict::Gone(detail) => Ok(Some(End::Dead(Reason::Gone, detail))),
            // The next call waits for another token, or for the account's circuit breaker: no delay of its own, and no
            // end.
            Verdict::Reauthorise => Ok(None),
            Verdict::RetryAfter(after) => self.pause(after, Reason::Expired).await,
            Verdict::InDoubt(after) => self.settle(after).await,
        }
    }

    /// Waits for the next try; an end if the message would be too old for it.
    async fn pause(&mut self, after: Option<Duration>, or: Reason) -> Result<Option<End>, Ended> {
        let settings = &self.courier.settings;
        let delay =
            settings.schedule.next(self.retries, (settings.chance)(), after, self.age(), self.is_fresh());
        let Some(delay) = delay else {
            let detail = format!("given up after {} calls", self.attempt);
            return Ok(Some(End::Dead(or, detail)));
        };
        self.retries += 1;
        self.courier.meters.retried();
        let _waits = self.courier.waits(self.job);
        self.job.lease.wait(sleep(delay)).await?;
        Ok(None)
    }

    /// Finds out whether the platform has the message. None to send (again).
    async fn settle(&mut self, after: Option<Duration>) -> Result<Option<End>, Ended> {
        self.doubted = true;
        let settled = self.reconcile().await?;
        self.courier.meters.settled(&settled);
        match settled {
            Settled::Found { id, conversation } => {
                self.joined(conversation);
                Ok(Some(End::Delivered(id)))
            }
            Settled::Absent => self.pause(after, Reason::Expired).await,
            Settled::Unanswered => {
                Ok(Some(End::Dead(Reason::InDoubt, format!("unanswered after {} calls", self.attempt))))
            }
            Settled::Unknown => match self.courier.settings.in_doubt {
                InDoubt::Hold => Ok(Some(End::Dead(Reason::InDoubt, "held: it may have arrived".into()))),
                InDoubt::Send => self.send_in_doubt(after).await,
            },
        }
    }

    /// Lets a message be sent again that may have arrived.
    async fn send_in_doubt(&mut self, after: Option<Duration>) -> Result<Option<End>, Ended> {
        let end = self.pause(after, Reason::InDoubt).await?;
        if end.is_none() && !std::mem::replace(&mut self.possible_duplicate, true) {
            self.courier.meters.possible_duplicate();
            tracing::warn!(
                destination = self.courier.destination.name,
                platform = &*self.message.platform,
                account = self.delivery.account,
                identity = self.delivery.identity,
                "sent again without knowing whether it had arrived"
            );
        }
        Ok(end)
    }

    /// The person's messages go to this conversation.
    fn joined(&mut self, conversation: String) {
        self.courier.conversations.set(&self.message.person, &conversation);
        self.delivery.conversation_id = Some(conversation);
    }

    /// Writes the final delivery record.
    async fn end(mut self, end: End) -> Result<(), Ended> {
        self.delivery.deadline = None;
        match end {
            End::Delivered(platform_id) => {
                let delivery = Delivery { status: DeliveryStatus::Delivered, platform_id, ..self.delivery };
                self.courier.record(self.job, delivery).await
            }
            End::Dead(reason, detail) => {
                self.courier.dead_letter(self.job, self.delivery, reason, &detail).await
            }
        }
    }

    /// Whether no earlier owner has tried it.
    pub(super) fn is_fresh(&self) -> bool {
        self.job.earlier.is_none()
    }

    /// How old the message is since its receipt.
    pub(super) fn age(&self) -> Duration {
        let ms = self.courier.clock.now_ms() - self.message.received;
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

/// How the way of a message ends.
enum End {
    Delivered(Option<String>),
    Dead(Reason, String),
}
