//! The way of one message from its record to its last delivery record.

mod doubt;
mod trip;

use std::sync::Arc;
use std::time::Duration;

use runtime::{Clock, metrics};
use schemas::{Delivery, DeliveryStatus, Framing, Reason};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use self::trip::Trip;
use crate::conversations::Conversations;
use crate::endpoint::{Endpoints, Settings};
use crate::http::Http;
use crate::meters::{Meters, Up};
use crate::outbox::{Destination, Message, Reader, unread};
use crate::platform::{genesys, line};
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
            conversations: Conversations::default(),
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

    /// Counts calls that earlier owners made, for the limits, and keeps the conversations that they knew.
    pub(crate) fn remember(&self, calls: &[(String, i64)], conversations: &[(String, String)]) {
        for (person, conversation) in conversations {
            self.conversations.set(person, conversation);
        }
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
            conversation_id: self.conversations.of(about.person),
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
            possibly_twice: false,
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
