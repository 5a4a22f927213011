//! The published JSON Schema, as the tests of both directions use it.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/custom-channel.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// Whether a body is what the schema describes.
pub(super) fn is_valid(body: &Value) -> bool {
    SCHEMA.is_valid(body)
}

#[test]
fn the_examples_of_the_docs_are_what_the_schema_describes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/custom-channel.md");
    let docs = std::fs::read_to_string(file).unwrap();
    let examples: Vec<Value> = docs
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).unwrap())
        .collect();
    assert_eq!(examples.len(), 2);
    assert!(examples.iter().all(is_valid));
}
