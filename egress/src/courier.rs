//! The way of one message from its record to its final delivery record.

mod attempts;
mod call;
mod reconcile;
mod results;

use std::sync::Arc;
use std::time::Duration;

use platforms::{Platform, Policy};
use runtime::Clock;
use schemas::{AccountRef, Delivery, Framing, Outbox, Reason};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use self::attempts::Attempts;
use crate::conversations::Conversations;
use crate::delivery;
use crate::endpoint::Endpoints;
use crate::http::Http;
use crate::lease::{Lease, Revoked};
use crate::meters::{GaugeGuard, Meters};
use crate::outbox::Reader;
use crate::progress::{Parked, Progress};
use crate::seam::{Addresses, Earlier, Record, Sink};
use crate::settings::Settings;

/// Called for every delivery record that is acknowledged.
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
    destination: &'static Platform,
    policy: Policy,
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
    pub destination: &'static Platform,
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
    /// The addresses of persons.
    pub addresses: A,
    /// Shared with the reader of the outbox.
    pub progress: Progress,
    /// The clock.
    pub clock: Clock,
    /// Called for every delivery record.
    pub observer: Option<Observer>,
}

impl<S: Sink, A: Addresses> Courier<S, A> {
    /// A courier.
    #[must_use]
    pub fn new(parts: Parts<S, A>) -> Self {
        Self {
            destination: parts.destination,
            policy: parts.destination.api.policy(),
            reader: Reader::new(parts.destination, &parts.framing),
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
    pub(crate) fn remember(&self, calls: &[(AccountRef, i64)], conversations: &[(String, String)]) {
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

    /// Delivers a record, or makes it a dead letter. When this is `Ok`, its final delivery record is acknowledged.
    ///
    /// # Errors
    /// If it was left unfinished; then another owner starts from what is in `deliveries`.
    pub async fn deliver(&self, job: &Job) -> Result<(), Ended> {
        let message = match self.reader.read(&job.record) {
            Ok(message) => message,
            Err(detail) => {
                let delivery = delivery::of_record(self.destination, &job.record);
                return self.dead_letter(job, delivery, Reason::Undecodable, &detail).await;
            }
        };
        let delivery = Delivery {
            conversation_id: self.conversations.of(&message.person),
            ..delivery::of_message(self.destination, &message)
        };
        let Some(endpoint) = self.endpoints.of(&message.account()) else {
            return self.dead_letter(job, delivery, Reason::UnknownAccount, "not in the configuration").await;
        };
        let address = if self.policy.needs_address { self.address(job, &message).await? } else { None };
        if self.policy.needs_address && address.is_none() {
            return self.dead_letter(job, delivery, Reason::UnknownPerson, "no address in the table").await;
        }
        let attempts = Attempts {
            courier: self,
            job,
            message: &message,
            address,
            endpoint,
            delivery,
            attempt: 0,
            retries: 0,
            doubted: false,
            possible_duplicate: false,
        };
        attempts.run().await
    }

    /// The person's address on the platform and account of the message; waits while the table cannot say.
    async fn address(&self, job: &Job, message: &Outbox) -> Result<Option<String>, Ended> {
        for retry in 0.. {
            match job.lease.wait(self.addresses.find(&message.person)).await? {
                Ok(person) => {
                    let ours =
                        person.filter(|p| p.channel == *message.platform && p.account == *message.account);
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

    fn waits(&self, job: &Job) -> (Parked, GaugeGuard) {
        (self.progress.park(job.record.partition), self.meters.waiting())
    }
}
