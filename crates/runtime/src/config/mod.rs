//! The configuration: one TOML file, read whole and checked before any port opens.
//!
//! Text and environment become a tree ([`schema()`] says which keys there are), the tree becomes [`Config`], and rules
//! between keys are checked last. Whatever is wrong is told at once, each mistake with its path and its remedy.

mod build;
mod check;
mod environment;
mod example;
mod mistake;
mod reader;
mod schema;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keys::KeyRing;

use crate::Secret;

pub use environment::Environment;
pub use example::example;
pub use mistake::{Mistake, Mistakes};
pub use schema::{Fallback, Field, Kind, REGIONS, is_environment_name, schema};

/// Reads a configuration from the text of a TOML file and the environment.
///
/// # Errors
/// All mistakes at once.
pub fn parse(text: &str, environment: &Environment) -> Result<Config, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut tree = tree::parse(text, &mut mistakes);
    // Nothing can be said about keys of a file that could not be read.
    mistakes.clone().or(())?;
    tree::overlay(&mut tree, environment, &mut mistakes);
    tree::unknown_keys(&tree, &mut mistakes);
    let mut reader = reader::Reader::new(&tree, environment, mistakes);
    let config = build::config(&mut reader);
    check::rules(&config, &mut reader.mistakes);
    reader.mistakes.or(config)
}

/// Reads a configuration file with the real environment.
///
/// # Errors
/// All mistakes at once; a file that cannot be read is one.
pub fn load(file: &std::path::Path) -> Result<Config, Mistakes> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text, &Environment::real()),
        Err(error) => {
            let mut mistakes = Mistakes::default();
            let what = format!("cannot be read: {}", error.kind());
            mistakes.add(&file.display().to_string(), what, "name the file with --config or NARU_CONFIG");
            Err(mistakes)
        }
    }
}

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[kafka]`
    pub kafka: Kafka,
    /// `[admin]`
    pub admin: Admin,
    /// `[ingress]`
    pub ingress: Ingress,
    /// `[processors]`
    pub processors: Processors,
    /// `[egress]`
    pub egress: Egress,
    /// `[identity]`
    pub identity: Identity,
    /// `[keys]`: the key ring, read already.
    pub keys: Option<Arc<KeyRing>>,
    /// `[vault]`
    pub vault: Vault,
    /// `[genesys.<name>]`: OAuth clients of Genesys Cloud organisations.
    pub genesys: BTreeMap<String, GenesysClient>,
    /// `[line.<account>]`: LINE Official Accounts, each with its integration.
    pub line: BTreeMap<String, LineAccount>,
}

impl Config {
    /// The cluster that has the vault's topics.
    #[must_use]
    pub fn vault_kafka(&self) -> &Kafka {
        self.vault.kafka.as_ref().unwrap_or(&self.kafka)
    }
}

/// `[kafka]`: the cluster.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Prefix of every topic (`naru.`).
    pub topic_prefix: String,
    /// Partitions of each topic that `naru topics create` makes.
    pub partitions: i32,
    /// Replicas of each topic that `naru topics create` makes.
    pub replication_factor: i32,
    /// Schema registry, if Avro values are to carry Confluent's framing.
    pub schema_registry_url: Option<String>,
    /// librdkafka properties passed through to every client (`security.protocol`, `sasl.password` …).
    pub properties: BTreeMap<String, Secret>,
}

/// `[admin]`: the port for probes and metrics of each service.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where `/health/live`, `/health/ready` and `/metrics` are served.
    pub listen: SocketAddr,
}

/// `[ingress]`: the HTTP edge.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// Where webhooks are received.
    pub listen: SocketAddr,
    /// Own TLS; plain where absent, behind a proxy.
    pub tls: Option<Tls>,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// Largest body, in bytes; more is answered 413.
    pub body_limit: usize,
    /// For the whole request head, ms.
    pub header_timeout: Duration,
    /// For the whole body, ms.
    pub body_timeout: Duration,
    /// For the broker's acknowledgement; without one by then a request goes to the spool.
    pub ack_timeout: Duration,
    /// `[ingress.spool]`
    pub spool: Spool,
}

/// `[ingress.spool]`: where webhooks are kept while Kafka is away.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Folder; each instance has one of its own in it, and may drain those of instances that are gone.
    pub dir: PathBuf,
    /// What an instance's files may take, in bytes; more is answered 503.
    pub max_bytes: usize,
}

/// `[ingress.tls]`: certificate chain and key, PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// File of the chain, leaf first.
    pub certificate: PathBuf,
    /// File of the private key.
    pub key: PathBuf,
}

/// What the processors promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Outputs, changelog and offsets in one transaction.
    ExactlyOnce,
    /// Outputs, then changelog, then offsets: for brokers without transactions. A crash repeats what egress then drops
    /// by the event's identity, or sends again.
    AtLeastOnce,
}

/// `[processors]`: the stream threads.
#[derive(Debug, Clone)]
pub struct Processors {
    /// Consumer group.
    pub group: String,
    /// Stream threads of a process.
    pub threads: usize,
    /// Names this instance for ever: its data folder and `transactional.id`s hang on it. Default: host name.
    pub instance_id: String,
    /// Where the state is cached.
    pub data_dir: PathBuf,
    /// What holds across crashes.
    pub guarantee: Guarantee,
    /// Between commits, ms.
    pub commit_interval: Duration,
    /// Bytes that the reorder buffers of a process hold before the oldest leave early.
    pub hold_bytes: usize,
    /// Hold of `webhooks.line`, ms.
    pub hold_line: Duration,
    /// Hold of `webhooks.genesys`, ms.
    pub hold_genesys: Duration,
    /// Hold of a partition while records come out of a spool, ms.
    pub hold_spooled: Duration,
    /// How long an event is remembered, days.
    pub dedupe_days: u32,
    /// How long the raw topics keep a record, days: what a replay can bring back.
    pub raw_days: u32,
    /// The file of the user's own masking rules.
    pub mask_rules: Option<PathBuf>,
    /// Whether what agents write is masked.
    pub masks_agent_texts: bool,
}

/// `[egress]`: the calls to the platforms.
#[derive(Debug, Clone)]
pub struct Egress {
    /// Consumer group.
    pub group: String,
    /// Message bodies in memory; more pauses the partitions.
    pub window: usize,
    /// Calls at once to one destination.
    pub concurrency: usize,
    /// For a whole call, ms.
    pub call_timeout: Duration,
    /// Delays before the first retries; later ones double up to `retry_cap`.
    pub retry_delays: Vec<Duration>,
    /// Longest delay between retries.
    pub retry_cap: Duration,
    /// Age at which a message that could not be sent becomes a dead letter; below LINE's 24 h for retry keys.
    pub give_up_after: Duration,
    /// How long Genesys's analytics are asked for a message that may have arrived in an unknown conversation, ms.
    pub ask_for: Duration,
    /// What becomes of it then.
    pub in_doubt: InDoubt,
}

/// What becomes of a message of which nobody can say whether Genesys has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// It is sent again, and may be there twice.
    Send,
    /// It becomes a dead letter, and may be missing.
    Hold,
}

/// `[identity]`: how a person's GUID is made.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Key of the HMAC over (channel, account, platform id). Another key makes everybody a stranger.
    pub key: Secret,
}

/// `[vault]`: what becomes of what is masked.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Whether it is kept.
    pub keeps: bool,
    /// Whether tokens go to Genesys.
    pub sends_tokens: bool,
    /// How long a value may be revealed, days.
    pub keep_days: u32,
    /// The same for some kinds; 0 is not kept.
    pub keep_days_of: BTreeMap<String, u32>,
    /// A cluster of its own.
    pub kafka: Option<Kafka>,
}

/// `[genesys.<name>]`: one OAuth client.
#[derive(Debug, Clone)]
pub struct GenesysClient {
    /// `https://api.mypurecloud.jp`; from `region` where that is given.
    pub api_url: String,
    /// `https://login.mypurecloud.jp`; from `region` where that is given.
    pub login_url: String,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Secret,
    /// Calls in any 60 s with one token (300 unless Genesys raised it).
    pub calls_per_minute: u32,
}

/// `[line.<account>]`: one LINE Official Account and the integration that it feeds.
#[derive(Debug, Clone)]
pub struct LineAccount {
    /// One or two channel secrets: two while one is being rotated.
    pub channel_secrets: Vec<Secret>,
    /// Long-lived channel access token.
    pub access_token: Secret,
    /// `https://api.line.me` unless a test says otherwise.
    pub api_url: String,
    /// Calls in any 1,000 ms to one endpoint (2,000 by LINE's reference).
    pub calls_per_second: u32,
    /// Name of the `[genesys.<name>]` client.
    pub genesys: String,
    /// Id of the Open Messaging integration.
    pub integration: String,
    /// One or two signature secrets of the integration's outbound webhook, each longer than 15 characters.
    pub webhook_secrets: Vec<Secret>,
    /// `customAttributes.market`
    pub market: Option<String>,
    /// `customAttributes.brand`
    pub brand: Option<String>,
}
