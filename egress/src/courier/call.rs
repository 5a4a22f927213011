//! One call: slot, permit, announcement, the call itself, and what its answer means for the endpoint.

use platforms::{Call, Dispatch, Outcome, Repeat, Verdict};
use schemas::{Delivery, DeliveryStatus};
use tokio::time::Instant;

use super::Ended;
use super::attempts::{AHEAD_MS, Attempts};
use crate::endpoint::{Endpoint, Permit};
use crate::retry::RETRY_AFTER_MAX;
use crate::seam::{Addresses, Sink};

impl<'a, S: Sink, A: Addresses> Attempts<'a, S, A> {
    /// Sends the message.
    pub(super) async fn send(&mut self) -> Result<Verdict, Ended> {
        self.attempt += 1;
        self.delivery.attempt = i32::try_from(self.attempt).unwrap_or(i32::MAX);
        let (outcome, permit) = self.call(None).await?;
        let answer = outcome.as_ref().ok();
        self.delivery.http_status = answer.map(|answer| i32::from(answer.status));
        let header = self.courier.policy.correlation_header;
        self.delivery.correlation_id = answer.and_then(|answer| answer.code(header));
        let verdict = self.courier.destination.api.verdict(&outcome, self.doubted);
        learn(self.endpoint, &permit, &outcome, verdict == Verdict::Reauthorise);
        Ok(verdict)
    }

    /// Asks about the message.
    pub(super) async fn ask(&mut self, question: &Call) -> Result<Outcome, Ended> {
        let (outcome, permit) = self.call(Some(question)).await?;
        learn(self.endpoint, &permit, &outcome, false);
        Ok(outcome)
    }

    /// Any call under the endpoint's limit: a question, or the one that carries the message. That one is built when
    /// nothing is waited for any more, again for each try: it may be signed together with the time.
    async fn call(&mut self, question: Option<&Call>) -> Result<(Outcome, Permit<'a>), Ended> {
        let (courier, lease, endpoint) = (self.courier, &self.job.lease, self.endpoint);
        let (slot, waited) = lease.wait(endpoint.limit.acquire()).await?;
        if waited {
            courier.meters.limit_waited();
        }
        // The token after the slot: one that was good before a minute's wait may be refused by now.
        let permit = lease.wait(endpoint.permit()).await?;
        let _one_of = lease.wait(courier.calls.acquire()).await?;
        let carrying;
        let call = match question {
            Some(question) => {
                lease.may_call().await?;
                question
            }
            None => {
                self.announce().await?;
                carrying = self.carrying();
                &carrying
            }
        };
        let running = courier.meters.in_flight();
        let began = Instant::now();
        let outcome = courier.http.call(&endpoint.api_url, call, permit.authorization.as_ref()).await;
        drop((slot, running));
        let took = began.elapsed();
        courier.meters.platform(took);
        self.delivery.platform_ms = i64::try_from(took.as_millis()).ok();
        let rest = outcome.as_ref().ok().and_then(|answer| courier.destination.api.rest(answer));
        if let Some(rest) = rest {
            endpoint.limit.rest(rest.min(RETRY_AFTER_MAX));
        }
        Ok((outcome, permit))
    }

    /// The call that carries the message, now.
    fn carrying(&mut self) -> Call {
        let now = self.courier.clock.now_ms();
        if self.attempt == 1 {
            self.delivery.ours_ms = Some(now - self.message.received);
        }
        self.courier.destination.api.call(&Dispatch {
            record: self.message,
            address: self.address.as_deref(),
            authorization: &self.endpoint.authorization,
            now,
        })
    }

    /// Writes to `deliveries` that a call may be made, and until when it has ended: another owner asks only then. Where
    /// a call can be repeated safely, the first announcement is enough. Ready when the call may go out.
    async fn announce(&mut self) -> Result<(), Ended> {
        let (courier, lease) = (self.courier, &self.job.lease);
        let call_ms = i64::try_from(courier.settings.call_timeout.as_millis()).unwrap_or(i64::MAX);
        loop {
            lease.may_call().await?;
            // Again after each wait: a call that would end later than it was announced is announced again.
            let ends = courier.clock.now_ms().saturating_add(call_ms);
            let covers = |deadline| courier.policy.repeat == Repeat::Safe || ends <= deadline;
            if self.delivery.deadline.is_some_and(covers) {
                return Ok(());
            }
            self.delivery.deadline = Some(ends.saturating_add(AHEAD_MS));
            let started = Delivery { status: DeliveryStatus::Started, ..self.delivery.clone() };
            courier.record(self.job, started).await?;
        }
    }
}

/// What an answer says of the token or signature. `is_refused` is what the verdict adds to the status.
fn learn(endpoint: &Endpoint, permit: &Permit<'_>, outcome: &Outcome, is_refused: bool) {
    match outcome {
        Ok(answer) if is_refused || answer.status == 401 => endpoint.refused(permit),
        Ok(answer) if answer.status < 500 => endpoint.worked(),
        _ => {}
    }
}
