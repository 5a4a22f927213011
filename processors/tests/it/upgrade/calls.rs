//! The calls that the goldens' outbox records give: old and new say the same to the platforms.

use std::path::Path;

use platforms::{Authorization, Dispatch, Platform};
use schemas::{Codec, Framing, Outbox};
use serde_json::{Map, Value, json};
use streams::Effects;

use super::recorded;
use crate::driver::Direction;
use crate::goldens::run_case;

/// Who the recorded pushes to LINE are for.
const ADDRESS: &str = "U00000000000000000000000000000abc";

#[test]
fn genesys_is_called_as_before() {
    assert_eq!(compare("line_to_genesys", Direction::LineToGenesys), Compared { cases: 59, calls: 39 });
}

#[test]
fn line_is_called_as_before() {
    assert_eq!(compare("genesys_to_line", Direction::GenesysToLine), Compared { cases: 39, calls: 28 });
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Compared {
    cases: usize,
    calls: usize,
}

/// Runs every case that was recorded, and panics with those whose calls differ.
fn compare(folder: &str, direction: Direction) -> Compared {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(folder);
    let (mut compared, mut wrong) = (Compared::default(), Vec::new());
    for entry in std::fs::read_dir(recorded("goldens").join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let case = cases.join(path.file_name().unwrap());
        let expected: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let (effects, _) = run_case(direction, &std::fs::read_to_string(&case).unwrap());
        let calls = calls(&effects);
        compared.cases += 1;
        compared.calls += calls.len();
        if calls != expected {
            wrong.push(format!("{}:\n{}\nbefore:\n{}", case.display(), json!(calls), json!(expected)));
        }
    }
    assert!(wrong.is_empty(), "other calls than before:\n{}", wrong.join("\n"));
    compared
}

/// The call of each outbox record, in order.
fn calls(effects: &Effects) -> Vec<Value> {
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    let outbox = |topic| platforms::ALL.iter().find(|platform| platform.destination.outbox.name() == topic);
    let records = effects.outputs.iter().filter_map(|output| Some((outbox(output.topic)?, &output.value)));
    records.map(|(platform, value)| call(platform, &codec.decode(value).unwrap())).collect()
}

fn call(platform: &Platform, record: &Outbox) -> Value {
    let address = platform.api.policy().needs_address.then_some(ADDRESS);
    let authorization = &Authorization::Bearer(config::Secret::new("x"));
    let call = platform.api.call(&Dispatch { record, address, authorization, now: 0 });
    let count = call.headers.len();
    let headers: Map<String, Value> =
        call.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    assert_eq!(headers.len(), count, "each header is once");
    let body: Value = call.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
    json!({"method": call.method.as_str(), "path": call.path, "headers": headers, "body": body})
}
