//! The HTTP edge: authenticate a webhook, extract its events, write them to Kafka, answer. The path of a request:
//! accept ([`serve`]) → head → route → method → client address → address list → body → authenticate → events → write →
//! answer, all but the first in [`Edge`]. What a platform's webhooks look like is in `platforms`.
//!
//! **Nothing answered 2xx is lost**: the answer waits for the broker's acknowledgement of every record, or, where that
//! does not come in time, until they are synced to the disk, in the [`Spool`]. **What is authenticated is never refused
//! for its content**: what cannot be split, keyed or timed is a dead letter, and accepted. Of a body, only the few fields
//! that key and time need are parsed; a record's value is a slice of the body.

mod access;
mod answer;
mod body;
mod client;
mod conn;
mod kafka;
mod log;
mod meters;
mod record;
mod route;
mod run;
mod seal;
mod server;
mod settings;
mod spool;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, http::request::Parts};
use ipnet::IpNet;
use keys::KeyRing;
use platforms::{Accepted, KeySet, RequestHead, RequestView};
use runtime::Clock;
use tokio::time::Instant;

use answer::{Answer, Refusal};
use log::{Health, SpoolHealth};
use meters::{Counts, Meters};
use route::Target;
use seal::Sealer;

pub use kafka::KafkaLog;
pub use log::{AppendError, NewRecord, RawLog};
pub use record::records;
pub use route::Routes;
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
    trusted_proxies: Vec<IpNet>,
}

impl<L: RawLog> Edge<L> {
    /// An edge that takes webhooks for `routes` and writes to `log`. Its metrics are those of the exporter that is
    /// installed at this moment.
    #[must_use]
    pub fn new(routes: Routes, log: L, clock: Clock, settings: Settings) -> Self {
        let unrouted = Meters::unrouted();
        let (health, spool_health) = (Health::default(), SpoolHealth::default());
        Self {
            routes,
            log,
            clock,
            settings,
            unrouted,
            health,
            spool: None,
            spool_health,
            sealer: None,
            trusted_proxies: Vec::new(),
        }
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

    /// The same edge behind proxies in these networks: what they say of who came to them is believed.
    #[must_use]
    pub fn with_trusted_proxies(mut self, networks: Vec<IpNet>) -> Self {
        self.trusted_proxies = networks;
        self
    }

    /// Hands the public keys of a platform to its webhooks, in place of those before. Until then, webhooks that need them
    /// are answered 503. Platforms that need none, or have no webhook here, take no notice.
    pub fn set_key_set(&self, platform: &str, keys: KeySet) {
        self.routes.set_key_set(platform, keys);
    }

    /// Answers one request of `peer`, for a server that has more than webhooks on its port. [`serve`] adds the bounds
    /// that an open port needs.
    pub async fn respond<B: Body<Data = Bytes>>(
        &self,
        request: Request<B>,
        peer: IpAddr,
    ) -> Response<Full<Bytes>> {
        self.answer(request, peer).await.response(false)
    }

    /// One request, from its head to its answer.
    async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>, peer: IpAddr) -> Answer {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let found = self.routes.find(head.uri.path());
        let answer = Answer::from(self.take_in(found, &head, peer, body).await);
        found.map_or(&self.unrouted, |(target, _)| &target.meters).answered(&answer, started.elapsed());
        answer
    }

    /// The path of a webhook on one screen. `Ok` means that all of it is kept.
    async fn take_in<B: Body<Data = Bytes>>(
        &self,
        found: Option<(&Target, &str)>,
        parts: &Parts,
        peer: IpAddr,
        body: B,
    ) -> Result<Accepted, Refusal> {
        let (target, path) = found.ok_or(Refusal::NotFound)?;
        target.allow(&parts.method)?;
        let client = client::address(peer, &parts.headers, &self.trusted_proxies);
        target.admit(client)?;
        let head = RequestHead {
            method: &parts.method,
            path,
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            peer: peer.to_canonical(),
            client,
        };
        target.check_head(&head)?;
        let body = body::read(body, self.settings.body_limit, self.settings.body_timeout).await?;
        let (request, now) = (RequestView { head, body: &body }, self.clock.now_ms());
        target.authenticate(&request, now)?;
        let mut records = target.envelope(now).records(&request, &body);
        if self.spool.as_deref().is_some_and(Spool::was_just_drained) {
            records.iter_mut().for_each(NewRecord::mark_spooled);
        }
        if let Some(sealer) = &self.sealer {
            records.iter_mut().for_each(|record| sealer.seal(record, now));
        }
        self.write(target, &body, records).await?;
        Ok(target.platform.webhook.accepted())
    }

    /// Writes the records and waits until all of them are kept.
    async fn write(&self, target: &Target, body: &Bytes, records: Vec<NewRecord>) -> Result<(), Refusal> {
        let counts = Counts::of(body, &records);
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
            // What is refused permanently would only be refused again.
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
