//! Prometheus and Grafana: what they scrape, show and alert on exists.

use std::collections::BTreeSet;
use std::fs;

use e2e::Outcome;
use e2e::harness::Stage;
use runtime::metrics::{ALL, Kind};
use serde_json::Value;

use super::{document, image, plain, root, strings, verdict};

/// Checks the dashboards, the alerts and the configuration of both.
pub(crate) fn check(_stage: &mut Stage) -> Outcome {
    let mut complaints = scraping()?;
    complaints.extend(provisioning()?);
    complaints.extend(alerts()?);
    let folder = root().join("deploy/grafana/dashboards");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let json = fs::read_to_string(entry.path()).map_err(|error| format!("{name}: {error}"))?;
        let dashboard: Value = serde_json::from_str(&json).map_err(|error| format!("{name}: {error}"))?;
        complaints.extend(panels(&dashboard).into_iter().map(|complaint| format!("{name}: {complaint}")));
        seen += 1;
    }
    if seen == 0 {
        complaints.push("there is no dashboard".to_owned());
    }
    verdict(&complaints)
}

/// The services that are scraped exist, on the port that they serve.
fn scraping() -> Outcome<Vec<String>> {
    let prometheus = document("deploy/prometheus/prometheus.yml")?;
    let compose = document("docker-compose.yml")?;
    let admin = image::environment()?.get("NARU_ADMIN__LISTEN").cloned().unwrap_or_default();
    let mut complaints = Vec::new();
    let mut scraped = Vec::new();
    for job in prometheus["scrape_configs"].as_array().into_iter().flatten() {
        for found in job["dns_sd_configs"].as_array().into_iter().flatten() {
            scraped.extend(strings(&found["names"]));
            if !admin.ends_with(&format!(":{}", plain(&found["port"]))) {
                complaints
                    .push(format!("prometheus scrapes port {}, the services serve {admin}", found["port"]));
            }
        }
    }
    let services = compose["services"].as_object().into_iter().flatten();
    // What has a health check on the admin port serves metrics there.
    let serving = services
        .filter(|(_, service)| !service["build"].is_null() && service["healthcheck"]["test"].is_array());
    let serving: BTreeSet<&String> = serving.map(|(name, _)| name).collect();
    if scraped.iter().collect::<BTreeSet<_>>() != serving {
        complaints.push(format!("prometheus scrapes {scraped:?}, metrics are served by {serving:?}"));
    }
    for file in strings(&prometheus["rule_files"]) {
        if !root().join("deploy/prometheus").join(&file).exists() {
            complaints.push(format!("prometheus reads {file}, which does not exist"));
        }
    }
    Ok(complaints)
}

/// Grafana finds Prometheus and the dashboards.
fn provisioning() -> Outcome<Vec<String>> {
    let mut complaints = Vec::new();
    let sources = document("deploy/grafana/provisioning/datasources/prometheus.yml")?;
    if sources["datasources"][0]["url"] != "http://prometheus:9090" {
        complaints.push("grafana looks for prometheus elsewhere".to_owned());
    }
    let providers = document("deploy/grafana/provisioning/dashboards/naru.yml")?;
    let path = plain(&providers["providers"][0]["options"]["path"]);
    let compose = document("docker-compose.yml")?;
    let grafana = &compose["services"]["grafana"];
    let mounts = strings(&grafana["volumes"]);
    if !mounts.contains(&format!("./deploy/grafana/dashboards:{path}:ro")) {
        complaints.push(format!("grafana reads dashboards from {path}, where none are mounted"));
    }
    let home = plain(&grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]);
    let file = home.strip_prefix(&format!("{path}/")).unwrap_or(&home);
    if !root().join("deploy/grafana/dashboards").join(file).exists() {
        complaints.push(format!("grafana's home is {home}, which does not exist"));
    }
    Ok(complaints)
}

/// Every rule is about metrics that exist, and tells a person what to do.
fn alerts() -> Outcome<Vec<String>> {
    let rules = document("deploy/prometheus/alerts.yml")?;
    let mut complaints = Vec::new();
    for rule in rules["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten())
    {
        let name = plain(&rule["alert"]);
        let expression = plain(&rule["expr"]);
        complaints.extend(unknown_metrics(&expression).map(|metric| format!("{name}: there is no {metric}")));
        for needed in ["summary", "action"] {
            if rule["annotations"][needed].as_str().is_none_or(str::is_empty) {
                complaints.push(format!("{name}: its {needed} is missing"));
            }
        }
    }
    Ok(complaints)
}

/// Panels ask the provisioned source for metrics that exist.
fn panels(dashboard: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    for panel in panels.filter(|panel| panel["type"] != "row" && panel["type"] != "text") {
        let title = plain(&panel["title"]);
        if panel["datasource"]["uid"] != "prometheus" {
            complaints.push(format!("{title}: its source is not the provisioned one"));
        }
        let targets = panel["targets"].as_array().into_iter().flatten();
        let expressions: Vec<String> = targets.map(|target| plain(&target["expr"])).collect();
        if expressions.iter().all(|expression| !expression.contains("naru_") && !expression.contains("up{")) {
            complaints.push(format!("{title}: it shows nothing of ours"));
        }
        for expression in &expressions {
            complaints
                .extend(unknown_metrics(expression).map(|metric| format!("{title}: there is no {metric}")));
        }
    }
    complaints
}

/// The `naru_…` names of an expression that are not in the table.
fn unknown_metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("naru_") && !is_metric(word))
}

fn is_metric(name: &str) -> bool {
    ALL.iter().any(|row| match row.kind {
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|suffix| name.strip_suffix(suffix) == Some(row.name))
        }
        Kind::Counter | Kind::Gauge => name == row.name,
    })
}
