//! The HTTP edge: verify a webhook, cut it into events, write them to Kafka, answer. The path of a request:
//! accept ([`serve`]) → head → route → body → verify → cut → write → answer, all but the first in [`Edge`].
//!
//! **Nothing answered 2xx is lost**: the answer waits for the broker's acknowledgement of every record. **What is
//! verified is never refused for its content**: what cannot be cut, keyed or timed is a dead letter, and 200.
//! Of a body, only the few fields that key and time need are parsed; a record's value is a slice of the body.

mod answer;
mod body;
mod conn;
mod cut;
mod kafka;
mod log;
mod route;
mod run;
mod server;
mod settings;
mod verify;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, http::request::Parts};
use runtime::Clock;

use answer::{Answer, Refusal};
use route::{Meters, Target};

pub use cut::cut_line;
pub use kafka::KafkaLog;
pub use log::{AppendError, NewRecord, RawLog};
pub use route::{Routes, Source};
pub use run::{StartError, run};
pub use server::serve;
pub use settings::Settings;

/// All that a request needs: where webhooks come in, where records go, and the limits.
#[derive(Debug)]
pub struct Edge<L> {
    routes: Routes,
    log: L,
    clock: Clock,
    settings: Settings,
    unrouted: Meters,
    health: log::Health,
}

impl<L: RawLog> Edge<L> {
    /// An edge that takes webhooks for `routes` and writes to `log`. Its metrics are those of the exporter that is
    /// installed at this moment.
    #[must_use]
    pub fn new(routes: Routes, log: L, clock: Clock, settings: Settings) -> Self {
        let unrouted = Meters::unrouted();
        Self { routes, log, clock, settings, unrouted, health: log::Health::default() }
    }

    /// Answers one request, for a server that has more than webhooks on its port. [`serve`] adds the bounds that an
    /// open port needs.
    pub async fn respond<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        self.answer(request).await.response(false)
    }

    /// One request, from its head to its answer.
    async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Answer {
        let started = tokio::time::Instant::now();
        let (head, body) = request.into_parts();
        let target = self.routes.find(head.uri.path());
        let answer = Answer::from(self.take_in(target, &head, body).await);
        target.map_or(&self.unrouted, |t| &t.meters).answered(&answer, started.elapsed());
        answer
    }

    /// The path of a webhook on one screen. `Ok` means that the broker has all of it.
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
        let records = cut::cut(&target.envelope(self.clock.now_ms()), &body);
        self.write(target, &body, records).await
    }

    /// Writes the records and waits for the acknowledgement of all of them, no longer than the time-out.
    async fn write(&self, target: &Target, body: &Bytes, records: Vec<NewRecord>) -> Result<(), Refusal> {
        let counts = route::Counts::of(body, &records);
        // An empty list of events (the console's Verify button) has nothing to wait for.
        if !records.is_empty() {
            let appended = tokio::time::timeout(self.settings.ack_timeout, self.log.append(records)).await;
            let appended = appended.unwrap_or(Err(AppendError::TimedOut));
            self.health.saw(&appended);
            if let Err(error) = appended {
                target.meters.not_written(&error);
                return Err(Refusal::NotWritten);
            }
        }
        target.meters.written(&counts);
        Ok(())
    }
}
