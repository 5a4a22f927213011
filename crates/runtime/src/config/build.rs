//! From the tree to [`Config`]: section by section, every key once.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::schema::REGIONS;
use super::value::{NAME_RULE, is_name};
use super::{
    Admin, Config, Egress, GenesysClient, Guarantee, Identity, InDoubt, Ingress, Kafka, LineAccount,
    Processors, Spool, Tls, Vault,
};
use crate::Secret;

pub(super) fn config(r: &mut Reader<'_>) -> Config {
    let kafka = kafka(r);
    Config {
        vault: vault(r, &kafka),
        kafka,
        admin: Admin { listen: r.address(&["admin", "listen"]) },
        ingress: ingress(r),
        processors: processors(r),
        egress: egress(r),
        identity: Identity { key: r.secret(&["identity", "key"]) },
        keys: r.key_ring(&["keys", "file"]),
        genesys: named(r, "genesys", genesys),
        line: named(r, "line", line),
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
        keep_days_of.insert(kind.to_owned(), r.integer(&["vault", "keep_days_of", kind]));
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
        properties.insert(name.to_owned(), r.secret(&[section, "properties", name]));
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
        instance_id: r.text(&["processors", "instance_id"]),
        data_dir: r.optional_path(&["processors", "data_dir"]).unwrap_or_default(),
        guarantee: match r.text(&["processors", "guarantee"]).as_str() {
            "at_least_once" => Guarantee::AtLeastOnce,
            _ => Guarantee::ExactlyOnce,
        },
        commit_interval: r.duration(&["processors", "commit_interval"]),
        hold_bytes: r.size(&["processors", "hold_bytes"]),
        hold_line: r.duration(&["processors", "hold_line"]),
        hold_genesys: r.duration(&["processors", "hold_genesys"]),
        hold_spooled: r.duration(&["processors", "hold_spooled"]),
        dedupe_days: r.integer(&["processors", "dedupe_days"]),
        raw_days: r.integer(&["processors", "raw_days"]),
        mask_rules: r.optional_path(&["processors", "mask_rules"]),
        masks_agent_texts: r.text(&["processors", "agent_texts"]) == "masked",
    }
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

/// Reads every section below `section` whose name is one.
fn named<T>(r: &mut Reader<'_>, section: &str, read: fn(&mut Reader<'_>, &str) -> T) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    for name in r.names(section) {
        if !is_name(name) {
            r.mistakes.add(&format!("{section}.{name}"), "not a name", NAME_RULE);
        }
        all.insert(name.to_owned(), read(r, name));
    }
    all
}

fn genesys(r: &mut Reader<'_>, name: &str) -> GenesysClient {
    let at = |key| ["genesys", name, key];
    let region = r.optional_text(&at("region"));
    let (api, login) = (r.optional_text(&at("api_url")), r.optional_text(&at("login_url")));
    let path = format!("genesys.{name}");
    let part = |key: &str| format!("{path}.{key}");
    let urls = match (region, api, login) {
        (Some(region), None, None) => REGIONS
            .iter()
            .find(|(known, _)| *known == region)
            .map(|(_, domain)| (format!("https://api.{domain}"), format!("https://login.{domain}"))),
        (Some(_), _, _) => {
            let what = "given together with api_url or login_url";
            r.mistakes.add(&part("region"), what, "give either the region or both URLs");
            None
        }
        (None, Some(api), Some(login)) => Some((api, login)),
        (None, api, login) => {
            // A region or URL that is there and wrong has its own mistake.
            if r.mistakes.spare(&[&part("region"), &part("api_url"), &part("login_url")]) {
                let missing = match (api, login) {
                    (None, None) => "region",
                    (None, _) => "api_url",
                    _ => "login_url",
                };
                r.mistakes.add(&part(missing), "missing", "give the region, or both api_url and login_url");
            }
            None
        }
    };
    let (api_url, login_url) = urls.unwrap_or_default();
    GenesysClient {
        api_url,
        login_url,
        client_id: r.text(&at("client_id")),
        client_secret: r.secret(&at("client_secret")),
        calls_per_minute: r.integer(&at("calls_per_minute")),
    }
}

fn line(r: &mut Reader<'_>, name: &str) -> LineAccount {
    let at = |key| ["line", name, key];
    LineAccount {
        channel_secrets: r.secrets(&at("channel_secrets")),
        access_token: r.secret(&at("access_token")),
        api_url: r.text(&at("api_url")),
        calls_per_second: r.integer(&at("calls_per_second")),
        genesys: r.text(&at("genesys")),
        integration: r.text(&at("integration")),
        webhook_secrets: r.secrets(&at("webhook_secrets")),
        market: r.optional_text(&at("market")),
        brand: r.optional_text(&at("brand")),
    }
}
