//! The TOML tree before it is read: overrides from the environment put in, unknown keys found.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::environment::Environment;
use super::mistake::{DID_YOU_MEAN, Mistakes, suggest};
use super::schema::{Field, Kind, OTHER_VARIABLES, PREFIX, TEST_PREFIX, is_wildcard, schema};

/// Where librdkafka's properties stand.
const PROPERTIES: &str = "properties";

/// Parses the text. A syntax error is told by its line and without the line's content, which may hold a secret.
pub(super) fn parse(text: &str, mistakes: &mut Mistakes) -> Table {
    let mut tree = match text.parse::<Table>() {
        Ok(tree) => tree,
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1;
            mistakes.add(&format!("line {line}"), error.message(), "the file is not TOML");
            Table::new()
        }
    };
    if let Some(Value::Table(properties)) =
        tree.get_mut("kafka").and_then(Value::as_table_mut).and_then(|kafka| kafka.get_mut(PROPERTIES))
    {
        *properties = flatten(std::mem::take(properties));
    }
    tree
}

/// `security.protocol = "ssl"` without quotes is a tree to TOML and a property to librdkafka.
fn flatten(properties: Table) -> Table {
    let mut flat = Table::new();
    for (name, value) in properties {
        match value {
            Value::Table(inner) if !is_reference(&inner) => {
                flat.extend(
                    flatten(inner).into_iter().map(|(rest, value)| (format!("{name}.{rest}"), value)),
                );
            }
            value => {
                flat.insert(name, value);
            }
        }
    }
    flat
}

/// Whether a table is `{ env = "…" }` or `{ file = "…" }`.
fn is_reference(table: &Table) -> bool {
    !table.is_empty()
        && table.iter().all(|(key, value)| matches!(key.as_str(), "env" | "file") && value.is_str())
}

/// Puts the overrides into the tree. A variable that is empty counts as not set.
pub(super) fn overlay(tree: &mut Table, environment: &Environment, mistakes: &mut Mistakes) {
    let named = named_by_secrets(tree);
    for (variable, value) in &environment.variables {
        let ours = variable.starts_with(PREFIX) && !variable.starts_with(TEST_PREFIX);
        let other = OTHER_VARIABLES.contains(&variable.as_str()) || named.contains(variable);
        if !ours || other || value.is_empty() || is_service_link(variable, value) {
            continue;
        }
        let found = schema().iter().find_map(|field| Some((field, field.path_of(variable)?)));
        let Some((field, path)) = found else {
            let names: Vec<_> = schema().iter().map(Field::environment_name).collect();
            mistakes.add(variable, "unknown environment variable", suggest_variable(variable, &names));
            continue;
        };
        if insert(tree, &path, typed(field.kind, value)) {
            mistakes.set_by(&path.join("."), variable);
        } else {
            mistakes.add(variable, "the file has something else in its place", "correct the file");
        }
    }
}

/// Whether Kubernetes has set it: for a service named `naru-ingress` each pod beside it gets
/// `NARU_INGRESS_SERVICE_HOST`, `NARU_INGRESS_PORT=tcp://…`, `NARU_INGRESS_PORT_8080_TCP_ADDR` and more
/// (Kubernetes documentation, "Accessing the Service", environment variables).
fn is_service_link(variable: &str, value: &str) -> bool {
    let link = |text: &str| text.starts_with("tcp://") || text.starts_with("udp://");
    let of_port =
        variable.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    !variable.contains("__")
        && (variable.ends_with("_SERVICE_HOST")
            || variable.contains("_SERVICE_PORT")
            || of_port
            || variable.ends_with("_PORT") && link(value))
}

/// A hint that leaves out what every name begins with, since that makes any two look alike.
fn suggest_variable(variable: &str, names: &[String]) -> String {
    let all = suggest(tail(variable), names.iter().map(|name| tail(name)));
    match all.strip_prefix(DID_YOU_MEAN) {
        Some(name) => format!("{DID_YOU_MEAN}{PREFIX}{name}"),
        None => "`naru config example` shows every key".to_owned(),
    }
}

fn tail(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The value of a variable as the TOML value that the key's kind asks for. What does not fit stays a text, so that
/// the reader complains.
fn typed(kind: Kind, value: &str) -> Value {
    let text = || Value::String(value.to_owned());
    match kind {
        Kind::Integer { .. } => value.trim().parse().map_or_else(|_| text(), Value::Integer),
        Kind::Durations { .. } => {
            Value::Array(value.split(',').map(|item| Value::String(item.trim().to_owned())).collect())
        }
        // One secret: a comma may be part of it.
        Kind::Secrets { .. } => Value::Array(vec![text()]),
        _ => text(),
    }
}

fn insert(tree: &mut Table, path: &[String], value: Value) -> bool {
    let Some((key, sections)) = path.split_last() else { return false };
    let mut table = tree;
    for section in sections {
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else { return false };
        table = inner;
    }
    table.insert(key.clone(), value);
    true
}

/// Names of the variables that `{ env = "…" }` anywhere in the tree names.
fn named_by_secrets(tree: &Table) -> BTreeSet<String> {
    fn walk(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Table(table) if is_reference(table) => {
                names.extend(table.get("env").and_then(Value::as_str).map(str::to_owned));
            }
            Value::Table(table) => table.values().for_each(|value| walk(value, names)),
            Value::Array(items) => items.iter().for_each(|value| walk(value, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    tree.values().for_each(|value| walk(value, &mut names));
    names
}

/// Finds keys that the schema does not know, and sections that are something else.
pub(super) fn unknown_keys(tree: &Table, mistakes: &mut Mistakes) {
    walk(tree, &mut Vec::new(), mistakes);
}

fn walk(table: &Table, at: &mut Vec<String>, mistakes: &mut Mistakes) {
    for (key, value) in table {
        at.push(key.clone());
        let path = at.join(".");
        let known: Vec<_> = schema().iter().filter_map(|field| remainder(field, at)).collect();
        if known.is_empty() {
            at.pop();
            let siblings: BTreeSet<_> = schema()
                .iter()
                .filter_map(|field| remainder(field, at)?.split('.').next())
                .filter(|part| !part.is_empty() && !is_wildcard(part))
                .collect();
            mistakes.add(&path, "unknown key", suggest(key, siblings.into_iter()));
            continue;
        }
        // A key of the schema itself is for the reader; a section is walked.
        if !known.contains(&"") {
            match value {
                Value::Table(inner) => walk(inner, at, mistakes),
                _ => mistakes.add(&path, "is a value", format!("it is a section: [{path}]")),
            }
        }
        at.pop();
    }
}

/// What remains of a field's path below `at`; nothing if the field is elsewhere.
fn remainder(field: &'static Field, at: &[String]) -> Option<&'static str> {
    let mut rest = field.path;
    for key in at {
        let (part, after) = rest.split_once('.').unwrap_or((rest, ""));
        if part.is_empty() || (part != key && !is_wildcard(part)) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}
