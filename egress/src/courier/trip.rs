//! The tries of one message: permission, call, verdict, wait, and what settles a doubt.

use std::time::Duration;

use schemas::{Delivery, DeliveryStatus, Reason};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Courier, Ended, Job};
use crate::endpoint::Endpoint;
use crate::outbox::{Destination, Message};
use crate::platform::{Answer, Outcome, Request, Verdict, genesys, line};
use crate::retry::RETRY_AFTER_MAX;
use crate::seam::{Addresses, Earlier, Sink};

/// How often a doubt is asked about: absent must be said twice.
const ASKS: u32 = 2;

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
}

/// What came of asking about a doubt.
enum Doubt {
    /// The platform has it, under this id.
    Found(String),
    /// It said twice that it has not.
    Absent,
    /// There is nobody to ask: the conversation is not known.
    Unknown,
    /// No answer within the life of the message.
    Unanswered,
}

impl<S: Sink, A: Addresses> Trip<'_, S, A> {
    /// Tries until the last word is written.
    pub(super) async fn run(mut self, request: &Request) -> Result<(), Ended> {
        if let Some(Earlier::Started(at)) = self.job.earlier
            && let Some(end) = self.inherit(at).await?
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

    /// An earlier owner may have sent it. Its call ends by the time-out; only then can the platform be asked.
    async fn inherit(&mut self, at: i64) -> Result<Option<End>, Ended> {
        let settings = &self.courier.settings;
        if self.age() >= settings.schedule.give_up_after {
            return Ok(Some(End::Dead(Reason::Expired, "tried before, and now too old".into())));
        }
        if self.courier.destination == Destination::Line {
            return Ok(None);
        }
        let since = Duration::from_millis(u64::try_from(self.courier.clock.now_ms() - at).unwrap_or(0));
        let _waits = self.courier.waits(self.job);
        self.job.lease.wait(sleep(settings.call_timeout.saturating_sub(since))).await?;
        self.settle(None).await
    }

    /// The call that carries the message. The first one is announced in `deliveries`, so that another owner knows
    /// that it may have been made.
    async fn send(&mut self, request: &Request) -> Result<Outcome, Ended> {
        let announced = self.attempt > 0;
        self.attempt += 1;
        self.delivery.attempt = i32::try_from(self.attempt).unwrap_or(i32::MAX);
        let outcome = self.call(request, !announced).await?;
        self.delivery.http_status = outcome.as_ref().ok().map(|answer| i32::from(answer.status));
        self.delivery.correlation_id = outcome.as_ref().ok().and_then(Answer::correlation_id);
        Ok(outcome)
    }

    /// Any call under the endpoint's limit.
    async fn call(&mut self, request: &Request, announce: bool) -> Result<Outcome, Ended> {
        let (courier, lease, endpoint) = (self.courier, &self.job.lease, self.endpoint);
        let (slot, waited) = lease.wait(endpoint.limit.acquire()).await?;
        if waited {
            courier.meters.limit_waited();
        }
        // The token after the slot: one that was good before a minute's wait may be refused by now.
        let leave = lease.wait(endpoint.leave()).await?;
        let _one_of = lease.wait(courier.calls.acquire()).await?;
        if announce {
            courier
                .record(self.job, Delivery { status: DeliveryStatus::Started, ..self.delivery.clone() })
                .await?;
        }
        lease.may_call().await?;
        if announce {
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
                    self.courier.conversations.set(self.message.about().person, &conversation);
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
        match self.ask_twice().await? {
            Doubt::Found(id) => {
                self.courier.meters.doubt("found");
                Ok(Some(End::Delivered(Some(id).filter(|id| !id.is_empty()))))
            }
            Doubt::Absent => {
                self.courier.meters.doubt("absent");
                self.pause(after, Reason::Expired).await
            }
            Doubt::Unanswered => {
                self.courier.meters.doubt("unanswered");
                Ok(Some(End::Dead(Reason::InDoubt, format!("unanswered after {} calls", self.attempt))))
            }
            Doubt::Unknown => {
                self.courier.meters.doubt("unknown");
                let end = self.pause(after, Reason::InDoubt).await?;
                if end.is_none() {
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
        }
    }

    async fn ask_twice(&mut self) -> Result<Doubt, Ended> {
        let Some(conversation) = self.courier.conversations.of(self.message.about().person) else {
            return Ok(Doubt::Unknown);
        };
        let Message::Genesys(message) = self.message else { return Ok(Doubt::Unknown) };
        for _ in 0..ASKS {
            let waits = self.courier.waits(self.job);
            self.job.lease.wait(sleep(self.courier.settings.ask_after)).await?;
            drop(waits);
            let Some(listed) = self.question(&genesys::ask_conversation(&conversation)).await? else {
                return Ok(Doubt::Unanswered);
            };
            let ids = genesys::message_ids(&listed);
            if ids.is_empty() {
                continue;
            }
            let Some(bulk) = self.question(&genesys::ask_messages(&conversation, &ids)).await? else {
                return Ok(Doubt::Unanswered);
            };
            if let Some(id) = genesys::find(&bulk, &message.message_id) {
                return Ok(Doubt::Found(id));
            }
        }
        Ok(Doubt::Absent)
    }

    /// Asks until there is an answer, which is null where the platform knows nothing of what was asked; none when the
    /// message is too old to be sent again anyway.
    async fn question(&mut self, request: &Request) -> Result<Option<Value>, Ended> {
        for retry in 0.. {
            let outcome = self.call(request, false).await?;
            let after = match &outcome {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(Some(answer.json())),
                Ok(answer) if answer.status == 404 => return Ok(Some(Value::Null)),
                Ok(answer) if answer.status == 401 => continue,
                Ok(answer) => answer.retry_after(),
                Err(_) => None,
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
        Ok(None)
    }

    /// Writes the last word.
    async fn end(self, end: End) -> Result<(), Ended> {
        match end {
            End::Delivered(platform_id) => {
                let delivery = Delivery { status: DeliveryStatus::Delivered, platform_id, ..self.delivery };
                self.courier.record(self.job, delivery).await
            }
            End::Dead(reason, detail) => self.courier.bury(self.job, self.delivery, reason, &detail).await,
        }
    }

    /// Whether no earlier owner has tried it.
    fn is_fresh(&self) -> bool {
        self.job.earlier.is_none()
    }

    /// How old the message is since its receipt.
    fn age(&self) -> Duration {
        let ms = self.courier.clock.now_ms() - self.message.about().received;
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

/// How the way of a message ends.
enum End {
    Delivered(Option<String>),
    Dead(Reason, String),
}
