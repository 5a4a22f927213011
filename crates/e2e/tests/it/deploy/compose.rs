//! `docker-compose.yml`: services, ports, volumes, variables and commands.

use std::collections::{BTreeMap, BTreeSet};

use e2e::Outcome;
use e2e::harness::Stage;
use serde_json::Value;

use super::{command_exists, document, image, root, strings, text, variables, verdict};

/// What `docker compose up --scale` multiplies: no fixed name, no port of the host.
const SCALED: [&str; 2] = ["processors", "egress"];
const DEMO_CONFIG: &str = "./deploy/demo.toml";

/// Checks the whole file.
pub(crate) fn check(stage: &mut Stage) -> Outcome {
    let compose = document("docker-compose.yml")?;
    let services = compose["services"].as_object().ok_or("docker-compose.yml has no services")?;
    let mut complaints = Vec::new();
    for expected in
        ["kafka", "topics", "ingress", "processors", "egress", "standins", "prometheus", "grafana"]
    {
        if !services.contains_key(expected) {
            complaints.push(format!("there is no service {expected}"));
        }
    }
    if strings(&services["standins"]["profiles"]) != ["demo"] {
        complaints.push("standins: it belongs to the profile demo, and to no other".to_owned());
    }
    let volumes: BTreeSet<&String> =
        compose["volumes"].as_object().into_iter().flatten().map(|(k, _)| k).collect();
    let mut used = BTreeSet::new();
    for (name, service) in services {
        let mut complain = |what: String| complaints.push(format!("{name}: {what}"));
        dependencies(service, services, &mut complain);
        mounts(service, &mut used, &mut complain);
        if service.get("container_name").is_some() {
            complain("a fixed name keeps it from being scaled".to_owned());
        }
        if service.get("restart").is_none() {
            complain("it has no restart policy".to_owned());
        }
        if service["healthcheck"].is_null() {
            complain("it has no health check, and none is switched off".to_owned());
        }
        if SCALED.contains(&name.as_str()) && service.get("ports").is_some() {
            complain("a port of the host keeps it from being scaled".to_owned());
        }
        if !service["build"].is_null() {
            ours(stage, service, &mut complain)?;
        }
    }
    for name in volumes.iter().filter(|name| !used.contains(name.as_str())) {
        complaints.push(format!("volume {name} is declared, and nothing mounts it"));
    }
    for name in used.iter().filter(|name| !volumes.contains(name)) {
        complaints.push(format!("volume {name} is mounted, and not declared"));
    }
    verdict(&complaints)
}

/// What is waited for exists, and can come to pass.
fn dependencies(
    service: &Value,
    services: &serde_json::Map<String, Value>,
    complain: &mut impl FnMut(String),
) {
    for (on, how) in service["depends_on"].as_object().into_iter().flatten() {
        let Some(other) = services.get(on) else {
            complain(format!("it depends on {on}, which is no service"));
            continue;
        };
        let healthy = other["healthcheck"].get("test").is_some();
        match how["condition"].as_str() {
            Some("service_healthy") if !healthy => complain(format!("{on} has no health check to wait for")),
            Some("service_completed_successfully") if other["restart"] == "unless-stopped" => {
                complain(format!("{on} never ends"));
            }
            Some("service_healthy" | "service_completed_successfully") => {}
            _ => complain(format!("how it depends on {on} is not said")),
        }
        if other.get("profiles").is_some() && service.get("profiles") != other.get("profiles") {
            complain(format!("{on} is only there in a profile"));
        }
    }
}

/// Files that are mounted exist; names of volumes go into `used`.
fn mounts(service: &Value, used: &mut BTreeSet<String>, complain: &mut impl FnMut(String)) {
    for mount in service["volumes"].as_array().into_iter().flatten() {
        let source = match mount {
            Value::String(short) => short.split(':').next().map(str::to_owned),
            long => long["source"].as_str().map(default_of),
        };
        match source {
            Some(path) if path.starts_with('.') && root().join(&path).exists() => {}
            Some(path) if path.starts_with('.') => {
                complain(format!("{path} is mounted, and does not exist"));
            }
            Some(volume) => drop(used.insert(volume)),
            None => {}
        }
    }
}

/// A service of our own image: variables, configuration, ports and command.
fn ours(stage: &Stage, service: &Value, complain: &mut impl FnMut(String)) -> Outcome {
    let mut environment: BTreeMap<String, String> = image::environment()?;
    environment.extend(variables(service));
    for problem in image::unknown_names(&environment) {
        complain(problem);
    }
    let mounted = service["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|mount| mount["target"].as_str() == environment.get("NARU_CONFIG").map(String::as_str));
    match mounted.and_then(|mount| mount["source"].as_str()).map(default_of) {
        Some(path) if path == DEMO_CONFIG => {}
        other => complain(format!("it mounts {other:?} as its configuration, not {DEMO_CONFIG}")),
    }
    let config = match image::configuration(&text(DEMO_CONFIG)?, &environment) {
        Ok(config) => Some(config),
        Err(mistakes) => {
            complain(format!("its configuration is refused: {mistakes}"));
            None
        }
    };
    let command = strings(&service["command"]);
    if command.is_empty() || !command_exists(stage, &command) {
        complain(format!("there is no command {command:?}"));
    }
    let probe = strings(&service["healthcheck"]["test"]);
    if let [how, program, arguments @ ..] = probe.as_slice() {
        let known = how == "CMD" && *program == image::entry_point()?;
        if !known || !command_exists(stage, arguments) {
            complain(format!("there is no health check {probe:?}"));
        }
    }
    let ports = strings(&service["ports"]);
    let inside: Vec<&str> = ports.iter().filter_map(|port| port.rsplit(':').next()).collect();
    let expected = match command.first().map(String::as_str) {
        Some("ingress") => config.map(|config| config.ingress.listen.port().to_string()),
        Some("standins") => {
            let at = command.iter().position(|word| word == "--listen").and_then(|at| command.get(at + 1));
            at.and_then(|address| address.rsplit(':').next()).map(str::to_owned)
        }
        _ => None,
    };
    if inside != expected.as_deref().into_iter().collect::<Vec<_>>() {
        complain(format!("it publishes {inside:?}, and listens on {expected:?}"));
    }
    Ok(())
}

/// What `${NAME:-default}` stands for where the name is not set.
fn default_of(source: &str) -> String {
    let inner = source.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.and_then(|inner| inner.split_once(":-")).map_or(source, |(_, default)| default).to_owned()
}
