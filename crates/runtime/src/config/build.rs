//! From the tree to [`Config`]: section by section, every key once.

use std::collections::BTreeMap;

use ::config::{Reader, suggest};

use super::{
    Admin, Config, Egress, Guarantee, Identity, InDoubt, Ingress, Instance, Kafka, Processors,
    SourceSettings, Spool, Tls, Vault,
};
use crate::Secret;

/// Reads all sections. `known_sources` may have a section `[sources.<source>]`.
pub(super) fn config(r: &mut Reader<'_>, known_sources: &[&str]) -> Config {
    let kafka = kafka(r);
    Config {
        vault: vault(r, &kafka),
        kafka,
        instance: instance(r),
        admin: Admin { listen: r.address(&["admin", "listen"]) },
        ingress: ingress(r),
        processors: processors(r),
        sources: sources(r, known_sources),
        egress: egress(r),
        identity: Identity { key: r.secret(&["identity", "key"]) },
        keys: r.key_ring(&["keys", "file"]),
        platforms: platforms::configure(r),
    }
}

fn vault(r: &mut Reader<'_>, kafka: &Kafka) -> Vault {
    let brokers = r.optional_text(&["vault", "brokers"]);
    let properties = properties(r, "vault");
    if brokers.is_none() && !properties.is_empty() {
        r.mistakes.add("vault.brokers", "missing", "properties are those of the vault's own brokers");
    }
    let mut keep_days_of = BTreeMap::new();
    for kind in r.keys(&["vault", "keep_days_of"]) {
        let days = r.integer(&["vault", "keep_days_of", &kind]);
        keep_days_of.insert(kind, days);
    }
    Vault {
        keeps: r.text(&["vault", "originals"]) == "kept",
        sends_tokens: r.text(&["vault", "tokens"]) == "metadata",
        keep_days: r.integer(&["vault", "keep_days"]),
        keep_days_of,
        kafka: brokers.map(|brokers| Kafka { brokers, properties, ..kafka.clone() }),
    }
}

fn properties(r: &mut Reader<'_>, section: &str) -> BTreeMap<String, Secret> {
    let mut properties = BTreeMap::new();
    for name in r.keys(&[section, "properties"]) {
        let value = r.secret(&[section, "properties", &name]);
        properties.insert(name, value);
    }
    properties
}

fn kafka(r: &mut Reader<'_>) -> Kafka {
    let properties = properties(r, "kafka");
    Kafka {
        brokers: r.text(&["kafka", "brokers"]),
        topic_prefix: r.text(&["kafka", "topic_prefix"]),
        partitions: r.integer(&["kafka", "partitions"]),
        replication_factor: r.integer(&["kafka", "replication_factor"]),
        schema_registry_url: r.optional_text(&["kafka", "schema_registry_url"]),
        properties,
    }
}

fn instance(r: &mut Reader<'_>) -> Instance {
    Instance {
        id: r.text(&["instance", "id"]),
        data_dir: r.optional_path(&["instance", "data_dir"]).unwrap_or_default(),
    }
}

fn ingress(r: &mut Reader<'_>) -> Ingress {
    let certificate = r.optional_path(&["ingress", "tls", "certificate"]);
    let key = r.optional_path(&["ingress", "tls", "key"]);
    if certificate.is_some() != key.is_some() {
        let missing = if key.is_none() { "ingress.tls.key" } else { "ingress.tls.certificate" };
        r.mistakes.add(missing, "missing", "TLS needs both a certificate and its key");
    }
    Ingress {
        listen: r.address(&["ingress", "listen"]),
        tls: certificate.zip(key).map(|(certificate, key)| Tls { certificate, key }),
        max_connections: r.integer(&["ingress", "max_connections"]),
        body_limit: r.size(&["ingress", "body_limit"]),
        header_timeout: r.duration(&["ingress", "header_timeout"]),
        body_timeout: r.duration(&["ingress", "body_timeout"]),
        ack_timeout: r.duration(&["ingress", "ack_timeout"]),
        trusted_proxies: r.networks(&["ingress", "trusted_proxies"]),
        spool: Spool {
            dir: r.optional_path(&["ingress", "spool", "dir"]).unwrap_or_default(),
            max_bytes: r.size(&["ingress", "spool", "max_bytes"]),
        },
    }
}

fn processors(r: &mut Reader<'_>) -> Processors {
    Processors {
        group: r.text(&["processors", "group"]),
        threads: r.integer(&["processors", "threads"]),
        guarantee: match r.text(&["processors", "guarantee"]).as_str() {
            "at_least_once" => Guarantee::AtLeastOnce,
            _ => Guarantee::ExactlyOnce,
        },
        commit_interval: r.duration(&["processors", "commit_interval"]),
        hold_bytes: r.size(&["processors", "hold_bytes"]),
        hold_spooled: r.duration(&["processors", "hold_spooled"]),
        dedupe_days: r.integer(&["processors", "dedupe_days"]),
        raw_days: r.integer(&["processors", "raw_days"]),
        mask_rules: r.optional_path(&["processors", "mask_rules"]),
        masks_agent_texts: r.text(&["processors", "agent_texts"]) == "masked",
    }
}

fn sources(r: &mut Reader<'_>, known: &[&str]) -> BTreeMap<String, SourceSettings> {
    let mut sources = BTreeMap::new();
    for name in r.names("sources") {
        let path = format!("sources.{name}");
        if !known.contains(&name.as_str()) {
            if r.mistakes.spare(&[&path]) {
                r.mistakes.add(&path, "unknown source", suggest(&name, known.iter().copied()));
            }
            continue;
        }
        let at = |key| ["sources", name.as_str(), key];
        let settings = SourceSettings { hold: r.duration(&at("hold")), together: r.flag(&at("together")) };
        sources.insert(name, settings);
    }
    sources
}

fn egress(r: &mut Reader<'_>) -> Egress {
    Egress {
        group: r.text(&["egress", "group"]),
        window: r.integer(&["egress", "window"]),
        concurrency: r.integer(&["egress", "concurrency"]),
        call_timeout: r.duration(&["egress", "call_timeout"]),
        retry_delays: r.durations(&["egress", "retry_delays"]),
        retry_cap: r.duration(&["egress", "retry_cap"]),
        give_up_after: r.duration(&["egress", "give_up_after"]),
        ask_for: r.duration(&["egress", "ask_for"]),
        in_doubt: match r.text(&["egress", "in_doubt"]).as_str() {
            "hold" => InDoubt::Hold,
            _ => InDoubt::Send,
        },
    }
}
