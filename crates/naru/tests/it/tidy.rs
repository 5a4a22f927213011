//! The shape of the tree: what ARCHITECTURE says of crates, topics and reasons, and that each file says its one job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::root;

/// Lines of a file, at most; few come near.
const LONG: usize = 600;

const CRATES: [&str; 13] = [
    "schemas",
    "platforms",
    "ingress",
    "processors",
    "egress",
    "crates/config",
    "crates/keys",
    "crates/mask",
    "crates/streams",
    "crates/runtime",
    "crates/naru",
    "crates/standins",
    "crates/e2e",
];

fn architecture() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE is there")
}

pub(crate) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_its_one_job_and_none_is_endless() {
    let mut files = Vec::new();
    for folder in CRATES {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        assert!(text.starts_with("//! "), "{} does not say its job", file.display());
        assert!(text.lines().count() <= LONG, "{} has more than {LONG} lines", file.display());
    }
}

#[test]
fn crates_use_each_other_as_architecture_draws_it() {
    let architecture = architecture();
    let mut drawn: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in architecture.lines().filter(|line| line.starts_with("    ") && line.contains('→')) {
        let (user, used) = line.trim().split_once('→').expect("filtered");
        drawn.insert(user.trim(), used.split(',').map(str::trim).collect());
    }
    for folder in CRATES {
        let name = folder.rsplit('/').next().expect("a name");
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("readable");
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let used: BTreeSet<&str> = CRATES
            .iter()
            .map(|folder| folder.rsplit('/').next().expect("a name"))
            .filter(|other| dependencies.contains(&format!("\n{other}.workspace")))
            .collect();
        let expected = drawn.get(name).cloned().unwrap_or_default();
        assert_eq!(used, expected, "{name}");
    }
}

#[test]
fn the_engine_depends_on_nothing() {
    let manifest = std::fs::read_to_string(root().join("crates/streams/Cargo.toml")).expect("readable");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    assert_eq!(dependencies.trim(), "", "crates/streams is std only");
}

#[test]
fn no_clock_is_read_inside_the_engine_or_the_chains() {
    for folder in ["crates/mask/src", "crates/streams/src", "processors/src", "schemas/src"] {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("readable");
            for clock in ["SystemTime", "Instant", "std::time"] {
                assert!(!text.contains(clock), "{} reads a clock: {clock}", file.display());
            }
        }
    }
}

#[test]
fn architecture_names_every_topic_and_reason() {
    let architecture = architecture();
    for topic in platforms::topics(platforms::ALL.iter().copied()) {
        assert!(architecture.contains(&format!("`{}`", topic.name())), "topic {}", topic.name());
    }
    for reason in schemas::Reason::ALL {
        assert!(architecture.contains(&format!("`{}`", reason.code())), "reason {}", reason.code());
    }
}

/// What the pure crates may not depend on.
const IMPURE: [&str; 7] = ["tokio", "rdkafka", "reqwest", "hyper", "runtime", "metrics", "tracing"];

#[test]
fn platforms_are_pure() {
    for folder in ["platforms", "crates/config", "crates/mask", "schemas"] {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("readable");
        for name in IMPURE {
            let used = manifest.lines().any(|line| line.starts_with(&format!("{name}.")));
            assert!(!used, "{folder} depends on {name}");
        }
    }
}
