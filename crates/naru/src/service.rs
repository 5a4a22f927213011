//! The three services as processes: configuration → ports → run → drain.

use std::net::SocketAddr;
use std::sync::Arc;

use egress::address::TableAddresses;
use mask::Masker;
use platforms::Platform;
use runtime::admin::Condition;
use runtime::config::{self, Config, SourceSettings};
use runtime::store::StateStore;
use runtime::table::Table;
use runtime::worker::{self, Source, Worker};
use runtime::{Readiness, Shutdown, admin, metrics, registry};
use schemas::{Framing, Framings, Topic, TopicNames};
use streams::Limits;
use tokio::net::TcpListener;

use crate::Failure;
use crate::cli::DevArguments;
use crate::people::IdentityTable;
use crate::vault::{self, Keeper, Keeping};

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What `NARU_LOG` asks for.
pub(crate) fn log_filter() -> Option<String> {
    config::real_environment().log_filter().map(ToOwned::to_owned)
}

/// The same for `naru dev`, where a person reads along: only what is wrong, unless told otherwise.
pub(crate) fn dev_filter(arguments: &DevArguments) -> Option<String> {
    let quiet = if arguments.quiet { "error" } else { "warn" };
    log_filter().or_else(|| Some(format!("{quiet},librdkafka=off")))
}

/// `naru ingress`
pub(crate) async fn ingress(config: Config, shutdown: Shutdown) -> Result<(), Failure> {
    let readiness = Readiness::new();
    let admin = bind("admin.listen", config.admin.listen).await?;
    let listener = bind("ingress.listen", config.ingress.listen).await?;
    announce("ingress");
    let run = async { ingress::run(&config, listener, &readiness, shutdown).await.map_err(Failure::failed) };
    beside_admin(admin, &readiness, run).await
}

/// `naru processors`
pub(crate) async fn processors(config: Config, shutdown: Shutdown) -> Result<(), Failure> {
    let readiness = Readiness::new();
    let admin = bind("admin.listen", config.admin.listen).await?;
    announce("processors");
    let run = async {
        let worker = start_processors(&config, &shutdown, &readiness).await?;
        shutdown.wait().await;
        tokio::task::spawn_blocking(move || worker.join()).await.map_err(Failure::failed)
    };
    beside_admin(admin, &readiness, run).await
}

/// `naru egress`
pub(crate) async fn egress(config: Config, shutdown: Shutdown) -> Result<(), Failure> {
    let readiness = Readiness::new();
    let admin = bind("admin.listen", config.admin.listen).await?;
    announce("egress");
    let run = run_egress(&config, &shutdown, &readiness, None);
    beside_admin(admin, &readiness, run).await
}

/// Loads the table of addresses, then delivers until the shutdown.
pub(crate) async fn run_egress(
    config: &Config,
    shutdown: &Shutdown,
    readiness: &Readiness,
    observer: Option<egress::courier::Observer>,
) -> Result<(), Failure> {
    let store = open_store(config, "egress")?;
    let framings = framings(config).await?;
    let table = load_identity(config, &store, shutdown, readiness).await?;
    let addresses = Arc::new(TableAddresses::new(table, &framings.of(Topic::IDENTITY)));
    let dependencies = egress::Dependencies {
        addresses,
        framings,
        shutdown: shutdown.clone(),
        readiness: readiness.clone(),
        observer,
    };
    egress::run(config, dependencies).await.map_err(Failure::Failed)
}

async fn framings(config: &Config) -> Result<Framings, Failure> {
    registry::framings(&config.kafka, &config.platforms.platforms()).await.map_err(Failure::failed)
}

/// Loads the tables, then starts the stream threads: a chain for each platform that is in use.
pub(crate) async fn start_processors(
    config: &Config,
    shutdown: &Shutdown,
    readiness: &Readiness,
) -> Result<Worker, Failure> {
    let store = open_store(config, "processors")?;
    let framings = framings(config).await?;
    let table = load_identity(config, &store, shutdown, readiness).await?;
    let keeping = open_vault(config, &store, framings.of(Topic::VAULT), shutdown, readiness).await?;
    let masker = Arc::new(crate::mask::masker(config.processors.mask_rules.as_deref())?);
    let identity = framings.of(Topic::IDENTITY);
    let chain = |platform: &&'static Platform| {
        let settings = settings(config, platform, masker.clone(), framings.clone());
        let (table, identity, keeping) = (table.clone(), identity.clone(), keeping.clone());
        Source {
            topic: platform.source.webhooks,
            changelog: platform.source.dedupe,
            outputs: processors::outputs(&settings),
            label: platform.name,
            chain: Box::new(move || {
                let people = IdentityTable::new(table.clone(), &identity);
                processors::chain(&settings, people, Keeper::new(keeping.clone()))
            }),
            limits: limits(config),
        }
    };
    let sources: Vec<_> = config.platforms.platforms().iter().map(chain).collect();
    let (config, shutdown, readiness) = (config.clone(), shutdown.clone(), readiness.clone());
    let start = move || worker::start(&config, sources, store, &shutdown, &readiness);
    tokio::task::spawn_blocking(start).await.map_err(Failure::failed)?.map_err(Failure::failed)
}

fn settings(
    config: &Config,
    source: &'static Platform,
    masker: Arc<Masker>,
    framings: Framings,
) -> processors::Settings {
    let SourceSettings { hold, together } = config.source(source.name);
    processors::Settings {
        source,
        routes: processors::routes(source, &config.platforms),
        hold_ms: millis(hold),
        together,
        hold_spooled_ms: millis(config.processors.hold_spooled),
        masker,
        mask_agent_texts: config.processors.masks_agent_texts,
        keys: config.keys.clone(),
        identity_key: config.identity.key.reveal().as_bytes().to_vec(),
        framings,
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        dedupe_retention: i64::from(config.processors.dedupe_days) * DAY_MS,
        source_retention: i64::from(config.processors.raw_days) * DAY_MS,
        too_old: schemas::Reason::TooOld.code(),
        too_far_in_future: schemas::Reason::TooFarInFuture.code(),
    }
}

fn open_store(config: &Config, service: &str) -> Result<Arc<StateStore>, Failure> {
    let store = StateStore::open(&config.instance.data_dir, &config.instance.id, service);
    store.map(Arc::new).map_err(Failure::failed)
}

/// Loads the vault, where something is kept, and sees to it that what is over is removed.
async fn open_vault(
    config: &Config,
    store: &Arc<StateStore>,
    framing: Framing,
    shutdown: &Shutdown,
    readiness: &Readiness,
) -> Result<Option<Keeping>, Failure> {
    let Some(ring) = config.keys.clone().filter(|_| config.vault.keeps) else { return Ok(None) };
    let topic = TopicNames::new(&config.kafka.topic_prefix).of(Topic::VAULT);
    let kafka = config.vault_kafka();
    let loaded = readiness.condition("vault loaded");
    let table = load_table(kafka, topic.clone(), &loaded, store, shutdown).await?;
    vault::check_ring(&table, &ring, &framing).map_err(Failure::Failed)?;
    tokio::spawn(vault::expiry::run(table.clone(), kafka.clone(), topic, framing.clone(), shutdown.clone()));
    let config::Vault { keep_days: days, keep_days_of: days_of, sends_tokens, .. } = config.vault.clone();
    Ok(Some(Keeping { table, ring, framing, days, days_of, sends_tokens }))
}

async fn load_identity(
    config: &Config,
    store: &Arc<StateStore>,
    shutdown: &Shutdown,
    readiness: &Readiness,
) -> Result<Table, Failure> {
    let topic = TopicNames::new(&config.kafka.topic_prefix).of(Topic::IDENTITY);
    let loaded = readiness.condition("identity table loaded");
    load_table(&config.kafka, topic, &loaded, store, shutdown).await
}

/// Starts a table and waits until it has reached its topic's end once.
async fn load_table(
    kafka: &config::Kafka,
    topic: String,
    loaded: &Condition,
    store: &Arc<StateStore>,
    shutdown: &Shutdown,
) -> Result<Table, Failure> {
    let (kafka, store, stop) = (kafka.clone(), Arc::clone(store), shutdown.clone());
    let start = tokio::task::spawn_blocking(move || Table::start(&kafka, &topic, &store, &stop));
    let table = start.await.map_err(Failure::failed)?.map_err(Failure::Failed)?;
    tokio::select! {
        () = table.loaded() => loaded.set(true),
        () = shutdown.wait() => {}
    }
    Ok(table)
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("the configuration bounds it to days")
}

async fn bind(path: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Failed(format!(
            "{path}: cannot listen on {address}: {error}; choose another address or end what uses it"
        ))
    })
}

fn announce(service: &'static str) {
    metrics::BUILD_INFO.set([env!("CARGO_PKG_VERSION"), service], 1.0);
    tracing::info!(service, version = env!("CARGO_PKG_VERSION"), "starting");
}

/// The admin port answers as long as the service runs, also while it drains.
async fn beside_admin(
    admin: TcpListener,
    readiness: &Readiness,
    run: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        result = run => result,
        never = admin::serve(admin, readiness.clone()) => match never {},
    }
}
