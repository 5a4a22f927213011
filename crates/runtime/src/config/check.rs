//! Rules between keys, and rules of Kafka's. Each is skipped where a key that it needs is wrong already.

use std::time::Duration;

use ::config::Mistakes;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::{Config, Kafka};
use crate::kafka::RESERVED_PROPERTIES;

/// Whether this build speaks TLS and SASL to Kafka.
const KAFKA_TLS: bool = cfg!(feature = "kafka-tls");

/// Longest topic name that Kafka takes, and the longest of ours without a prefix, in bytes.
const TOPIC_NAME_MAX: usize = 249;

pub(super) fn rules(config: &Config, mistakes: &mut Mistakes) {
    kafka(config, mistakes);
    brokers("kafka.brokers", &config.kafka.brokers, mistakes);
    properties("kafka", &config.kafka, KAFKA_TLS, mistakes);
    vault(config, mistakes);
    ports(config, mistakes);
    instance(config, mistakes);
    processors(config, mistakes);
    sources(config, mistakes);
    egress(config, mistakes);
    platforms::rules(&config.platforms, mistakes);
}

fn kafka(config: &Config, mistakes: &mut Mistakes) {
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let topics = platforms::topics(platforms::ALL.iter().copied());
    let longest = topics.iter().map(|topic| topic.name().len()).max().unwrap_or_default();
    let prefix = &config.kafka.topic_prefix;
    if !is_name(prefix) || prefix.len() + longest > TOPIC_NAME_MAX {
        let most = TOPIC_NAME_MAX - longest;
        mistakes.add(
            "kafka.topic_prefix",
            "not part of a topic name",
            format!("use at most {most} of a-z, A-Z, 0-9, ., _ and -"),
        );
    }
}

fn brokers(path: &str, brokers: &str, mistakes: &mut Mistakes) {
    for broker in brokers.split(',').filter(|_| mistakes.spare(&[path])).collect::<Vec<_>>() {
        let port = broker.trim().rsplit_once(':').and_then(|(host, port)| {
            (!host.is_empty() && !host.contains('/')).then(|| port.parse::<u16>().ok())?
        });
        if port.is_none_or(|port| port == 0) {
            mistakes.add(
                path,
                format!("not host:port: {}", broker.trim()),
                "such as kafka-1:9092,kafka-2:9092",
            );
        }
    }
}

fn vault(config: &Config, mistakes: &mut Mistakes) {
    if let Some(kafka) = &config.vault.kafka {
        brokers("vault.brokers", &kafka.brokers, mistakes);
        properties("vault", kafka, KAFKA_TLS, mistakes);
    }
    if config.vault.keeps && config.keys.is_none() && mistakes.spare(&["keys.file"]) {
        mistakes.add(
            "vault.originals",
            "kept without a key ring",
            "give keys.file (`naru keys init` makes one), or leave it at destroyed",
        );
    }
}

/// `[kafka.properties]` and `[vault.properties]`: nothing that Naru's promises hang on, and nothing that librdkafka does
/// not take.
fn properties(section: &str, kafka: &Kafka, tls: bool, mistakes: &mut Mistakes) {
    for (name, value) in &kafka.properties {
        let path = format!("{section}.properties.{name}");
        if !mistakes.spare(&[&path]) {
            continue;
        }
        if RESERVED_PROPERTIES.contains(&name.as_str()) {
            mistakes.add(&path, "Naru sets this itself, its promises hang on it", "leave it out");
            continue;
        }
        let security = name == "security.protocol" && !value.reveal().eq_ignore_ascii_case("plaintext");
        if !tls && (security || name.starts_with("ssl.") || name.starts_with("sasl.")) {
            mistakes.add(
                &path,
                "this build speaks neither TLS nor SASL to Kafka",
                "use a release or image, or build with `--features kafka-tls`",
            );
            continue;
        }
        // librdkafka's own text repeats the value, which may be a password.
        let made = ClientConfig::new().set(name, value.reveal()).create_native_config();
        match made.err() {
            None => {}
            Some(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                mistakes.add(&path, "librdkafka has no such property", "see its CONFIGURATION.md");
            }
            Some(_) => mistakes.add(&path, "librdkafka does not take this value", "see its CONFIGURATION.md"),
        }
    }
}

fn ports(config: &Config, mistakes: &mut Mistakes) {
    let (admin, ingress) = (config.admin.listen, config.ingress.listen);
    let overlap = admin.ip() == ingress.ip() || admin.ip().is_unspecified() || ingress.ip().is_unspecified();
    if mistakes.spare(&["admin.listen", "ingress.listen"])
        && admin.port() != 0
        && admin.port() == ingress.port()
        && overlap
    {
        mistakes.add(
            "admin.listen",
            format!("port {} is ingress.listen's", admin.port()),
            "use another port",
        );
    }
}

fn instance(config: &Config, mistakes: &mut Mistakes) {
    let id = &config.instance.id;
    let is_id = (1..=80).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !id.starts_with('.');
    if mistakes.spare(&["instance.id"]) && !is_id {
        mistakes.add("instance.id", format!("not an id: {id}"), "use 1 to 80 of a-z, A-Z, 0-9, ., _ and -");
    }
}

fn processors(config: &Config, mistakes: &mut Mistakes) {
    let processors = &config.processors;
    if mistakes.spare(&["processors.dedupe_days", "processors.raw_days"])
        && processors.dedupe_days <= processors.raw_days + 1
    {
        mistakes.add(
            "processors.dedupe_days",
            format!("{} with raw_days = {}", processors.dedupe_days, processors.raw_days),
            "give at least raw_days + 2, so that a replay cannot send anything twice",
        );
    }
}

fn sources(config: &Config, mistakes: &mut Mistakes) {
    for (name, source) in &config.sources {
        let path = format!("sources.{name}.hold");
        let between = source.hold > Duration::ZERO && source.hold < config.processors.commit_interval;
        if mistakes.spare(&[&path, "processors.commit_interval"]) && between {
            mistakes.add(
                &path,
                format!("{} ms is less than processors.commit_interval", source.hold.as_millis()),
                "give more, or \"0s\" to hold nothing",
            );
        }
    }
}

fn egress(config: &Config, mistakes: &mut Mistakes) {
    let egress = &config.egress;
    if mistakes.spare(&["egress.retry_delays", "egress.retry_cap"])
        && egress.retry_delays.iter().any(|delay| *delay > egress.retry_cap)
    {
        mistakes.add("egress.retry_cap", "less than one of retry_delays", "give the longest delay or more");
    }
    if mistakes.spare(&["egress.call_timeout", "egress.give_up_after"])
        && egress.call_timeout >= egress.give_up_after
    {
        mistakes.add(
            "egress.give_up_after",
            "not more than call_timeout",
            "give time for more than one call",
        );
    }
    if mistakes.spare(&["egress.group", "processors.group"]) && egress.group == config.processors.group {
        mistakes.add("egress.group", "is processors.group", "give each its own consumer group");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_with_tls_takes_its_properties() {
        let mut config = super::super::tests::good();
        config.kafka.properties.insert("security.protocol".into(), crate::Secret::new("ssl"));
        let mut without = Mistakes::default();
        properties("kafka", &config.kafka, false, &mut without);
        assert!(without.to_string().contains("--features kafka-tls"), "{without}");
        let mut with = Mistakes::default();
        properties("kafka", &config.kafka, true, &mut with);
        assert!(!with.to_string().contains("--features kafka-tls"), "{with}");
    }
}
