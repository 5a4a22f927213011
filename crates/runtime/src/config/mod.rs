//! The configuration: one TOML file, read whole and checked before any port opens.
//!
//! The crate `config` makes a tree of text and environment ([`schema()`] says which keys there are), the tree becomes
//! [`Config`], and rules between keys are checked last. Whatever is wrong is reported at once, each mistake with its path
//! and its remedy. What belongs to one platform is in the crate `platforms`.

mod build;
mod check;
mod environment;
mod rows;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::config::Reader;
use ipnet::IpNet;
use keys::KeyRing;

use crate::Secret;

pub use ::config::{Environment, Fallback, Field, Kind, Mistake, Mistakes, Schema};
pub use environment::real_environment;

const EXAMPLE_HEAD: &str = "\
# Naru's configuration. Each key is shown; a line that begins with `#` and a key gives the default, or an example
# where there is none. `naru config check` finds every mistake at once.
#
# A secret is { env = \"NAME\" }, { file = \"/path\" } or a text. A variable overrides a key: NARU_KAFKA__BROKERS is
# kafka.brokers, {variable} is {path}; one that is empty counts as not set.
";

/// Every key of the configuration, section by section.
#[must_use]
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let (rows, samples) = platforms::fields();
        let fields = rows::CORE.iter().cloned().chain(rows).collect();
        let moved = rows::MOVED.into_iter().chain(platforms::moved()).collect();
        samples
            .into_iter()
            .fold(Schema::new(fields, moved), |schema, (section, sample)| schema.shown_as(section, sample))
    })
}

/// A configuration with every key, its meaning and its default.
#[must_use]
pub fn example() -> String {
    let (channel, account) = platforms::sample_account();
    let variable = format!("NARU_{channel}__{account}__MARKET").to_uppercase().replace('-', "_");
    let path = format!("{channel}.{account}.market");
    let head = EXAMPLE_HEAD.replace("{variable}", &variable).replace("{path}", &path);
    ::config::example(schema(), &head)
}

/// Reads a configuration from the text of a TOML file and the environment.
///
/// # Errors
/// All mistakes at once.
pub fn parse(text: &str, environment: &Environment) -> Result<Config, Mistakes> {
    let mut reader = Reader::new(text, schema(), environment)?;
    let sources: Vec<&str> = platforms::ALL.iter().map(|platform| platform.name).collect();
    let config = build::config(&mut reader, &sources);
    check::rules(&config, &mut reader.mistakes);
    reader.finish(config)
}

/// Reads a configuration file with the real environment.
///
/// # Errors
/// All mistakes at once; a file that cannot be read is one.
pub fn load(file: &std::path::Path) -> Result<Config, Mistakes> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text, &real_environment()),
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
    /// `[instance]`
    pub instance: Instance,
    /// `[admin]`
    pub admin: Admin,
    /// `[ingress]`
    pub ingress: Ingress,
    /// `[processors]`
    pub processors: Processors,
    /// `[sources.<source>]`, for those that have a section; [`Config::source`] has the defaults too.
    pub sources: BTreeMap<String, SourceSettings>,
    /// `[egress]`
    pub egress: Egress,
    /// `[identity]`
    pub identity: Identity,
    /// `[keys]`: the key ring, read already.
    pub keys: Option<Arc<KeyRing>>,
    /// `[vault]`
    pub vault: Vault,
    /// `[<platform>.<name>]`: accounts, clients and webhooks of all platforms.
    pub platforms: platforms::Setup,
}

impl Config {
    /// The cluster that has the vault's topics.
    #[must_use]
    pub fn vault_kafka(&self) -> &Kafka {
        self.vault.kafka.as_ref().unwrap_or(&self.kafka)
    }

    /// How the events of a source are put in order; the defaults where it has no section.
    #[must_use]
    pub fn source(&self, name: &str) -> SourceSettings {
        self.sources.get(name).copied().unwrap_or_default()
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

/// `[instance]`: which of several this process is.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Names this instance permanently: its data folder, its spool and its `transactional.id`s depend on it. Default: the
    /// host name.
    pub id: String,
    /// Where the state is cached; each instance has a folder of its own in it.
    pub data_dir: PathBuf,
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
    /// Proxies whose `Forwarded` or `X-Forwarded-For` is believed; with none the peer's own address counts.
    pub trusted_proxies: Vec<IpNet>,
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
    /// What holds across crashes.
    pub guarantee: Guarantee,
    /// Between commits, ms.
    pub commit_interval: Duration,
    /// Bytes that the reorder buffers of a process hold before the oldest leave early.
    pub hold_bytes: usize,
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

/// `[sources.<source>]`: how the events of one source are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSettings {
    /// How long an event waits for an earlier one of its conversation, ms; zero for events without a place in an order.
    pub hold: Duration,
    /// Whether a conversation's burst is released in one go, which may take up to twice the hold.
    pub together: bool,
}

impl Default for SourceSettings {
    /// As the rows say; a test compares them.
    fn default() -> Self {
        Self { hold: Duration::from_secs(2), together: false }
    }
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
