//! `naru dev`: ingress, processors, egress, stand-ins and a broker in one process, to see a crossing without any
//! account. Nothing is kept.

mod account;
mod cluster;
mod demo;
mod front;
mod show;

use std::path::PathBuf;
use std::sync::Arc;

use ingress::{Edge, KafkaLog, Routes};
use platforms::Authorization;
use runtime::config::{self, Config, Environment};
use runtime::{Clock, Readiness, Secret, Shutdown};
use schemas::TopicNames;
use standins::Standins;
use tokio::net::TcpListener;

use crate::cli::DevArguments;
use crate::{Failure, keys_command, load, service, standin};
use cluster::Cluster;
use show::Watcher;

/// Calls that one token may make in a minute, at the stand-in and for egress alike: far above what a demo sends, so
/// that it need not wait. The real limit is 300.
const CALLS_PER_MINUTE: u32 = 1_000_000;

/// What the built-in configuration has besides the platforms' own accounts.
const BUILT_IN: &str = include_str!("built_in.toml");

/// The built-in configuration: an account on every platform.
fn built_in() -> String {
    let accounts = platforms::ALL.iter().map(|platform| platform.demo);
    [BUILT_IN].into_iter().chain(accounts).collect::<Vec<_>>().join("\n")
}

/// Everything that runs.
pub(crate) struct Dev {
    pub(crate) config: Config,
    pub(crate) cluster: Cluster,
    pub(crate) standins: Standins,
    pub(crate) status: runtime::worker::Status,
    pub(crate) watcher: Watcher,
    pub(crate) url: String,
    pub(crate) shutdown: Shutdown,
    pub(crate) quiet: bool,
}

/// Runs until Ctrl-C, or until the demo messages are through.
pub(crate) async fn run(arguments: DevArguments, accounts: Option<PathBuf>) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    shutdown.on_signals().map_err(Failure::failed)?;
    let listen = arguments.listen;
    let front = TcpListener::bind(listen).await.map_err(|error| {
        Failure::Failed(format!("cannot listen on {listen}: {error}; choose another address with --listen"))
    })?;
    let platforms = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Failure::failed)?;
    let url = format!("http://{}", front.local_addr().map_err(Failure::failed)?);
    let data = tempfile::tempdir().map_err(Failure::failed)?;
    let mut config = match accounts {
        Some(file) => load(&file)?,
        None => config::parse(&built_in(), &Environment::of([]))
            .map_err(|mistakes| Failure::Failed(mistakes.to_string()))?,
    };
    let cluster = Cluster::start(&config)?;
    let api = format!("http://{}", platforms.local_addr().map_err(Failure::failed)?);
    take_inside(&mut config, &cluster, &api, data.path());

    let standins = Standins::new(standin::setup(&config, &url), standin::clock());
    let ends = shutdown.clone();
    let served = standins.clone().serve(platforms, async move { ends.wait().await });
    let served = tokio::spawn(served);
    let readiness = Readiness::new();
    let watcher = Watcher::default();
    let worker = service::start_processors(&config, &shutdown, &readiness).await?;
    let egress = tokio::spawn({
        let (config, shutdown, readiness) = (config.clone(), shutdown.clone(), readiness.clone());
        let observer = watcher.observer();
        async move { service::run_egress(&config, &shutdown, &readiness, Some(observer)).await }
    });
    let edge = edge(&config)?;
    let front = tokio::spawn(front::serve(front, Arc::new(edge), standins.clone(), shutdown.clone()));

    let dev = Dev {
        config,
        cluster,
        standins,
        status: worker.status().clone(),
        watcher,
        url,
        shutdown: shutdown.clone(),
        quiet: arguments.quiet,
    };
    let result = dev.work(arguments.messages, &readiness).await;
    shutdown.trigger();
    let _ = front.await;
    let egress = egress.await.map_err(Failure::failed)?;
    tokio::task::spawn_blocking(move || worker.join()).await.map_err(Failure::failed)?;
    let _ = served.await;
    result.and(egress)
}

impl Dev {
    async fn work(&self, messages: Option<u32>, readiness: &Readiness) -> Result<(), Failure> {
        let ready = async {
            while !readiness.is_ready() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = ready => {}
            () = self.shutdown.wait() => return Ok(()),
        }
        match messages {
            Some(messages) => tokio::select! {
                result = demo::run(self, messages) => result,
                () = self.shutdown.wait() => Err(Failure::Failed("ended before all messages were through".to_owned())),
            },
            None => {
                show::run(self).await;
                Ok(())
            }
        }
    }
}

/// Points a configuration at the broker and the platforms inside this process.
fn take_inside(config: &mut Config, cluster: &Cluster, api: &str, data: &std::path::Path) {
    config.kafka.brokers = cluster.brokers().to_owned();
    config.kafka.partitions = cluster::PARTITIONS;
    config.kafka.replication_factor = 1;
    config.kafka.schema_registry_url = None;
    config.kafka.properties.clear();
    // The mock does not wake a waiting fetch when records arrive, so that each hop would take the whole wait.
    config.kafka.properties.insert("fetch.wait.max.ms".to_owned(), Secret::new("10"));
    config.instance.data_dir = data.to_owned();
    config.processors.threads = 1;
    // As everywhere: nothing lies in a topic as it was written. The key ends with the process, as the topics do.
    config.keys.get_or_insert_with(|| Arc::new(keys_command::passing()));
    for endpoint in &mut config.platforms.endpoints {
        let path = standins::endpoint_path(endpoint.platform.name, &endpoint.name);
        endpoint.api_url = format!("{api}{path}");
        if let Authorization::Client(client) = &mut endpoint.authorization {
            api.clone_into(&mut client.login_url);
            endpoint.rate.calls = CALLS_PER_MINUTE;
        }
    }
}

/// The edge, without what an open port needs.
fn edge(config: &Config) -> Result<Edge<Arc<KafkaLog>>, Failure> {
    let names = TopicNames::new(&config.kafka.topic_prefix);
    let routes = Routes::new(&config.platforms.webhooks, &names);
    let log = Arc::new(KafkaLog::new(&config.kafka, &routes.topics()).map_err(Failure::failed)?);
    let edge = Edge::new(routes, log, Clock::wall(), ingress::Settings::from(&config.ingress));
    Ok(edge.with_keys(config.keys.clone()))
}
