//! The way of one message: permission, call, verdict, and whatever it takes until its last delivery record is written.

use std::sync::Arc;
use std::time::Duration;

use runtime::{Clock, metrics};
use schemas::{Delivery, DeliveryStatus, Framing, Reason};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::conversations::Conversations;
use crate::endpoint::{Endpoint, Endpoints, Settings};
use crate::http::Http;
use crate::meters::{Meters, Up};
use crate::outbox::{Destination, Message, Reader, unread};
use crate::platform::{Outcome, Request, Verdict, genesys, line};
use crate::progress::{Parked, Progress};
use crate::seam::{Addresses, Earlier, Lease, Record, Revoked, Sink, SinkError};

/// Told of every delivery record that is acknowledged.
pub type Observer = Arc<dyn Fn(&Delivery) + Send + Sync>;

/// A record on its way.
pub struct Job {
    /// The record.
    pub record: Record,
    /// The right to make calls for it.
    pub lease: Lease,
    /// What an earlier owner wrote about it.
    pub earlier: Option<Earlier>,
}

/// Why a message was left unfinished.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The partition is given up.
    Revoked,
    /// Nothing can be written any more.
    Fatal(String),
}

impl From<Revoked> for Ended {
    fn from(_: Revoked) -> Self {
        Ended::Revoked
    }
}

/// Delivers the messages of one destination.
pub struct Courier<S, A> {
    destination: Destination,
    reader: Reader,
    endpoints: Endpoints,
    settings: Settings,
    http: Http,
    calls: Semaphore,
    conversations: Conversations,
    sink: S,
    addresses: A,
    progress: Progress,
    clock: Clock,
    observer: Option<Observer>,
    meters: Meters,
}

/// What a courier is made of.
pub struct Parts<S, A> {
    /// Where it delivers to.
    pub destination: Destination,
    /// Framing of the outbox.
    pub framing: Framing,
    /// Where calls go.
    pub endpoints: Endpoints,
    /// Delays and bounds.
    pub settings: Settings,
    /// The client.
    pub http: Http,
    /// Where results go.
    pub sink: S,
    /// The address book.
    pub addresses: A,
    /// Shared with the reader of the outbox.
    pub progress: Progress,
    /// The clock.
    pub clock: Clock,
    /// Told of every delivery record.
    pub observer: Option<Observer>,
}

/// How often an unwritten result is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// How often a doubt is asked about: absent must be said twice.
const ASKS: u32 = 2;

impl<S: Sink, A: Addresses> Courier<S, A> {
    /// A courier.
    #[must_use]
    pub fn new(parts: Parts<S, A>) -> Self {
        Self {
            destination: parts.destination,
            reader: Reader::new(parts.destination, parts.framing),
            endpoints: parts.endpoints,
            calls: Semaphore::new(parts.settings.concurrency.max(1)),
            settings: parts.settings,
            http: parts.http,
            conversations: Conversations::new(crate::conversations::REMEMBERED),
            sink: parts.sink,
            addresses: parts.addresses,
            progress: parts.progress,
            clock: parts.clock,
            observer: parts.observer,
            meters: Meters::new(parts.destination),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Counts calls that earlier owners made, for the limits.
    pub(crate) fn remember(&self, calls: &[(String, i64)]) {
        let now = self.clock.now_ms();
        for (account, at) in calls {
            if let (Some(endpoint), Ok(ago)) = (self.endpoints.of(account), u64::try_from(now - at)) {
                endpoint.limit.remember(Duration::from_millis(ago));
            }
        }
    }

    /// Delivers a record, or buries it. When this is `Ok`, the last word about it is acknowledged.
    ///
    /// # Errors
    /// If it was left unfinished; then another owner starts from what stands in `deliveries`.
    pub async fn deliver(&self, job: &Job) -> Result<(), Ended> {
        let delivery = unread(self.destination, &job.record, self.clock.now_ms());
        let message = match self.reader.read(&job.record) {
            Ok(message) => message,
            Err(detail) => return self.bury(job, delivery, Reason::Undecodable, &detail).await,
        };
        let about = message.about();
        let delivery = Delivery {
            identity: about.identity.into(),
            account: about.account.into(),
            person: about.person.into(),
            ..delivery
        };
        let Some(endpoint) = self.endpoints.of(about.account) else {
            return self.bury(job, delivery, Reason::UnknownAccount, "not in the configuration").await;
        };
        let request = match &message {
            Message::Genesys(message) => genesys::request(message),
            Message::Line(message) => {
                let Some(address) = self.address(job, &message.account, &message.person).await? else {
                    return self.bury(job, delivery, Reason::UnknownPerson, "no address in the table").await;
                };
                let key = line::retry_key(&message.identity).expect("the reader checks identities");
                line::request(message, &address, key)
            }
        };
        let trip = Trip {
            courier: self,
            job,
            message: &message,
            endpoint,
            delivery,
            attempt: 0,
            retries: 0,
            doubted: false,
        };
        trip.run(&request).await
    }

    /// The person's LINE address; waits while the table cannot say.
    async fn address(&self, job: &Job, account: &str, guid: &str) -> Result<Option<String>, Ended> {
        for retry in 0.. {
            match job.lease.wait(self.addresses.find(guid)).await? {
                Ok(person) => {
                    let ours = person.filter(|p| p.channel == "line" && p.account == account);
                    return Ok(ours.map(|p| p.address));
                }
                Err(error) => tracing::warn!(error = error.0, retry, "the address table cannot answer"),
            }
            let _waits = self.waits(job);
            let delay = self.settings.schedule.delay(retry, (self.settings.chance)(), None);
            job.lease.wait(sleep(delay)).await?;
        }
        unreachable!("the loop has no end")
    }

    /// Writes the record to the dead letters, then its last delivery record.
    async fn bury(&self, job: &Job, delivery: Delivery, reason: Reason, detail: &str) -> Result<(), Ended> {
        while let Err(error) = self.sink.dead_letter(&job.record, reason, detail).await {
            self.write_again(job, error).await?;
        }
        metrics::EGRESS_DEAD_LETTERS.add([self.destination.name(), reason.code()], 1);
        let Record { partition, offset, .. } = job.record;
        tracing::warn!(
            destination = self.destination.name(),
            partition,
            offset,
            reason = reason.code(),
            detail,
            account = delivery.account,
            correlation_id = delivery.correlation_id,
            "dead letter"
        );
        let status = if reason == Reason::Refused { DeliveryStatus::Refused } else { DeliveryStatus::Failed };
        self.record(job, Delivery { status, reason: Some(reason.code().into()), ..delivery }).await
    }

    /// Writes a delivery record.
    async fn record(&self, job: &Job, delivery: Delivery) -> Result<(), Ended> {
        let delivery = Delivery { at: self.clock.now_ms(), ..delivery };
        let partition = job.record.partition;
        let offset = loop {
            match self.sink.delivery(partition, &delivery).await {
                Ok(offset) => break offset,
                Err(error) => self.write_again(job, error).await?,
            }
        };
        if let Some(offset) = offset {
            self.progress.wrote(partition, offset);
        }
        self.meters.recorded(&delivery);
        if let Some(observer) = &self.observer {
            observer(&delivery);
        }
        Ok(())
    }

    async fn write_again(&self, job: &Job, error: SinkError) -> Result<(), Ended> {
        match error {
            SinkError::Fatal(text) => Err(Ended::Fatal(text)),
            SinkError::Retry(text) => {
                tracing::warn!(
                    destination = self.destination.name(),
                    error = text,
                    "a result is not written yet"
                );
                Ok(job.lease.wait(sleep(WRITE_AGAIN)).await?)
            }
        }
    }

    fn waits(&self, job: &Job) -> (Parked, Up) {
        (self.progress.park(job.record.partition), self.meters.waiting())
    }
}

/// The tries of one message.
struct Trip<'a, S, A> {
    courier: &'a Courier<S, A>,
    job: &'a Job,
    message: &'a Message,
    endpoint: &'a Endpoint,
    delivery: Delivery,
    attempt: u32,
    retries: u32,
    /// An earlier call may have arrived.
    doubted: bool,
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
    async fn run(mut self, request: &Request) -> Result<(), Ended> {
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
        self.delivery.correlation_id =
            outcome.as_ref().ok().and_then(crate::platform::Answer::correlation_id);
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
            endpoint.limit.rest(rest.min(crate::retry::RETRY_AFTER_MAX));
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
        let delay = settings.schedule.next(self.retries, (settings.chance)(), after, self.age());
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
    async fn question(&mut self, request: &Request) -> Result<Option<serde_json::Value>, Ended> {
        for retry in 0.. {
            let outcome = self.call(request, false).await?;
            let after = match &outcome {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(Some(answer.json())),
                Ok(answer) if answer.status == 404 => return Ok(Some(serde_json::Value::Null)),
                Ok(answer) if answer.status == 401 => continue,
                Ok(answer) => answer.retry_after(),
                Err(_) => None,
            };
            let settings = &self.courier.settings;
            let Some(delay) = settings.schedule.next(retry, (settings.chance)(), after, self.age()) else {
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
