//! What the version before derived and sent, as `crates/e2e/tests/data/upgrade` has it: this version does the same.

mod calls;
mod ids;
mod kept;

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A file or folder of the recording.
fn recorded(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/e2e/tests/data/upgrade")).join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(recorded(name)).unwrap()).unwrap()
}

/// The derived values of one kind.
fn vectors(kind: &str) -> Value {
    json("vectors.json")[kind].take()
}

/// A list of derived values, of which `count` were recorded.
fn list(kind: &str, count: usize) -> Vec<Value> {
    let Value::Array(list) = vectors(kind) else { panic!("no list of {kind}") };
    assert_eq!(list.len(), count, "all {kind} are found");
    list
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field} in {value}"))
}

fn number(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or_else(|| panic!("no number {field} in {value}"))
}

fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    base64(text(value, field))
}

/// An identity in its 32 hex digits.
fn hex(digits: &str) -> u128 {
    assert_eq!(digits.len(), 32);
    u128::from_str_radix(digits, 16).unwrap()
}
