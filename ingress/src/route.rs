//! Which account a path belongs to, and the counters of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use runtime::Secret;
use runtime::config::LineAccount;
use runtime::metrics::{self, CounterHandle, HistogramHandle};
use schemas::{Topic, TopicNames};

use crate::answer::{Answer, Refusal};
use crate::cut::Envelope;
use crate::log::{AppendError, NewRecord};
use crate::spool::PutError;
use crate::verify::Secrets;

/// A platform that sends webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// LINE Messaging API.
    Line,
    /// Genesys Cloud Open Messaging.
    Genesys,
}

impl Source {
    /// Its name in paths and metric labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Source::Line => "line",
            Source::Genesys => "genesys",
        }
    }

    /// Where its events are written.
    #[must_use]
    pub fn topic(self) -> Topic {
        match self {
            Source::Line => Topic::WebhooksLine,
            Source::Genesys => Topic::WebhooksGenesys,
        }
    }
}

/// One webhook: an account of LINE or an integration of Genesys.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) source: Source,
    /// Account name (LINE) or integration id (Genesys), as in the configuration.
    pub(crate) name: Arc<str>,
    /// Full name of the topic that its events go to.
    pub(crate) topic: Arc<str>,
    pub(crate) secrets: Secrets,
    pub(crate) meters: Meters,
}

/// Every webhook that is configured.
#[derive(Debug, Default)]
pub struct Routes {
    line: HashMap<String, Target>,
    genesys: HashMap<String, Target>,
}

impl Routes {
    /// The webhooks of these LINE accounts and of the integrations that they feed.
    #[must_use]
    pub fn new(accounts: &BTreeMap<String, LineAccount>, topics: &TopicNames) -> Self {
        let mut routes = Self::default();
        let target = |source: Source, name: &str, secrets: &[Secret]| Target {
            source,
            name: name.into(),
            topic: topics.of(source.topic()).into(),
            secrets: Secrets::new(secrets),
            meters: Meters::new(source.name()),
        };
        for (name, account) in accounts {
            routes.line.insert(name.clone(), target(Source::Line, name, &account.channel_secrets));
            let genesys = target(Source::Genesys, &account.integration, &account.webhook_secrets);
            routes.genesys.insert(account.integration.clone(), genesys);
        }
        routes
    }

    /// The webhook of `path`: `/webhooks/line/{account}` or `/webhooks/genesys/{integration}`, byte for byte. Names
    /// in the configuration need no escapes, so an escaped path is an unknown one.
    pub(crate) fn find(&self, path: &str) -> Option<&Target> {
        let path = path.strip_prefix("/webhooks/")?;
        match path.split_once('/')? {
            ("line", account) => self.line.get(account),
            ("genesys", integration) => self.genesys.get(integration),
            _ => None,
        }
    }
}

impl Target {
    /// What the records of a body received now share.
    pub(crate) fn envelope(&self, received: i64) -> Envelope<'_> {
        Envelope { source: self.source, account: &self.name, topic: &self.topic, received }
    }
}

/// Refuses every method but POST.
pub(crate) fn only_post(method: &Method) -> Result<(), Refusal> {
    if method == Method::POST { Ok(()) } else { Err(Refusal::MethodNotAllowed) }
}

/// What a request brought.
pub(crate) struct Counts {
    bytes: usize,
    raw: usize,
    dead: Vec<&'static str>,
}

impl Counts {
    pub(crate) fn of(body: &Bytes, records: &[NewRecord]) -> Self {
        let dead: Vec<_> = records.iter().filter_map(NewRecord::dead).map(schemas::Reason::code).collect();
        Self { bytes: body.len(), raw: records.len() - dead.len(), dead }
    }
}

/// The counters of a source. What every good request touches is kept as a handle.
#[derive(Debug)]
pub(crate) struct Meters {
    source: &'static str,
    ok: CounterHandle,
    seconds: HistogramHandle,
    records: CounterHandle,
    bytes: CounterHandle,
}

impl Meters {
    fn new(source: &'static str) -> Self {
        Self {
            source,
            ok: metrics::INGRESS_REQUESTS.of([source, StatusCode::OK.as_str()].map(str::to_owned)),
            seconds: metrics::INGRESS_REQUEST_SECONDS.of([source]),
            records: metrics::INGRESS_RECORDS.of([source]),
            bytes: metrics::INGRESS_BODY_BYTES.of([source]),
        }
    }

    /// For requests that name no webhook.
    pub(crate) fn unrouted() -> Self {
        Self::new("none")
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, answer: &Answer, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        match answer.status() {
            StatusCode::OK => self.ok.increment(1),
            status => {
                metrics::INGRESS_REQUESTS.add([self.source.to_owned(), status.as_str().to_owned()], 1);
            }
        }
    }

    /// Counts what is kept.
    pub(crate) fn written(&self, counts: &Counts) {
        self.bytes.increment(counts.bytes as u64);
        self.records.increment(counts.raw as u64);
        for reason in &counts.dead {
            metrics::INGRESS_DEAD_LETTERS.add([self.source, reason], 1);
        }
    }

    /// Counts a request whose records are not all acknowledged.
    pub(crate) fn not_acknowledged(&self, error: &AppendError) {
        metrics::INGRESS_APPEND_FAILURES.add([self.source, error.cause()], 1);
    }

    /// Counts a request that went to the spool, or did not fit.
    pub(crate) fn spooled(&self, put: &Result<(), PutError>) {
        match put {
            Ok(()) => metrics::INGRESS_SPOOLED.add([self.source], 1),
            Err(error) => metrics::INGRESS_SPOOL_REFUSED.add([self.source, error.cause()], 1),
        }
    }
}
