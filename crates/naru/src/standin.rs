//! `naru standins`: the stand-ins of both platforms alone, for the compose stack's demo profile, set up from the
//! accounts of the configuration.

use std::time::Duration;

use runtime::config::Config;
use runtime::{Clock, Shutdown};
use standins::{Channel, GenesysSetup, Integration, LineSetup, OAuthClient, Setup, Standins};
use tokio::net::TcpListener;

use crate::Failure;
use crate::cli::StandinArguments;

/// How far analytics lags behind: the real one does by minutes, which nobody wants to watch.
const ANALYTICS_LAG: Duration = Duration::from_secs(3);

/// The stand-ins of every account of `config`, which send their webhooks to `ingress` (`http://host:port`). Their
/// limits are the configuration's own.
pub(crate) fn setup(config: &Config, ingress: &str) -> Setup {
    let clients = config.genesys.values().map(|client| OAuthClient {
        id: client.client_id.clone(),
        secret: client.client_secret.reveal().to_owned(),
    });
    let integrations = config.line.iter().map(|(name, account)| Integration {
        id: account.integration.clone(),
        name: name.clone(),
        webhook_url: format!("{ingress}/webhooks/genesys/{}", account.integration),
        webhook_secret: account.webhook_secrets[0].reveal().to_owned(),
        webhook_headers: Vec::new(),
    });
    let channels = config.line.iter().map(|(name, account)| Channel {
        account: name.clone(),
        bot_user_id: format!("U{:0>32}", "0"),
        secret: account.channel_secrets[0].reveal().to_owned(),
        access_token: account.access_token.reveal().to_owned(),
        webhook_url: format!("{ingress}/webhooks/line/{name}"),
    });
    let calls_per_minute = config.genesys.values().map(|client| client.calls_per_minute).min().unwrap_or(300);
    let calls_per_second =
        config.line.values().map(|account| account.calls_per_second).min().unwrap_or(2_000);
    Setup {
        genesys: GenesysSetup {
            clients: clients.collect(),
            integrations: integrations.collect(),
            calls_per_minute: calls_per_minute as usize,
            analytics_lag: ANALYTICS_LAG,
            ..GenesysSetup::default()
        },
        line: LineSetup {
            channels: channels.collect(),
            calls_per_second: calls_per_second as usize,
            ..LineSetup::default()
        },
    }
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
    tracing::info!(listen = %arguments.listen, ingress = arguments.ingress, "stand-ins of LINE and Genesys Cloud");
    let standins = Standins::new(setup(&config, &arguments.ingress), clock());
    standins.serve(listener, async move { shutdown.wait().await }).await.map_err(Failure::failed)
}
