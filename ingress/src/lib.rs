//! The HTTP edge: verify a webhook, cut it into events, write them to Kafka, answer. The path of a request:
//! accept ([`serve`]) → head → route → body → verify → cut → write → answer, all but the first in [`Edge`].
//!
//! **Nothing answered 2xx is lost**: the answer waits for the broker's acknowledgement of every record, or, where that
//! does not come in time, until they are synced to the disk, in the [`Spool`]. **What is verified is never refused for its content**: what cannot be cut, keyed or timed is a dead letter, and 200.
//! Of a body, only the few fields that key and time need are parsed; a record's value is a slice of the body.

mod answer;
mod body;
mod conn;
mod cut;
mod kafka;
mod log;
mod route;
mod run;
mod seal;
mod server;
mod settings;
mod spool;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, http::request::Parts};
use keys::KeyRing;
use runtime::Clock;
use tokio::time::Instant;

use answer::{Answer, Refusal};
use log::{Health, SpoolHealth};
use route::{Meters, Target};
use seal::Sealer;

pub use cut::cut_line;
pub use kafka::KafkaLog;
pub use log::{AppendError, NewRecord, RawLog};
pub use route::{Routes, Source};
pub use run::{StartError, run};
pub use server::serve;
pub use settings::Settings;
pub use spool::{PutError, Spool, SpoolSettings};

/// From the end of the body to the answer, at most: LINE gives up after 2 s.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_900);

/// All that a request needs: where webhooks come in, where records go, and the limits.
#[derive(Debug)]
pub struct Edge<L> {
    routes: Routes,
    log: L,
    clock: Clock,
    settings: Settings,
    unrouted: Meters,
    health: Health,
    spool: Option<Arc<Spool>>,
    spool_health: SpoolHealth,
    sealer: Option<Sealer>,
}

impl<L: RawLog> Edge<L> {
    /// An edge that takes webhooks for `routes` and writes to `log`. Its metrics are those of the exporter that is
    /// installed at this moment.
    #[must_use]
    pub fn new(routes: Routes, log: L, clock: Clock, settings: Settings) -> Self {
        let unrouted = Meters::unrouted();
        let (health, spool_health) = (Health::default(), SpoolHealth::default());
        Self { routes, log, clock, settings, unrouted, health, spool: None, spool_health, sealer: None }
    }

    /// The same edge with a spool; without one, what is not acknowledged in time is answered 503.
    #[must_use]
    pub fn with_spool(mut self, spool: Arc<Spool>) -> Self {
        self.spool = Some(spool);
        self
    }

    /// The same edge with a key ring, if there is one: the values of its records are sealed.
    #[must_use]
    pub fn with_keys(mut self, keys: Option<Arc<KeyRing>>) -> Self {
        self.sealer = keys.map(Sealer::new);
        self
    }

    /// Answers one request, for a server that has more than webhooks on its port. [`serve`] adds the bounds that an
    /// open port needs.
    pub async fn respond<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        self.answer(request).await.response(false)
    }

    /// One request, from its head to its answer.
    async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Answer {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let target = self.routes.find(head.uri.path());
        let answer = Answer::from(self.take_in(target, &head, body).await);
        target.map_or(&self.unrouted, |t| &t.meters).answered(&answer, started.elapsed());
        answer
    }

    /// The path of a webhook on one screen. `Ok` means that all of it is kept.
    async fn take_in<B: Body<Data = Bytes>>(
        &self,
        target: Option<&Target>,
        head: &Parts,
        body: B,
    ) -> Result<(), Refusal> {
        let target = target.ok_or(Refusal::NotFound)?;
        route::only_post(&head.method)?;
        let signature = verify::signature(target.source, &head.headers)?;
        let body = body::read(body, self.settings.body_limit, self.settings.body_timeout).await?;
        target.secrets.verify(&signature, &body)?;
        let mut records = cut::cut(&target.envelope(self.clock.now_ms()), &body);
        if self.spool.as_deref().is_some_and(Spool::was_just_drained) {
            records.iter_mut().for_each(NewRecord::mark_spooled);
        }
        if let Some(sealer) = &self.sealer {
            records.iter_mut().for_each(|record| sealer.seal(record, self.clock.now_ms()));
        }
        self.write(target, &body, records).await
    }

    /// Writes the records and waits until all of them are kept.
    async fn write(&self, target: &Target, body: &Bytes, records: Vec<NewRecord>) -> Result<(), Refusal> {
        let counts = route::Counts::of(body, &records);
        // An empty list of events (the console's Verify button) has nothing to wait for.
        if !records.is_empty() {
            self.keep(target, &records).await?;
        }
        target.meters.written(&counts);
        Ok(())
    }

    /// `Ok` means that the broker has acknowledged all of the records in time, or that the spool has them.
    async fn keep(&self, target: &Target, records: &[NewRecord]) -> Result<(), Refusal> {
        let latest = Instant::now() + ANSWER_WITHIN;
        let spool = self.spool.as_deref();
        // While the spool holds any, everything goes through it: nothing may overtake what waits there.
        if !spool.is_some_and(Spool::holds_any) {
            let appended = tokio::time::timeout(self.settings.ack_timeout, self.log.append(records)).await;
            let appended = appended.unwrap_or(Err(AppendError::TimedOut));
            self.health.saw(&appended);
            let Err(error) = appended else { return Ok(()) };
            target.meters.not_acknowledged(&error);
            // What is refused for good would only be refused again.
            if matches!(error, AppendError::Refused(_)) {
                return Err(Refusal::NotWritten);
            }
        }
        let Some(spool) = spool else { return Err(Refusal::NotWritten) };
        let put = tokio::time::timeout_at(latest, spool.put(records)).await.unwrap_or(Err(PutError::Busy));
        self.spool_health.saw(&put);
        target.meters.spooled(&put);
        put.map_err(|_| Refusal::NotWritten)
    }
}
