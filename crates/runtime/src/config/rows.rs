//! The rows of the core's sections: every key that belongs to no platform.

use ::config::unit::{GIB, H, KIB, M, MIB, MS, S};
use ::config::{Fallback, Field, Kind, Moved, Shown};
use Fallback::{Absent, HostName, Required, Value};
use Kind::{
    Address, Choice, Duration, Durations, Flag, Integer, Networks, Path, PlainUrl, Secret, Size, Text,
};

/// Keys of the core that have another place now.
pub(super) const MOVED: [Moved; 2] = [
    Moved { from: "processors.instance_id", to: "instance.id" },
    Moved { from: "processors.data_dir", to: "instance.data_dir" },
];

/// Section by section, in the order of the example file.
#[rustfmt::skip]
pub(super) static CORE: &[Field] = &[
    Field::new("kafka.brokers", Text, Required, r#""localhost:9092""#,
        "Brokers to start from: host:port, comma-separated"),
    Field::new("kafka.topic_prefix", Text, Value(r#""naru.""#), "",
        "Stands before the name of every topic"),
    Field::new("kafka.partitions", Integer { min: 1, max: 1_000 }, Value("24"), "",
        "Partitions of each topic that `naru topics create` makes; fixed for life"),
    Field::new("kafka.replication_factor", Integer { min: 1, max: 9 }, Value("3"), "",
        "Replicas of each topic that `naru topics create` makes; 1 on a single broker"),
    Field::new("kafka.schema_registry_url", PlainUrl, Absent, r#""http://schema-registry:8081""#,
        "Confluent-compatible schema registry; without it Avro values carry the single-object encoding"),
    Field::new("kafka.properties.<property>", Kind::ANY_SECRET, Absent, r#""client.rack" = "zone-a""#,
        "Any librdkafka property (`security.protocol`, `sasl.password` …), passed to every client"),

    Field::new("instance.id", Text, HostName, "",
        "Names this instance permanently: its data folder and its transactional ids depend on it"),
    Field::new("instance.data_dir", Path, Value(r#""/var/lib/naru""#), "",
        "Folder of the state cache; each instance has a folder of its own in it"),

    Field::new("admin.listen", Address, Value(r#""127.0.0.1:9090""#), "",
        "Port for probes and metrics: /health/live, /health/ready, /metrics. Not for the internet"),

    Field::new("ingress.listen", Address, Value(r#""0.0.0.0:8080""#), "",
        "Port for webhooks"),
    Field::new("ingress.max_connections", Integer { min: 1, max: 100_000 }, Value("4096"), "",
        "Connections at once; more wait to be accepted"),
    Field::new("ingress.body_limit", Size { min: KIB, max: schemas::WEBHOOK_BODY_LIMIT as u64 }, Value(r#""960KiB""#), "",
        "Largest body; more is answered 413"),
    Field::new("ingress.header_timeout", Duration { min: 100 * MS, max: 5 * M }, Value(r#""10s""#), "",
        "For the whole request head"),
    Field::new("ingress.body_timeout", Duration { min: 100 * MS, max: 5 * M }, Value(r#""10s""#), "",
        "For the whole body; later is answered 408"),
    Field::new("ingress.ack_timeout", Duration { min: 50 * MS, max: 1_800 * MS }, Value(r#""1200ms""#), "",
        "For the broker's acknowledgement; without one a request goes to the spool. Some platforms wait 2 s in all"),
    Field::new("ingress.trusted_proxies", Networks, Absent, r#"["10.0.0.0/8", "192.0.2.7"]"#,
        "Proxies whose `Forwarded` or `X-Forwarded-For` is believed; without it the peer's own address counts"),
    Field::new("ingress.spool.dir", Path, Value(r#""/var/lib/naru/spool""#), "",
        "Keeps webhooks while Kafka is away, in a folder for each instance; on a shared volume others drain it"),
    Field::new("ingress.spool.max_bytes", Size { min: MIB, max: 1024 * GIB }, Value(r#""1GiB""#), "",
        "What an instance's spool may take; when it is full webhooks are answered 503"),
    Field::new("ingress.tls.certificate", Path, Absent, r#""/etc/naru/tls/chain.pem""#,
        "Certificate chain, PEM, leaf first; without it the port is plain, for use behind a proxy")
        .shown(Shown::WithoutSection),
    Field::new("ingress.tls.key", Path, Absent, r#""/etc/naru/tls/key.pem""#,
        "Private key, PEM; read again on SIGHUP and every minute"),

    Field::new("processors.group", Text, Value(r#""naru-processors""#), "",
        "Consumer group"),
    Field::new("processors.threads", Integer { min: 1, max: 64 }, Value("2"), "",
        "Stream threads of a process"),
    Field::new("processors.guarantee", Choice(&["exactly_once", "at_least_once"]), Value(r#""exactly_once""#), "",
        "Whether outputs, state and offsets are one transaction; at_least_once is for brokers without them"),
    Field::new("processors.commit_interval", Duration { min: 10 * MS, max: 2 * S }, Value(r#""100ms""#), "",
        "Between commits"),
    Field::new("processors.hold_bytes", Size { min: MIB, max: 64 * GIB }, Value(r#""256MiB""#), "",
        "What the reorder buffers of a process hold before the oldest messages leave early"),
    Field::new("processors.hold_spooled", Duration { min: 0, max: 60 * S }, Value(r#""15s""#), "",
        "How long an event waits, if that is longer than its source's hold, while records come out of a spool"),
    Field::new("processors.dedupe_days", Integer { min: 1, max: 366 }, Value("30"), "",
        "How long an event is remembered, in days"),
    Field::new("processors.raw_days", Integer { min: 1, max: 365 }, Value("7"), "",
        "How long the raw topics keep a record, in days: what a replay can bring back"),
    Field::new("processors.mask_rules", Path, Absent, r#""/etc/naru/rules.toml""#,
        "Masking rules of your own, which change the built-in ones or add to them; try them with `naru mask --rules`"),
    Field::new("processors.agent_texts", Choice(&["as_written", "masked"]), Value(r#""as_written""#), "",
        "Whether what agents write is masked too; what customers write always is"),

    Field::new("sources.<source>.hold", Duration { min: 0, max: 60 * S }, Value(r#""2s""#), "",
        "How long an event waits for an earlier one of its conversation; 0 for sources of typing and receipts")
        .shown(Shown::WithoutSection),
    Field::new("sources.<source>.together", Flag, Value("false"), "",
        "Whether a conversation's burst is released in one go, which may take up to twice the hold"),

    Field::new("egress.group", Text, Value(r#""naru-egress""#), "",
        "Consumer group; each destination adds its name"),
    Field::new("egress.window", Integer { min: 1, max: 1_000_000 }, Value("10000"), "",
        "Message bodies in memory; more pauses the partitions"),
    Field::new("egress.concurrency", Integer { min: 1, max: 10_000 }, Value("256"), "",
        "Calls at once to one destination"),
    Field::new("egress.call_timeout", Duration { min: 100 * MS, max: 5 * M }, Value(r#""60s""#), "",
        "For a whole call"),
    Field::new("egress.retry_delays", Durations { max: 10 * M, items: 10 }, Value(r#"["2s", "4s", "8s"]"#), "",
        "Delays before the first retries; later ones double up to `retry_cap`"),
    Field::new("egress.retry_cap", Duration { min: 10 * MS, max: H }, Value(r#""60s""#), "",
        "Longest delay between retries"),
    Field::new("egress.give_up_after", Duration { min: S, max: 23 * H }, Value(r#""23h""#), "",
        "Age at which a message that could not be sent becomes a dead letter; platforms know a message again for 24 h"),
    Field::new("egress.ask_for", Duration { min: 0, max: H }, Value(r#""60s""#), "",
        "How long analytics, which lag, are asked for a message in doubt whose conversation is unknown"),
    Field::new("egress.in_doubt", Choice(&["send", "hold"]), Value(r#""send""#), "",
        "What then: send it again, perhaps twice, or make it a dead letter"),

    Field::new("identity.key", Secret { min: (32, "give at least 32, as `openssl rand -hex 32` does") }, Required,
        r#"{ env = "IDENTITY_KEY" }"#,
        "Key of the HMAC that makes a person's GUID (`openssl rand -hex 32`). Another key makes everybody a stranger"),

    Field::new("keys.file", Path, Absent, r#""/etc/naru/keys.toml""#,
        "The key ring (`naru keys init`): ingress seals with it what customers write, processors open it. Keep a copy"),

    Field::new("vault.originals", Choice(&["destroyed", "kept"]), Value(r#""destroyed""#), "",
        "Whether what is masked is kept, sealed by a key of each person's, for `naru vault reveal`; needs `keys.file`"),
    Field::new("vault.tokens", Choice(&["metadata", "none"]), Value(r#""metadata""#), "",
        "Whether the contact centre gets the tokens of what is kept, as the message's metadata"),
    Field::new("vault.keep_days", Integer { min: 1, max: 3_650 }, Value("30"), "",
        "How long a value may be revealed, in days"),
    Field::new("vault.brokers", Text, Absent, r#""vault-kafka:9092""#,
        "A Kafka of the vault's own, for `state.vault` and `audit.reveals`; without it they are in the other topics' Kafka"),
    Field::new("vault.properties.<property>", Kind::ANY_SECRET, Absent, r#""client.rack" = "zone-a""#,
        "Its librdkafka properties, where it has brokers of its own"),
    Field::new("vault.keep_days_of.<kind>", Integer { min: 0, max: 3_650 }, Absent, "payment_card = 7",
        "The same for one kind; 0 destroys it at once"),
];
