//! Outboxes to the platforms: outbox record → lane → limit → authorisation → call → verdict → delivery record → commit.
//!
//! Read along the data path: [`kafka`] hands records to the [`engine`], which puts each into its lane; the
//! [`courier`] takes it from there until its final delivery record is acknowledged; [`frontier`] says what may be
//! committed then. No platform is named here: what is special to one is behind its [`platforms::Api`].

use std::sync::Arc;

use futures_util::future::join_all;
use platforms::Platform;
use runtime::config::Config;
use runtime::{Clock, Readiness, Shutdown};
use schemas::Framings;
use tokio::sync::mpsc;

pub mod address;
pub mod breaker;
pub mod conversations;
pub mod courier;
mod deliveries_reader;
pub mod delivery;
pub mod endpoint;
pub mod engine;
pub mod frontier;
pub mod history;
pub mod http;
pub mod kafka;
pub mod lanes;
pub mod lease;
pub mod limit;
mod meters;
pub mod outbox;
pub mod progress;
pub mod retry;
pub mod seam;
pub mod settings;
pub mod sink;
pub mod token;
pub mod window;

use courier::{Courier, Observer, Parts};
use endpoint::Endpoints;
use progress::Progress;
use seam::Addresses;
use settings::Settings;

/// What [`run`] gets from its process.
pub struct Dependencies<A> {
    /// The addresses of persons.
    pub addresses: Arc<A>,
    /// Framings of the topics' values.
    pub framings: Framings,
    /// Ends the service: running calls get 5 s, what is finished is committed, the groups are left.
    pub shutdown: Shutdown,
    /// Gets a condition for each destination.
    pub readiness: Readiness,
    /// Called for every delivery record once it is acknowledged, also for those that announce a call.
    pub observer: Option<Observer>,
}

/// Runs egress to every platform of the configuration until the shutdown. The process must have installed a crypto
/// provider of rustls.
///
/// # Errors
/// If it cannot start or go on: topics that do not fit, a client of Kafka that failed permanently. The other
/// destinations are then ended too. The text is for a person.
pub async fn run<A: Addresses>(config: &Config, dependencies: Dependencies<A>) -> Result<(), String> {
    let destinations = config.platforms.platforms();
    let services = destinations.into_iter().map(|destination| serve(destination, config, &dependencies));
    join_all(services).await.into_iter().collect()
}

/// One destination: a thread for Kafka, the engine on this task.
async fn serve<A: Addresses>(
    destination: &'static Platform,
    config: &Config,
    dependencies: &Dependencies<A>,
) -> Result<(), String> {
    let result = deliver(destination, config, dependencies).await;
    if result.is_err() {
        dependencies.shutdown.trigger();
    }
    result
}

async fn deliver<A: Addresses>(
    destination: &'static Platform,
    config: &Config,
    dependencies: &Dependencies<A>,
) -> Result<(), String> {
    let Dependencies { addresses, framings, shutdown, readiness, observer } = dependencies;
    let (name, topics) = (destination.name, destination.destination);
    let settings = Settings::new(config);
    let http = http::Http::new(settings.call_timeout).map_err(|error| format!("the HTTP client: {error}"))?;
    let deliveries = framings.of(topics.deliveries);
    let sink = sink::KafkaSink::new(&config.kafka, destination, &deliveries)
        .map_err(|error| format!("the producer of {name}: {error}"))?;
    let progress = Progress::new(config.egress.window);
    let (inputs, received) = mpsc::unbounded_channel();
    let setup = kafka::Setup {
        kafka: config.kafka.clone(),
        destination,
        group: format!("{}-{name}", config.egress.group),
        framing: deliveries,
        limit_memory: history::limit_memory(destination, &config.platforms),
        progress: progress.clone(),
        inputs,
        shutdown: shutdown.clone(),
        ready: readiness.condition(&format!("egress-{name}")),
        clock: Clock::wall(),
    };
    let courier = Courier::new(Parts {
        destination,
        framing: framings.of(topics.outbox),
        endpoints: Endpoints::new(destination, &config.platforms, &settings, &http),
        settings,
        http,
        sink,
        addresses: addresses.clone(),
        progress,
        clock: Clock::wall(),
        observer: observer.clone(),
    });
    let consumer = tokio::task::spawn_blocking(move || kafka::run(setup));
    let engine = engine::run(Arc::new(courier), received).await;
    // Where the engine ended first, it failed: nothing more is to be read, here or elsewhere in this process.
    let consumer = consumer.await.unwrap_or_else(|error| Err(format!("the Kafka thread of {name}: {error}")));
    engine.and(consumer)
}
