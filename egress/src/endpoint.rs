//! Where a message goes: base address, authorisation and limit of one account or client.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use platforms::{Authorization, Platform, Role, Setup};
use runtime::{Secret, metrics};
use schemas::AccountRef;

use crate::breaker::{CircuitBreaker, Pass};
use crate::http::Http;
use crate::limit::Limit;
use crate::settings::Settings;
use crate::token::{Client, Tokens};

/// One key of a limit, with all that a call under it needs.
pub struct Endpoint {
    /// The account or client: its platform, and its name in the configuration.
    pub account: AccountRef,
    /// Base address.
    pub api_url: String,
    /// The limit of calls.
    pub limit: Arc<Limit>,
    /// How calls are authorised, for those that are signed.
    pub authorization: Authorization,
    access: Access,
}

enum Access {
    /// Tokens of an OAuth client, renewed.
    Client(Tokens),
    /// A long-lived token, or secrets that sign each call: if they are refused, only a person can help.
    Fixed { header: Option<Secret>, breaker: CircuitBreaker },
}

/// The right to make one call.
pub struct Permit<'a> {
    /// Value of the `Authorization` header, if there is one.
    pub authorization: Option<Secret>,
    /// Which token it is, where tokens are renewed.
    generation: u64,
    _pass: Option<Pass<'a>>,
}

impl Endpoint {
    fn new(endpoint: &platforms::Endpoint, settings: &Settings, http: &Http) -> Self {
        let fixed = |header| Access::Fixed { header, breaker: CircuitBreaker::new(settings.probe_every) };
        let access = match &endpoint.authorization {
            Authorization::Client(credentials) => {
                let client = Client {
                    name: endpoint.name.clone(),
                    credentials: credentials.clone(),
                    schedule: settings.schedule.clone(),
                    chance: settings.chance,
                };
                Access::Client(Tokens::start(client, http.clone()))
            }
            Authorization::Bearer(header) => fixed(Some(header.clone())),
            Authorization::Signed(_) => fixed(None),
        };
        Self {
            account: AccountRef::new(endpoint.platform.name, &endpoint.name),
            api_url: endpoint.api_url.clone(),
            limit: Limit::new(endpoint.rate.calls, endpoint.rate.window),
            authorization: endpoint.authorization.clone(),
            access,
        }
    }

    /// Waits until calls are not known to be refused. Safe to cancel.
    pub async fn permit(&self) -> Permit<'_> {
        match &self.access {
            Access::Client(tokens) => {
                let grant = tokens.grant().await;
                let authorization = Some(grant.authorization);
                Permit { authorization, generation: grant.generation, _pass: None }
            }
            Access::Fixed { header, breaker } => {
                let pass = breaker.pass().await;
                Permit { authorization: header.clone(), generation: 0, _pass: Some(pass) }
            }
        }
    }

    /// The platform refused the token or signature.
    pub fn refused(&self, permit: &Permit<'_>) {
        match &self.access {
            Access::Client(tokens) => tokens.refused(permit.generation),
            Access::Fixed { breaker, .. } => {
                if breaker.trip() {
                    metrics::EGRESS_ACCOUNT_STOPPED.set([self.account.to_string()], 1.0);
                    tracing::error!(
                        account = %self.account,
                        "the access token or signature is refused: messages of this account wait until its secret is \
                         replaced"
                    );
                }
            }
        }
    }

    /// The platform took the token or signature, whatever it said of the message.
    pub fn worked(&self) {
        if let Access::Fixed { breaker, .. } = &self.access
            && breaker.reset()
        {
            metrics::EGRESS_ACCOUNT_STOPPED.set([self.account.to_string()], 0.0);
            tracing::info!(account = %self.account, "the access token or signature works again");
        }
    }
}

/// The endpoints of one destination by channel account.
pub struct Endpoints(HashMap<AccountRef, Arc<Endpoint>>);

impl Endpoints {
    /// Those of all accounts that reach `destination`. Must be called within a tokio runtime: token tasks start.
    #[must_use]
    pub fn new(destination: &Platform, setup: &Setup, settings: &Settings, http: &Http) -> Self {
        let of_destination = setup.endpoints.iter().filter(|endpoint| endpoint.platform == destination);
        let by_name: BTreeMap<&str, Arc<Endpoint>> = of_destination
            .map(|endpoint| (endpoint.name.as_str(), Arc::new(Endpoint::new(endpoint, settings, http))))
            .collect();
        let of_account = |account: &platforms::Account| {
            let name = match destination.role {
                // Every account feeds one of its clients.
                Role::ContactCentre(_) => account.feeds.client.as_str(),
                Role::Channel(_) if *account.account.platform == *destination.name => &account.account.name,
                Role::Channel(_) => return None,
            };
            Some((account.account.clone(), by_name.get(name)?.clone()))
        };
        Self(setup.accounts.iter().filter_map(of_account).collect())
    }

    /// The endpoint of an account.
    #[must_use]
    pub fn of(&self, account: &AccountRef) -> Option<&Arc<Endpoint>> {
        self.0.get(account)
    }
}
