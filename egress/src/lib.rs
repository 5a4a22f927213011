//! Outboxes to the platforms: outbox record → lane → limit → token → call → verdict → delivery record → commit.
//!
//! Read along the data path: [`kafka`] hands records to the [`engine`], which puts each into its lane; the
//! [`courier`] takes it from there until its last delivery record is acknowledged; [`frontier`] says what may be
//! committed then.

use std::sync::Arc;

use runtime::config::Config;
use runtime::registry::Framings;
use runtime::{Clock, Readiness, Shutdown};
use tokio::sync::mpsc;

pub mod address;
pub mod conversations;
pub mod courier;
pub mod endpoint;
pub mod engine;
pub mod frontier;
pub mod gate;
pub mod history;
pub mod http;
pub mod kafka;
pub mod lanes;
pub mod limit;
mod meters;
pub mod outbox;
mod past;
pub mod platform;
pub mod progress;
pub mod retry;
pub mod seam;
pub mod sink;
pub mod token;
pub mod window;

use courier::{Courier, Observer, Parts};
use endpoint::{Endpoints, Settings};
use outbox::Destination;
use progress::Progress;
use seam::Addresses;

/// What [`run`] gets from its process.
pub struct Surroundings<A> {
    /// The address book.
    pub addresses: Arc<A>,
    /// Framings of the topics' values.
    pub framings: Framings,
    /// Ends the service: running calls get 5 s, what is finished is committed, the groups are left.
    pub shutdown: Shutdown,
    /// Gets a condition for each destination.
    pub readiness: Readiness,
    /// Told of every delivery record once it is acknowledged, also of those that announce a call.
    pub observer: Option<Observer>,
}

/// Runs egress to every destination until the shutdown. The process must have installed a crypto provider of rustls.
///
/// # Errors
/// If it cannot start or go on: topics that do not fit, a client of Kafka that failed for good. The other destination
/// is then ended too. The text is for a person.
pub async fn run<A: Addresses>(config: &Config, surroundings: Surroundings<A>) -> Result<(), String> {
    let [genesys, line] = Destination::ALL.map(|destination| serve(destination, config, &surroundings));
    let (genesys, line) = tokio::join!(genesys, line);
    genesys.and(line)
}

/// One destination: a thread for Kafka, the engine on this task.
async fn serve<A: Addresses>(
    destination: Destination,
    config: &Config,
    surroundings: &Surroundings<A>,
) -> Result<(), String> {
    let Surroundings { addresses, framings, shutdown, readiness, observer } = surroundings;
    let settings = Settings::new(config);
    let http = http::Http::new(settings.call_timeout).map_err(|error| format!("the HTTP client: {error}"))?;
    let deliveries = framings.of(destination.deliveries());
    let sink = sink::KafkaSink::new(&config.kafka, destination, deliveries)
        .map_err(|error| format!("the producer of {}: {error}", destination.name()))?;
    let progress = Progress::new(config.egress.window);
    let (inputs, received) = mpsc::unbounded_channel();
    let setup = kafka::Setup {
        kafka: config.kafka.clone(),
        destination,
        group: format!("{}-{}", config.egress.group, destination.name()),
        framing: deliveries,
        progress: progress.clone(),
        inputs,
        shutdown: shutdown.clone(),
        ready: readiness.condition(&format!("egress-{}", destination.name())),
        clock: Clock::wall(),
    };
    let courier = Courier::new(Parts {
        destination,
        framing: framings.of(destination.outbox()),
        endpoints: Endpoints::new(destination, config, &settings, &http),
        settings,
        http,
        sink,
        addresses: addresses.clone(),
        progress,
        clock: Clock::wall(),
        observer: observer.clone(),
    });
    let rim = tokio::task::spawn_blocking(move || kafka::run(setup));
    let engine = engine::run(Arc::new(courier), received).await;
    // Where the engine ended first, it failed: nothing more is to be read, here or elsewhere in this process.
    let rim =
        rim.await.unwrap_or_else(|error| Err(format!("the Kafka thread of {}: {error}", destination.name())));
    let result = engine.and(rim);
    if result.is_err() {
        shutdown.trigger();
    }
    result
}
