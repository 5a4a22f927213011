//! The tries of one message: permission, call, verdict, wait, and what becomes of a doubt.

use std::time::Duration;

use runtime::config::InDoubt;
use schemas::{Delivery, DeliveryStatus, Reason};
use tokio::time::{Instant, sleep};

use super::doubt::Doubt;
use super::{Courier, Ended, Job};
use crate::endpoint::Endpoint;
use crate::outbox::{Destination, Message};
use crate::platform::{Answer, Outcome, Request, Verdict, genesys, line};
use crate::retry::RETRY_AFTER_MAX;
use crate::seam::{Addresses, Earlier, Sink};

/// How much later than the time for a whole call an announced call has ended, in ms: time to write the announcement.
/// What takes longer is announced again.
const AHEAD_MS: i64 = 2_000;

/// How long the end of an earlier owner's call is waited for at most, whatever its clock said: the longest time for a
/// call that can be configured, and some more.
const LONGEST_CALL: Duration = Duration::from_secs(330);

/// The tries of one message.
pub(super) struct Trip<'a, S, A> {
    pub(super) courier: &'a Courier<S, A>,
    pub(super) job: &'a Job,
    pub(super) message: &'a Message,
    pub(super) endpoint: &'a Endpoint,
    pub(super) delivery: Delivery,
    pub(super) attempt: u32,
    pub(super) retries: u32,
    /// An earlier call may have arrived.
    pub(super) doubted: bool,
    /// It was sent again without knowing whether it had arrived.
    pub(super) possibly_twice: bool,
}

impl<S: Sink, A: Addresses> Trip<'_, S, A> {
    /// Tries until the last word is written.
    pub(super) async fn run(mut self, request: &Request) -> Result<(), Ended> {
        if let Some(Earlier::Started { at, deadline }) = self.job.earlier
            && let Some(end) = self.inherit(at, deadline).await?
        {
            return self.end(end).await;
        }
        loop {
            let outcome = self.send(request).await?;
            if let Some(end) = self.judge(&outcome).await? {
                return self.end(end).await;
            }
        }
    }

    /// An earlier owner may have sent it. LINE knows it by its retry key, while it keeps that; Genesys can be asked once
    /// the owner's call has ended.
    async fn inherit(&mut self, at: i64, deadline: Option<i64>) -> Result<Option<End>, Ended> {
        let settings = &self.courier.settings;
        if self.courier.destination == Destination::Line {
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

    /// The call that carries the message.
    async fn send(&mut self, request: &Request) -> Result<Outcome, Ended> {
        self.attempt += 1;
        self.delivery.attempt = i32::try_from(self.attempt).unwrap_or(i32::MAX);
        let outcome = self.call(request, true).await?;
        self.delivery.http_status = outcome.as_ref().ok().map(|answer| i32::from(answer.status));
        self.delivery.correlation_id = outcome.as_ref().ok().and_then(Answer::correlation_id);
        Ok(outcome)
    }

    /// Any call under the endpoint's limit.
    pub(super) async fn call(&mut self, request: &Request, carries: bool) -> Result<Outcome, Ended> {
        let (courier, lease, endpoint) = (self.courier, &self.job.lease, self.endpoint);
        let (slot, waited) = lease.wait(endpoint.limit.acquire()).await?;
        if waited {
            courier.meters.limit_waited();
        }
        // The token after the slot: one that was good before a minute's wait may be refused by now.
        let leave = lease.wait(endpoint.leave()).await?;
        let _one_of = lease.wait(courier.calls.acquire()).await?;
        if carries {
            self.announce().await?;
        } else {
            lease.may_call().await?;
        }
        if carries && self.attempt == 1 {
            self.delivery.ours_ms = Some(courier.clock.now_ms() - self.message.about().received);
        }
        let running = courier.meters.in_flight();
        let began = Instant::now();
        let outcome = courier.http.call(&endpoint.api_url, request, &leave.grant.authorization).await;
        drop((slot, running));
        let took = began.elapsed();
        courier.meters.platform(took);
        self.delivery.platform_ms = i64::try_from(took.as_millis()).ok();
        match &outcome {
            Ok(answer) if answer.status == 401 => endpoint.refused(&leave.grant),
            Ok(answer) if answer.status < 500 => endpoint.worked(),
            _ => {}
        }
        if let Some(rest) = genesys::rest(&outcome) {
            endpoint.limit.rest(rest.min(RETRY_AFTER_MAX));
        }
        Ok(outcome)
    }

    /// Says in `deliveries` that a call may be made, and until when it has ended: another owner asks only then. For
    /// LINE the first call is enough. Ready when the call may go out.
    async fn announce(&mut self) -> Result<(), Ended> {
        let (courier, lease) = (self.courier, &self.job.lease);
        let call_ms = i64::try_from(courier.settings.call_timeout.as_millis()).unwrap_or(i64::MAX);
        loop {
            lease.may_call().await?;
            // Anew after each wait: a call that would end later than it says is announced again.
            let ends = courier.clock.now_ms().saturating_add(call_ms);
            let covers = |deadline| courier.destination == Destination::Line || ends <= deadline;
            if self.delivery.deadline.is_some_and(covers) {
                return Ok(());
            }
            self.delivery.deadline = Some(ends.saturating_add(AHEAD_MS));
            let started = Delivery { status: DeliveryStatus::Started, ..self.delivery.clone() };
            courier.record(self.job, started).await?;
        }
    }

    /// What to do after a call; none to send again.
    async fn judge(&mut self, outcome: &Outcome) -> Result<Option<End>, Ended> {
        let verdict = match self.courier.destination {
            Destination::Genesys => genesys::verdict(outcome, self.doubted),
            Destination::Line => line::verdict(outcome),
        };
        self.courier.meters.verdict(&verdict);
        tracing::debug!(
            destination = self.courier.destination.name(),
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
            // The next call waits for another token, or at the gate of the account: no delay of its own, and no end.
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
        let doubt = self.ask().await?;
        self.courier.meters.doubt(doubt.label());
        match doubt {
            Doubt::Found { id, conversation } => {
                self.joined(conversation);
                Ok(Some(End::Delivered(id)))
            }
            Doubt::Absent => self.pause(after, Reason::Expired).await,
            Doubt::Unanswered => {
                Ok(Some(End::Dead(Reason::InDoubt, format!("unanswered after {} calls", self.attempt))))
            }
            Doubt::Unknown => match self.courier.settings.in_doubt {
                InDoubt::Hold => Ok(Some(End::Dead(Reason::InDoubt, "held: it may have arrived".into()))),
                InDoubt::Send => self.send_in_doubt(after).await,
            },
        }
    }

    /// Lets a message be sent again that may have arrived.
    async fn send_in_doubt(&mut self, after: Option<Duration>) -> Result<Option<End>, Ended> {
        let end = self.pause(after, Reason::InDoubt).await?;
        if end.is_none() && !std::mem::replace(&mut self.possibly_twice, true) {
            self.courier.meters.possibly_twice();
            tracing::warn!(
                destination = self.courier.destination.name(),
                account = self.delivery.account,
                identity = self.delivery.identity,
                "sent again without knowing whether it had arrived"
            );
        }
        Ok(end)
    }

    /// The person's messages go to this conversation.
    fn joined(&mut self, conversation: String) {
        self.courier.conversations.set(self.message.about().person, &conversation);
        self.delivery.conversation_id = Some(conversation);
    }

    /// Writes the last word.
    async fn end(mut self, end: End) -> Result<(), Ended> {
        self.delivery.deadline = None;
        match end {
            End::Delivered(platform_id) => {
                let delivery = Delivery { status: DeliveryStatus::Delivered, platform_id, ..self.delivery };
                self.courier.record(self.job, delivery).await
            }
            End::Dead(reason, detail) => self.courier.bury(self.job, self.delivery, reason, &detail).await,
        }
    }

    /// Whether no earlier owner has tried it.
    pub(super) fn is_fresh(&self) -> bool {
        self.job.earlier.is_none()
    }

    /// How old the message is since its receipt.
    pub(super) fn age(&self) -> Duration {
        let ms = self.courier.clock.now_ms() - self.message.about().received;
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

/// How the way of a message ends.
enum End {
    Delivered(Option<String>),
    Dead(Reason, String),
}
