//! The files that deploy Naru, held against the product: what they name must exist.

mod compose;
mod image;
mod metrics;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::Outcome;
use e2e::harness::Stage;
use serde_json::Value;

pub(crate) use compose::check as compose_matches_the_product;
pub(crate) use image::check as image_matches_the_product;
pub(crate) use metrics::check as dashboards_match_the_metrics;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/e2e lies two below").to_path_buf()
}

fn text(path: &str) -> Outcome<String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}

fn document(path: &str) -> Outcome<Value> {
    yaml::parse(&text(path)?).map_err(|error| format!("{path}: {error}"))
}

/// All complaints at once, or none.
fn verdict(complaints: &[String]) -> Outcome {
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// The variables of a service, whether written as a map or as a list.
fn variables(service: &Value) -> BTreeMap<String, String> {
    let environment = service["environment"].as_object();
    environment.into_iter().flatten().map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// A scalar as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The strings of a list.
fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(plain).collect()
}

/// Whether the product's command line knows `arguments`.
fn command_exists(stage: &Stage, arguments: &[String]) -> bool {
    let run = std::process::Command::new(stage.binary).args(arguments).arg("--help").output();
    run.is_ok_and(|output| output.status.success())
}
