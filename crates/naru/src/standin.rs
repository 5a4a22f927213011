//! `naru standins`: the stand-ins of all platforms alone, for the compose stack's demo profile, set up from the
//! accounts of the configuration.

use platforms::{Authorization, Endpoint, WebhookAccount};
use runtime::config::Config;
use runtime::{Clock, Secret, Shutdown};
use standins::{EndpointPeer, Setup, Standins, WebhookPeer};
use tokio::net::TcpListener;

use crate::Failure;
use crate::cli::StandinArguments;

/// The stand-ins of every account of `config`, which send their webhooks to `ingress` (`http://host:port`). Their
/// limits are the configuration's own.
pub(crate) fn setup(config: &Config, ingress: &str) -> Setup {
    let webhooks: Vec<_> = config.platforms.webhooks.iter().map(webhook).collect();
    let endpoints: Vec<_> = config.platforms.endpoints.iter().map(endpoint).collect();
    Setup::of(&webhooks, &endpoints, ingress)
}

fn webhook(webhook: &WebhookAccount) -> WebhookPeer {
    WebhookPeer {
        platform: webhook.platform.name.to_owned(),
        name: webhook.name.clone(),
        secrets: revealed(&webhook.secrets),
    }
}

fn endpoint(endpoint: &Endpoint) -> EndpointPeer {
    let (id, secrets) = match &endpoint.authorization {
        Authorization::Bearer(token) => {
            let token = token.reveal();
            (String::new(), vec![token.strip_prefix("Bearer ").unwrap_or(token).to_owned()])
        }
        Authorization::Client(client) => (client.id.clone(), vec![client.secret.reveal().to_owned()]),
        Authorization::Signed(secrets) => (String::new(), revealed(secrets)),
    };
    EndpointPeer {
        platform: endpoint.platform.name.to_owned(),
        name: endpoint.name.clone(),
        id,
        secrets,
        calls: endpoint.rate.calls,
    }
}

fn revealed(secrets: &[Secret]) -> Vec<String> {
    secrets.iter().map(|secret| secret.reveal().to_owned()).collect()
}

/// The wall clock as the stand-ins take it.
pub(crate) fn clock() -> standins::Clock {
    let clock = Clock::wall();
    standins::Clock::new(move || clock.now_ms().cast_unsigned())
}

pub(crate) async fn run(config: Config, arguments: StandinArguments) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    shutdown.on_signals().map_err(Failure::failed)?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| Failure::Failed(format!("cannot listen on {}: {error}", arguments.listen)))?;
    tracing::info!(listen = %arguments.listen, ingress = arguments.ingress, "stand-ins of all platforms");
    let standins = Standins::new(setup(&config, &arguments.ingress), clock());
    standins.serve(listener, async move { shutdown.wait().await }).await.map_err(Failure::failed)
}
