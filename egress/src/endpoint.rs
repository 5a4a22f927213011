//! Where a message goes: base address, authorisation and limit of one account or client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runtime::config::{Config, InDoubt};
use runtime::{Secret, metrics};

use crate::gate::{Gate, Pass};
use crate::http::Http;
use crate::limit::Limit;
use crate::outbox::Destination;
use crate::retry::Schedule;
use crate::token::{Client, Grant, Tokens, basic};

/// Genesys counts calls a token over this time.
const GENESYS_WINDOW: Duration = Duration::from_secs(60);

/// LINE counts calls a channel and endpoint over this time.
const LINE_WINDOW: Duration = Duration::from_secs(1);

/// How often a stopped account is tried.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);

/// One key of a limit, with all that a call under it needs.
pub struct Endpoint {
    /// The account's or client's name in the configuration.
    pub name: String,
    /// Base address.
    pub api_url: String,
    /// The limit of calls.
    pub limit: Arc<Limit>,
    auth: Auth,
}

enum Auth {
    /// Tokens of an OAuth client, renewed.
    Client(Tokens),
    /// A long-lived token: if it is refused, only a person can help.
    Fixed { authorization: Secret, gate: Gate },
}

/// The right to make one call.
pub struct Leave<'a> {
    /// The token.
    pub grant: Grant,
    _pass: Option<Pass<'a>>,
}

impl Endpoint {
    /// Waits for a token that is not known to be bad. Safe to cancel.
    pub async fn leave(&self) -> Leave<'_> {
        match &self.auth {
            Auth::Client(tokens) => Leave { grant: tokens.grant().await, _pass: None },
            Auth::Fixed { authorization, gate } => {
                let pass = gate.pass().await;
                Leave {
                    grant: Grant { authorization: authorization.clone(), generation: 0 },
                    _pass: Some(pass),
                }
            }
        }
    }

    /// The platform refused the token.
    pub fn refused(&self, grant: &Grant) {
        match &self.auth {
            Auth::Client(tokens) => tokens.refused(grant.generation),
            Auth::Fixed { gate, .. } => {
                if gate.close() {
                    metrics::EGRESS_ACCOUNT_STOPPED.set([self.name.clone()], 1.0);
                    tracing::error!(
                        account = self.name,
                        "the access token is refused: messages of this account wait until it is replaced"
                    );
                }
            }
        }
    }

    /// The platform took the token, whatever it said of the message.
    pub fn worked(&self) {
        if let Auth::Fixed { gate, .. } = &self.auth
            && gate.open()
        {
            metrics::EGRESS_ACCOUNT_STOPPED.set([self.name.clone()], 0.0);
            tracing::info!(account = self.name, "the access token works again");
        }
    }
}

/// The endpoints of one destination by LINE account.
pub struct Endpoints(BTreeMap<String, Arc<Endpoint>>);

impl Endpoints {
    /// All that the configuration names. Must be called within a tokio runtime: token tasks start.
    #[must_use]
    pub fn new(destination: Destination, config: &Config, settings: &Settings, http: &Http) -> Self {
        match destination {
            Destination::Genesys => Self::genesys(config, settings, http),
            Destination::Line => Self(
                config
                    .line
                    .iter()
                    .map(|(name, account)| {
                        let authorization = Secret::new(format!("Bearer {}", account.access_token.reveal()));
                        let endpoint = Endpoint {
                            name: name.clone(),
                            api_url: account.api_url.clone(),
                            limit: Limit::new(account.calls_per_second, LINE_WINDOW),
                            auth: Auth::Fixed { authorization, gate: Gate::new(settings.probe_every) },
                        };
                        (name.clone(), Arc::new(endpoint))
                    })
                    .collect(),
            ),
        }
    }

    fn genesys(config: &Config, settings: &Settings, http: &Http) -> Self {
        let clients: BTreeMap<&String, Arc<Endpoint>> = config
            .genesys
            .iter()
            .map(|(name, genesys)| {
                let client = Client {
                    name: name.clone(),
                    login_url: genesys.login_url.clone(),
                    authorization: basic(&genesys.client_id, &genesys.client_secret),
                    schedule: settings.schedule.clone(),
                    chance: settings.chance,
                };
                let endpoint = Endpoint {
                    name: name.clone(),
                    api_url: genesys.api_url.clone(),
                    limit: Limit::new(genesys.calls_per_minute, GENESYS_WINDOW),
                    auth: Auth::Client(Tokens::start(client, http.clone())),
                };
                (name, Arc::new(endpoint))
            })
            .collect();
        let of_account = |(name, account): (&String, &runtime::config::LineAccount)| {
            Some((name.clone(), clients.get(&account.genesys)?.clone()))
        };
        Self(config.line.iter().filter_map(of_account).collect())
    }

    /// The endpoint of an account.
    #[must_use]
    pub fn of(&self, account: &str) -> Option<&Arc<Endpoint>> {
        self.0.get(account)
    }
}

/// What the engine can be told besides the accounts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Delays between tries.
    pub schedule: Schedule,
    /// For a whole call.
    pub call_timeout: Duration,
    /// Calls at once.
    pub concurrency: usize,
    /// Before each of the two questions that settle a doubt.
    pub ask_after: Duration,
    /// How long analytics is asked about a doubt in an unknown conversation.
    pub ask_for: Duration,
    /// What becomes of a message that stays in doubt.
    pub in_doubt: InDoubt,
    /// How often a stopped account is tried.
    pub probe_every: Duration,
    /// For running calls to end when a partition is given up.
    pub grace: Duration,
    /// A number from 0 to 1, another one each time.
    pub chance: fn() -> f64,
}

/// Before a doubt is asked about, and once more before the second time: long enough for what was on its way to be
/// seen by the platform's own readers, and for two owners' clocks to differ.
pub const ASK_AFTER: Duration = Duration::from_secs(5);

/// For running calls to end when a partition is given up: below the session time-out, so that a rebalance is not
/// held up for longer than by a process that has died.
pub const GRACE: Duration = Duration::from_secs(5);

impl Settings {
    /// The settings of the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let egress = &config.egress;
        Self {
            schedule: Schedule {
                delays: egress.retry_delays.clone(),
                cap: egress.retry_cap,
                give_up_after: egress.give_up_after,
            },
            call_timeout: egress.call_timeout,
            concurrency: egress.concurrency,
            ask_after: ASK_AFTER,
            ask_for: egress.ask_for,
            in_doubt: egress.in_doubt,
            probe_every: PROBE_EVERY,
            grace: GRACE,
            chance,
        }
    }
}

/// A number from 0 to 1: the random bits of a UUID.
fn chance() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().1 as u32;
    f64::from(bits) / f64::from(u32::MAX)
}
