//! The service: configuration in, the edge on Kafka out.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use rdkafka::error::KafkaError;
use runtime::config::Config;
use runtime::tls::{ServerTls, TlsError};
use runtime::{Clock, Readiness, Shutdown};
use schemas::TopicNames;
use tokio::net::TcpListener;

use crate::{Edge, KafkaLog, Routes, Settings, Spool, SpoolSettings, serve};

/// Why the service cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The certificate or its key.
    Tls(TlsError),
    /// The settings of the Kafka client.
    Kafka(KafkaError),
    /// The folder of the spool.
    Spool(PathBuf, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Tls(error) => write!(f, "ingress.tls: {error}"),
            StartError::Kafka(error) => write!(f, "kafka: {error}"),
            StartError::Spool(dir, error) => write!(f, "ingress.spool.dir: {}: {error}", dir.display()),
        }
    }
}

impl std::error::Error for StartError {}

/// Runs ingress on `listener` until `shutdown`. Webhooks are taken at once, into the spool while the broker is away;
/// what is in it at the end waits there for the next process. The condition `kafka` is met once the broker has every topic, `ingress` until the end is asked for.
///
/// # Errors
/// If the certificate, the settings of the Kafka client or the spool are unusable. Nothing was accepted then.
pub async fn run(
    config: &Config,
    listener: TcpListener,
    readiness: &Readiness,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let tls = config.ingress.tls.as_ref().map(ServerTls::load).transpose().map_err(StartError::Tls)?;
    let acceptor = tls.as_ref().map(ServerTls::acceptor);
    let webhooks = &config.platforms.webhooks;
    let routes = Routes::new(webhooks, &TopicNames::new(&config.kafka.topic_prefix));
    let log = Arc::new(KafkaLog::new(&config.kafka, &routes.topics()).map_err(StartError::Kafka)?);
    let spool = SpoolSettings::new(&config.ingress.spool, &config.instance.id);
    let dir = spool.dir.clone();
    let spool = Spool::open(spool, Clock::wall()).map_err(|error| StartError::Spool(dir, error))?;
    let spool = Arc::new(spool);
    let edge = Edge::new(routes, log.clone(), Clock::wall(), Settings::from(&config.ingress));
    let edge = edge
        .with_spool(spool.clone())
        .with_keys(config.keys.clone())
        .with_trusted_proxies(config.ingress.trusted_proxies.clone());
    let (broker, open) = (readiness.condition("kafka"), readiness.condition("ingress"));
    open.set(true);
    tracing::info!(webhooks = webhooks.len(), tls = acceptor.is_some(), "taking webhooks");

    let watch = async {
        log.wait_for_topics().await;
        broker.set(true);
        std::future::pending::<()>().await;
    };
    let renew = async {
        if let Some(tls) = tls
            && let Err(error) = tls.keep_fresh().await
        {
            tracing::warn!(%error, "certificate is not renewed without a restart");
        }
        std::future::pending::<()>().await;
    };
    let close = async {
        shutdown.wait().await;
        open.set(false);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serve(listener, acceptor, Arc::new(edge), shutdown.clone()) => {}
        () = async { tokio::join!(watch, renew, close, spool.drain(&log)); } => {}
    }
    Ok(())
}
