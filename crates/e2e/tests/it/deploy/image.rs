//! `Dockerfile` and `.dockerignore`: what the image sets, opens and is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use e2e::Outcome;
use e2e::harness::Stage;
use runtime::config::{Config, Environment, schema};

use super::{command_exists, root, text, verdict};

/// An instruction of a Dockerfile: its word and the rest, continuation lines joined.
fn instructions() -> Outcome<Vec<(String, String)>> {
    let joined = text("Dockerfile")?.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = lines.filter_map(|line| line.split_once(' '));
    Ok(split
        .map(|(word, rest)| (word.to_uppercase(), rest.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect())
}

/// The instructions of the final stage.
fn final_stage() -> Outcome<Vec<(String, String)>> {
    let all = instructions()?;
    let start = all.iter().rposition(|(word, _)| word == "FROM").ok_or("Dockerfile has no FROM")?;
    Ok(all[start..].to_vec())
}

fn values<'a>(stage: &'a [(String, String)], word: &'a str) -> impl Iterator<Item = &'a str> {
    stage.iter().filter(move |(have, _)| have == word).map(|(_, rest)| rest.as_str())
}

/// What the image sets in the environment of every service.
pub(super) fn environment() -> Outcome<BTreeMap<String, String>> {
    let stage = final_stage()?;
    let pairs = values(&stage, "ENV").flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The program that the image starts.
pub(super) fn entry_point() -> Outcome<String> {
    let stage = final_stage()?;
    let found = values(&stage, "ENTRYPOINT").find_map(|rest| serde_json::from_str::<Vec<String>>(rest).ok());
    match found.as_deref() {
        Some([program]) => Ok(program.clone()),
        other => Err(format!("Dockerfile: the entry point is {other:?}, not one program")),
    }
}

/// Variables that the product would refuse.
pub(super) fn unknown_names(environment: &BTreeMap<String, String>) -> Vec<String> {
    let unknown = environment.keys().filter(|name| !schema().is_environment_name(name));
    unknown.map(|name| format!("the product knows no variable {name}")).collect()
}

/// A key ring as `naru keys init` makes it.
const RING: &str = "[[key]]\nid = \"a\"\nsecret = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n";

/// The configuration as a container reads it.
pub(super) fn configuration(text: &str, environment: &BTreeMap<String, String>) -> Outcome<Config> {
    let environment = Environment {
        variables: environment.clone(),
        host_name: "3f2a9c1d77be".to_owned(),
        // The key ring is made by a service of its own before the others start.
        read_file: |path| match path.file_name() {
            Some(name) if name == "keys.toml" => Ok(RING.to_owned()),
            _ => fs::read_to_string(path),
        },
    };
    runtime::config::parse(text, &environment).map_err(|mistakes| mistakes.to_string())
}

/// Checks both files.
pub(crate) fn check(stage: &mut Stage) -> Outcome {
    let all = instructions()?;
    let last = final_stage()?;
    let mut complaints: Vec<String> = unknown_names(&environment()?);
    if values(&last, "USER").last().is_none_or(|user| user == "root" || user == "0") {
        complaints.push("the image runs as root".to_owned());
    }
    let program = entry_point()?;
    if !values(&last, "COPY").any(|copy| copy.ends_with(&format!(" {program}"))) {
        complaints.push(format!("{program} is started, and nothing puts it there"));
    }
    for arguments in values(&last, "CMD").chain(values(&last, "RUN")) {
        let words: Vec<String> =
            serde_json::from_str(arguments).map_err(|error| format!("{arguments}: {error}"))?;
        let arguments = words.strip_prefix(std::slice::from_ref(&program)).unwrap_or(&words);
        if !command_exists(stage, arguments) {
            complaints.push(format!("the image runs {arguments:?}, which is no command"));
        }
    }
    let environment = environment()?;
    let listens = ["NARU_INGRESS__LISTEN", "NARU_ADMIN__LISTEN"].map(|name| {
        environment.get(name).and_then(|address| address.rsplit(':').next()).unwrap_or("nothing").to_owned()
    });
    let exposed: Vec<&str> = values(&last, "EXPOSE").flat_map(str::split_whitespace).collect();
    if exposed != listens {
        complaints.push(format!("it exposes {exposed:?}, and listens on {listens:?}"));
    }
    for (word, rest) in &all {
        let upper = rest.to_uppercase();
        if (word == "ENV" || word == "ARG")
            && ["SECRET", "TOKEN", "PASSWORD", "KEY"].iter().any(|s| upper.contains(s))
        {
            complaints.push(format!("a secret in an image can be read by whoever has it: {word} {rest}"));
        }
    }
    complaints.extend(build(&all)?);
    complaints.extend(context()?);
    verdict(&complaints)
}

/// The package and the features that it builds exist.
fn build(all: &[(String, String)]) -> Outcome<Vec<String>> {
    let cargo =
        values(all, "RUN").find(|run| run.contains("cargo build")).ok_or("Dockerfile: nothing is built")?;
    let words: Vec<&str> = cargo.split_whitespace().collect();
    let after =
        |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
    let manifest: toml::Table =
        text("crates/naru/Cargo.toml")?.parse().map_err(|error| format!("{error}"))?;
    let mut complaints = Vec::new();
    if after("--package") != manifest["package"]["name"].as_str() {
        complaints.push(format!("it builds {:?}", after("--package")));
    }
    let features = manifest.get("features").and_then(|features| features.as_table());
    for feature in after("--features").into_iter().flat_map(|list| list.split(',')) {
        if features.is_none_or(|features| !features.contains_key(feature)) {
            complaints.push(format!("there is no feature {feature}"));
        }
    }
    if !words.contains(&"--locked") {
        complaints.push("it builds without the checked-in lock file".to_owned());
    }
    Ok(complaints)
}

/// `.dockerignore` lets in what the workspace consists of.
fn context() -> Outcome<Vec<String>> {
    let ignore = text(".dockerignore")?;
    let allowed: BTreeSet<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest: toml::Table = text("Cargo.toml")?.parse().map_err(|error| format!("{error}"))?;
    let members = manifest["workspace"]["members"].as_array().ok_or("the workspace has no members")?;
    let folders = members.iter().filter_map(|member| member.as_str()?.split('/').next());
    let mut complaints = Vec::new();
    for needed in folders.chain(["Cargo.toml", "Cargo.lock"]) {
        if !allowed.contains(needed) {
            complaints.push(format!(".dockerignore keeps {needed} out of the build"));
        }
    }
    for name in allowed.iter().filter(|name| !root().join(name).exists()) {
        complaints.push(format!(".dockerignore names {name}, which does not exist"));
    }
    Ok(complaints)
}
