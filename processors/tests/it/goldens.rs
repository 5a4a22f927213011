//! Goldens: `<case>.json` in, `<case>.expected.json` out. `UPDATE=1` rewrites what is expected.
//!
//! A case is `{"why"?, "records": [{"key", "value" | "value_hex", "headers"?}], "known"?, "aliases"?}`; `headers`
//! changes those that ingress would write, `null` takes one away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemas::{AvroRecord, Codec, Framing, IdentityEntry, Outbox, UnknownField};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use streams::{Counts, Effects, Output};

use crate::driver::{Direction, Raw, Table, run};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "why", default)]
    _why: String,
    records: Vec<RecordOfCase>,
    #[serde(default)]
    known: BTreeSet<String>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordOfCase {
    key: String,
    /// Goes in byte for byte.
    value: Option<Box<RawValue>>,
    value_hex: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
}

#[test]
fn line_to_genesys() {
    walk("line_to_genesys", Direction::LineToGenesys);
}

#[test]
fn genesys_to_line() {
    walk("genesys_to_line", Direction::GenesysToLine);
}

fn walk(folder: &str, direction: Direction) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (expected, cases): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.to_str().unwrap().ends_with(".expected.json"));
    assert!(cases.len() > 10, "the folder is found");
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in &cases {
        let outcome = outcome(direction, &std::fs::read_to_string(case).unwrap());
        let outcome = serde_json::to_string_pretty(&outcome).unwrap() + "\n";
        let path = case.with_extension("expected.json");
        if update {
            std::fs::write(&path, &outcome).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != outcome {
            wrong.push(format!("{}:\n{outcome}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected (UPDATE=1 rewrites):\n{}", wrong.join("\n"));
    for file in expected {
        let case = file.to_str().unwrap().replace(".expected.json", ".json");
        assert!(Path::new(&case).exists(), "{} has no case", file.display());
    }
}

fn outcome(direction: Direction, text: &str) -> Value {
    let (effects, counts) = run_case(direction, text);
    shown(&effects, counts)
}

/// What the chain makes of a case.
pub(crate) fn run_case(direction: Direction, text: &str) -> (Effects, Counts) {
    let case: Case = serde_json::from_str(text).expect("a case reads");
    let records: Vec<Raw> = case.records.iter().map(|record| raw(direction, record)).collect();
    let (effects, counts) = run(direction, Table { known: case.known, aliases: case.aliases }, &records);
    assert_eq!(counts.finished(), records.len() as u64, "every record is accounted for");
    (effects, counts)
}

fn raw(direction: Direction, record: &RecordOfCase) -> Raw {
    let value = match (&record.value, &record.value_hex) {
        (Some(value), None) => value.get().as_bytes().to_vec(),
        (None, Some(hex)) => {
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
        }
        _ => panic!("a record has either value or value_hex"),
    };
    let mut raw = Raw::new(direction, &record.key, &value);
    for (name, value) in &record.headers {
        match value {
            Some(value) => raw.headers.insert(name.clone(), value.clone()),
            None => raw.headers.remove(name),
        };
    }
    raw
}

fn shown(effects: &Effects, counts: Counts) -> Value {
    let mut shown = json!({});
    if !effects.outputs.is_empty() {
        shown["outputs"] = effects.outputs.iter().map(output).collect();
    }
    if !effects.dead.is_empty() {
        shown["dead"] =
            effects.dead.iter().map(|dead| json!({"reason": dead.reason, "detail": dead.detail})).collect();
    }
    if !effects.filtered.is_empty() {
        shown["filtered"] = json!(effects.filtered);
    }
    if counts.duplicate > 0 {
        shown["duplicate"] = counts.duplicate.into();
    }
    shown
}

fn output(output: &Output) -> Value {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let value = match output.topic {
        "outbox.genesys" | "outbox.line" => decoded::<Outbox>(&output.value),
        "state.identity" => decoded::<IdentityEntry>(&output.value),
        "audit.unknown-fields" => decoded::<UnknownField>(&output.value),
        other => panic!("no chain writes {other}"),
    };
    let headers: BTreeMap<&str, String> = output.headers.iter().map(|(name, v)| (*name, text(v))).collect();
    json!({
        "topic": output.topic,
        "key": text(&output.key),
        "partition_by": output.partition_by.as_deref().map(text),
        "headers": headers,
        "value": value,
    })
}

fn decoded<T: AvroRecord>(bytes: &[u8]) -> Value {
    let value =
        Codec::<T>::new(&Framing::single_object()).decode(bytes).expect("an Avro value of its schema");
    serde_json::to_value(value).unwrap()
}
