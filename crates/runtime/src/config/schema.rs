//! Every key of the configuration as data: reader, environment, example file and tests use this table.

use Fallback::{Absent, HostName, Required, Value};
use Kind::{
    Address, Choice, Duration, Durations, Integer, Name, Path, PlainUrl, Secret, Secrets, Size, Text, Url,
};

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text that is not empty.
    Text,
    /// A name: `[a-z0-9-]{1,40}`.
    Name,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// Bytes: a whole number, or a text such as `64MiB`.
    Size {
        /// Least value, in bytes.
        min: u64,
        /// Greatest value, in bytes.
        max: u64,
    },
    /// A text such as `100ms`, `2s`, `5m`, `23h`.
    Duration {
        /// Least value, in ms.
        min: u64,
        /// Greatest value, in ms.
        max: u64,
    },
    /// A list of durations.
    Durations {
        /// Greatest value of each, in ms.
        max: u64,
        /// Most items.
        items: usize,
    },
    /// `ip:port`.
    Address,
    /// A file or folder.
    Path,
    /// `https://…`; `http://` only for loopback and for names without a dot (a container beside this one).
    Url,
    /// `https://…` or `http://…`: no secret and no personal data go there.
    PlainUrl,
    /// `{ env = "NAME" }`, `{ file = "path" }` or a text.
    Secret {
        /// Least number of characters, and who asks for it.
        min: (usize, &'static str),
    },
    /// One or two secrets.
    Secrets {
        /// Least number of characters of each, and who asks for it.
        min: (usize, &'static str),
    },
}

/// What holds where the file says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It must be given.
    Required,
    /// It may be absent.
    Absent,
    /// This value, as it would stand in the file.
    Value(&'static str),
    /// The name of the host.
    HostName,
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Where it stands; a part in `<…>` stands for any name.
    pub path: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds without it.
    pub default: Fallback,
    /// A value for the example file, as it would stand there; empty where the default is example enough. Where the key may
    /// have any name, key and value.
    pub example: &'static str,
    /// What it does, for a person.
    pub help: &'static str,
}

const MS: u64 = 1;
const S: u64 = 1_000 * MS;
const M: u64 = 60 * S;
const H: u64 = 60 * M;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// AWS region and Genesys Cloud domain, as Genesys publishes them.
pub const REGIONS: [(&str, &str); 17] = [
    ("us-east-1", "mypurecloud.com"),
    ("us-east-2", "use2.us-gov-pure.cloud"),
    ("us-west-2", "usw2.pure.cloud"),
    ("ca-central-1", "cac1.pure.cloud"),
    ("mx-central-1", "mxc1.pure.cloud"),
    ("sa-east-1", "sae1.pure.cloud"),
    ("eu-west-1", "mypurecloud.ie"),
    ("eu-west-2", "euw2.pure.cloud"),
    ("eu-central-1", "mypurecloud.de"),
    ("eu-central-2", "euc2.pure.cloud"),
    ("me-central-1", "mec1.pure.cloud"),
    ("ap-south-1", "aps1.pure.cloud"),
    ("ap-northeast-1", "mypurecloud.jp"),
    ("ap-northeast-2", "apne2.pure.cloud"),
    ("ap-northeast-3", "apne3.pure.cloud"),
    ("ap-southeast-1", "apse1.pure.cloud"),
    ("ap-southeast-2", "mypurecloud.com.au"),
];

const REGION_NAMES: &[&str] = &{
    let mut names = [""; REGIONS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = REGIONS[i].0;
        i += 1;
    }
    names
};

const fn row(
    path: &'static str,
    kind: Kind,
    default: Fallback,
    example: &'static str,
    help: &'static str,
) -> Field {
    Field { path, kind, default, example, help }
}

const ANY_SECRET: Kind = Secret { min: (1, "a secret") };

#[rustfmt::skip]
static SCHEMA: &[Field] = &[
    row("kafka.brokers", Text, Required, r#""localhost:9092""#,
        "Brokers to start from: host:port, comma-separated"),
    row("kafka.topic_prefix", Text, Value(r#""naru.""#), "",
        "Stands before the name of every topic"),
    row("kafka.partitions", Integer { min: 1, max: 1_000 }, Value("24"), "",
        "Partitions of each topic that `naru topics create` makes; fixed for life"),
    row("kafka.replication_factor", Integer { min: 1, max: 9 }, Value("3"), "",
        "Replicas of each topic that `naru topics create` makes; 1 on a single broker"),
    row("kafka.schema_registry_url", PlainUrl, Absent, r#""http://schema-registry:8081""#,
        "Confluent-compatible schema registry; without it Avro values carry the single-object encoding"),
    row("kafka.properties.<property>", ANY_SECRET, Absent, r#""client.rack" = "zone-a""#,
        "Any librdkafka property (`security.protocol`, `sasl.password` …), passed to every client"),

    row("admin.listen", Address, Value(r#""127.0.0.1:9090""#), "",
        "Port for probes and metrics: /health/live, /health/ready, /metrics. Not for the internet"),

    row("ingress.listen", Address, Value(r#""0.0.0.0:8080""#), "",
        "Port for webhooks"),
    row("ingress.max_connections", Integer { min: 1, max: 100_000 }, Value("4096"), "",
        "Connections at once; more wait to be accepted"),
    row("ingress.body_limit", Size { min: KIB, max: schemas::WEBHOOK_BODY_LIMIT as u64 }, Value(r#""960KiB""#), "",
        "Largest body; more is answered 413"),
    row("ingress.header_timeout", Duration { min: 100 * MS, max: 5 * M }, Value(r#""10s""#), "",
        "For the whole request head"),
    row("ingress.body_timeout", Duration { min: 100 * MS, max: 5 * M }, Value(r#""10s""#), "",
        "For the whole body; later is answered 408"),
    row("ingress.ack_timeout", Duration { min: 50 * MS, max: 1_800 * MS }, Value(r#""1200ms""#), "",
        "For the broker's acknowledgement; without one a request goes to the spool. LINE waits 2 s in all"),
    row("ingress.spool.dir", Path, Value(r#""/var/lib/naru/spool""#), "",
        "Keeps webhooks while Kafka is away, in a folder for each instance; on a shared volume others drain it"),
    row("ingress.spool.max_bytes", Size { min: MIB, max: 1024 * GIB }, Value(r#""1GiB""#), "",
        "What an instance's spool may take; when it is full webhooks are answered 503"),
    row("ingress.tls.certificate", Path, Absent, r#""/etc/naru/tls/chain.pem""#,
        "Certificate chain, PEM, leaf first; without it the port is plain, for use behind a proxy"),
    row("ingress.tls.key", Path, Absent, r#""/etc/naru/tls/key.pem""#,
        "Private key, PEM; read again on SIGHUP and every minute"),

    row("processors.group", Text, Value(r#""naru-processors""#), "",
        "Consumer group"),
    row("processors.threads", Integer { min: 1, max: 64 }, Value("2"), "",
        "Stream threads of a process"),
    row("processors.instance_id", Text, HostName, "",
        "Names this instance for ever: its data folder and transactional ids hang on it"),
    row("processors.data_dir", Path, Value(r#""/var/lib/naru""#), "",
        "Folder of the state cache, one an instance"),
    row("processors.guarantee", Choice(&["exactly_once", "at_least_once"]), Value(r#""exactly_once""#), "",
        "Whether outputs, state and offsets are one transaction; at_least_once is for brokers without them"),
    row("processors.commit_interval", Duration { min: 10 * MS, max: 2 * S }, Value(r#""100ms""#), "",
        "Between commits"),
    row("processors.hold_bytes", Size { min: MIB, max: 64 * GIB }, Value(r#""256MiB""#), "",
        "What the reorder buffers of a process hold before the oldest messages leave early"),
    row("processors.hold_line", Duration { min: 0, max: 60 * S }, Value(r#""2s""#), "",
        "How long a LINE event waits for an earlier one"),
    row("processors.hold_genesys", Duration { min: 0, max: 60 * S }, Value(r#""2s""#), "",
        "How long a Genesys message waits for an earlier one"),
    row("processors.hold_spooled", Duration { min: 0, max: 60 * S }, Value(r#""15s""#), "",
        "How long either waits, if that is longer, while records come out of a spool"),
    row("processors.dedupe_days", Integer { min: 1, max: 366 }, Value("30"), "",
        "How long an event is remembered, in days"),
    row("processors.raw_days", Integer { min: 1, max: 365 }, Value("7"), "",
        "How long the raw topics keep a record, in days: what a replay can bring back"),
    row("processors.mask_rules", Path, Absent, r#""/etc/naru/rules.toml""#,
        "Masking rules of your own, which change the built-in ones or add to them; try them with `naru mask --rules`"),
    row("processors.agent_texts", Choice(&["as_written", "masked"]), Value(r#""as_written""#), "",
        "Whether what agents write is masked too; what customers write always is"),

    row("egress.group", Text, Value(r#""naru-egress""#), "",
        "Consumer group; each destination adds its name"),
    row("egress.window", Integer { min: 1, max: 1_000_000 }, Value("10000"), "",
        "Message bodies in memory; more pauses the partitions"),
    row("egress.concurrency", Integer { min: 1, max: 10_000 }, Value("256"), "",
        "Calls at once to one destination"),
    row("egress.call_timeout", Duration { min: 100 * MS, max: 5 * M }, Value(r#""60s""#), "",
        "For a whole call"),
    row("egress.retry_delays", Durations { max: 10 * M, items: 10 }, Value(r#"["2s", "4s", "8s"]"#), "",
        "Delays before the first retries; later ones double up to `retry_cap`"),
    row("egress.retry_cap", Duration { min: 10 * MS, max: H }, Value(r#""60s""#), "",
        "Longest delay between retries"),
    row("egress.give_up_after", Duration { min: S, max: 23 * H }, Value(r#""23h""#), "",
        "Age at which a message that could not be sent becomes a dead letter; below LINE's 24 h for retry keys"),
    row("egress.ask_for", Duration { min: 0, max: H }, Value(r#""60s""#), "",
        "How long analytics, which lag, are asked for a message in doubt whose conversation is unknown"),
    row("egress.in_doubt", Choice(&["send", "hold"]), Value(r#""send""#), "",
        "What then: send it again, perhaps twice, or make it a dead letter"),

    row("identity.key", Secret { min: (32, "give at least 32, as `openssl rand -hex 32` does") }, Required,
        r#"{ env = "IDENTITY_KEY" }"#,
        "Key of the HMAC that makes a person's GUID (`openssl rand -hex 32`). Another key makes everybody a stranger"),

    row("keys.file", Path, Absent, r#""/etc/naru/keys.toml""#,
        "The key ring (`naru keys init`): ingress seals with it what customers write, processors open it. Keep a copy"),

    row("vault.originals", Choice(&["destroyed", "kept"]), Value(r#""destroyed""#), "",
        "Whether what is masked is kept, sealed by a key of each person's, for `naru vault reveal`; needs `keys.file`"),
    row("vault.tokens", Choice(&["metadata", "none"]), Value(r#""metadata""#), "",
        "Whether Genesys gets the tokens of what is kept, as the message's metadata"),
    row("vault.keep_days", Integer { min: 1, max: 3_650 }, Value("30"), "",
        "How long a value may be revealed, in days"),
    row("vault.brokers", Text, Absent, r#""vault-kafka:9092""#,
        "A Kafka of the vault's own, for `state.vault` and `audit.reveals`; without it they are in the other topics' Kafka"),
    row("vault.properties.<property>", ANY_SECRET, Absent, r#""client.rack" = "zone-a""#,
        "Its librdkafka properties, where it has brokers of its own"),
    row("vault.keep_days_of.<kind>", Integer { min: 0, max: 3_650 }, Absent, "payment_card = 7",
        "The same for one kind; 0 destroys it at once"),

    row("genesys.<name>.region", Choice(REGION_NAMES), Absent, r#""ap-northeast-1""#,
        "AWS region of the organisation; or give `api_url` and `login_url`"),
    row("genesys.<name>.api_url", Url, Absent, "",
        "API host, where `region` does not say it"),
    row("genesys.<name>.login_url", Url, Absent, "",
        "Login host, where `region` does not say it"),
    row("genesys.<name>.client_id", Text, Required, r#""0a1b2c3d-0000-4000-8000-000000000001""#,
        "OAuth client (client credentials); its permissions stand in the README"),
    row("genesys.<name>.client_secret", ANY_SECRET, Required, r#"{ env = "GENESYS_CLIENT_SECRET" }"#,
        "Its secret"),
    row("genesys.<name>.calls_per_minute", Integer { min: 1, max: 1_000_000 }, Value("300"), "",
        "Calls in any 60 s with one token, as Genesys allows"),

    row("line.<account>.channel_secrets", Secrets { min: (1, "a secret") }, Required,
        r#"[{ env = "LINE_CHANNEL_SECRET" }]"#,
        "Channel secret; two while one is being rotated"),
    row("line.<account>.access_token", ANY_SECRET, Required, r#"{ env = "LINE_ACCESS_TOKEN" }"#,
        "Long-lived channel access token"),
    row("line.<account>.api_url", Url, Value(r#""https://api.line.me""#), "",
        "API host"),
    row("line.<account>.calls_per_second", Integer { min: 1, max: 1_000_000 }, Value("2000"), "",
        "Calls in any second to one endpoint, as LINE allows"),
    row("line.<account>.genesys", Name, Required, r#""main""#,
        "Which `[genesys.<name>]` this account feeds"),
    row("line.<account>.integration", Text, Required, r#""a2171742-0000-4000-8000-000000000001""#,
        "Id of the Open Messaging integration; each account has its own"),
    row("line.<account>.webhook_secrets", Secrets { min: (16, "Genesys requires more than 15") }, Required,
        r#"[{ env = "GENESYS_WEBHOOK_SECRET" }]"#,
        "Signature secret of the integration's outbound webhook; two while one is being rotated"),
    row("line.<account>.market", Text, Absent, r#""Thailand""#,
        "customAttributes.market of every message"),
    row("line.<account>.brand", Text, Absent, r#""Shop""#,
        "customAttributes.brand of every message"),
];

/// Variables that begin like ours and are no keys of the configuration: the log filter, the file, and what the test
/// suite sets for the whole of its run.
pub(super) const OTHER_VARIABLES: [&str; 3] = ["NARU_LOG", "NARU_CONFIG", "NARU_REQUIRE_KAFKA"];

/// Variables of the test suite begin with this.
pub(super) const TEST_PREFIX: &str = "NARU_TEST_";

/// What the name of every override begins with.
pub(super) const PREFIX: &str = "NARU_";

/// Every key of the configuration, section by section.
#[must_use]
pub fn schema() -> &'static [Field] {
    SCHEMA
}

/// The row of a concrete path, such as `["line", "shop-th", "market"]`.
pub(super) fn field(at: &[&str]) -> Option<&'static Field> {
    SCHEMA.iter().find(|field| {
        let mut parts = field.path.split('.');
        at.iter().all(|key| parts.next().is_some_and(|part| part == *key || is_wildcard(part)))
            && parts.next().is_none()
    })
}

/// Whether a part of a path stands for any name.
pub(super) fn is_wildcard(part: &str) -> bool {
    part.starts_with('<')
}

impl Field {
    /// The environment variable that overrides it: `NARU_KAFKA__BROKERS`, `NARU_LINE__<ACCOUNT>__MARKET`.
    #[must_use]
    pub fn environment_name(&self) -> String {
        format!("{PREFIX}{}", self.path.to_uppercase().replace('.', "__"))
    }

    /// The concrete path that `variable` means, if it is this key's: `NARU_LINE__SHOP_TH__MARKET` is
    /// `line.shop-th.market`. In names `_` stands for `-`, in librdkafka properties for `.`.
    pub(super) fn path_of(&self, variable: &str) -> Option<Vec<String>> {
        let mut given = variable.strip_prefix(PREFIX)?.split("__");
        let mut path = Vec::new();
        for part in self.path.split('.') {
            let key = given.next().filter(|key| !key.is_empty())?;
            let lower = key.to_lowercase();
            if key != key.to_uppercase() {
                return None;
            }
            path.push(match part {
                "<property>" => lower.replace('_', "."),
                _ if is_wildcard(part) => lower.replace('_', "-"),
                _ if part == lower => lower,
                _ => return None,
            });
        }
        given.next().is_none().then_some(path)
    }
}

/// Whether the configuration, or the command line, knows an environment variable of this name.
#[must_use]
pub fn is_environment_name(variable: &str) -> bool {
    OTHER_VARIABLES.contains(&variable) || SCHEMA.iter().any(|field| field.path_of(variable).is_some())
}
