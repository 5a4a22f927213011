//! The hunt: whether any of the values can be read somewhere, and where.

#![expect(clippy::print_stdout, reason = "how much was searched is what a person wants to know")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::search::Searcher;
use e2e::{Outcome, Running, World};
use serde_json::json;

use super::texts::{Text, Value};
use crate::expect;

/// Where there must have been something to be searched.
const NOT_EMPTY: [&str; 11] = [
    "genesys",
    "metrics",
    "services",
    "sled",
    "spool",
    "webhooks.line",
    "outbox.genesys",
    "deliveries.genesys",
    "dead-letters",
    "state.vault",
    "audit.unknown-fields",
];
/// Places that are named when something was found.
const SHOWN: usize = 20;

/// What is searched for, and where any of it was found.
pub(super) struct Hunt {
    searcher: Searcher,
    /// The kind of each value.
    kinds: Vec<&'static str>,
    /// How many of which kinds can be read in a place.
    found: BTreeMap<String, BTreeMap<&'static str, usize>>,
    /// Bytes that were searched.
    searched: BTreeMap<&'static str, usize>,
}

impl Hunt {
    pub(super) fn new(texts: &[Text]) -> Self {
        let values = texts.iter().flat_map(|text| text.values.iter().map(move |value| (text, value)));
        Self {
            searcher: Searcher::new(values.clone().map(|(text, value)| &text.text[value.needle.clone()])),
            kinds: values.map(|(_, Value { kind, .. })| *kind).collect(),
            found: BTreeMap::new(),
            searched: BTreeMap::new(),
        }
    }

    /// That each value is found where it is.
    pub(super) fn prove(&self, texts: &[Text]) -> Outcome {
        let mut first = 0;
        for Text { text, values } in texts {
            let found = self.searcher.search(json!({ "text": text }).to_string().as_bytes());
            let missed = (first..).zip(values).find(|(number, _)| !found.contains(number));
            let missed = missed.map(|(_, value)| (value.kind, &text[value.needle.clone()]));
            expect(missed.is_none(), format!("not found where it is: {missed:?}"))?;
            first += values.len();
        }
        Ok(())
    }

    /// Searches bytes that are at a place, and at which point of it.
    pub(super) fn through(&mut self, place: &'static str, point: &str, bytes: &[u8]) {
        *self.searched.entry(place).or_default() += bytes.len();
        for number in self.searcher.search(bytes) {
            let kinds = self.found.entry(format!("{place} {point}")).or_default();
            *kinds.entry(self.kinds[number]).or_default() += 1;
        }
    }

    pub(super) async fn through_metrics(&mut self, services: &[&Running]) -> Outcome {
        for service in services {
            self.through("metrics", "", service.admin("/metrics").await?.as_bytes());
        }
        Ok(())
    }

    /// Every topic, whether what is there is committed or not.
    pub(super) fn through_topics(&mut self, world: &World) -> Outcome {
        for topic in world.all_topics() {
            for record in world.records(topic)? {
                self.through(topic.name(), "key", &record.key);
                self.through(topic.name(), "value", &record.value);
                for (name, value) in &record.headers {
                    self.through(topic.name(), name, value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn through_files(&mut self, place: &'static str, dir: &Path) -> Outcome {
        for file in files(dir)? {
            let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let point = file.strip_prefix(dir).unwrap_or(&file);
            self.through(place, &point.display().to_string(), &bytes);
        }
        Ok(())
    }

    /// Tells that a place is not ours to read.
    pub(super) fn cannot(&self, place: &str) {
        println!("  not searched: {place}");
    }

    /// Nothing was found, where there was something to be searched.
    pub(super) fn verdict(&self) -> Outcome {
        println!("  {} values; bytes searched: {:?}", self.kinds.len(), self.searched);
        let empty = NOT_EMPTY.iter().find(|place| self.searched.get(*place).is_none_or(|bytes| *bytes == 0));
        expect(empty.is_none(), format!("nothing was there to be searched: {empty:?}"))?;
        let told = |(place, kinds): (&String, &BTreeMap<&str, usize>)| {
            let (kind, _) = kinds.first_key_value()?;
            Some(format!(
                "\n  {place}: {} of {} kinds, such as {kind}",
                kinds.values().sum::<usize>(),
                kinds.len()
            ))
        };
        let shown: String = self.found.iter().filter_map(told).take(SHOWN).collect();
        expect(shown.is_empty(), format!("can be read, in {} places:{shown}", self.found.len()))
    }
}

/// All files under a folder, but the broker's indices: they hold offsets and times, and megabytes of nothing.
fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else if path.extension().is_none_or(|extension| extension != "index" && extension != "timeindex") {
            all.push(path);
        }
    }
    Ok(all)
}
