//! The TOML tree before it is read: overrides from the environment put in, unknown keys found.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::environment::Environment;
use crate::field::{DOTTED, Field, Kind, OTHER_VARIABLES, PREFIX, TEST_PREFIX, is_wildcard};
use crate::mistake::{DID_YOU_MEAN, Mistakes, suggest};
use crate::schema::Schema;

/// Parses the text. A syntax error is reported with its line and without the line's content, which may hold a secret.
pub(crate) fn parse(text: &str, schema: &Schema) -> Result<Table, Mistakes> {
    let mut tree = text.parse::<Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1;
        let mut mistakes = Mistakes::default();
        mistakes.add(&format!("line {line}"), error.message(), "the file is not TOML");
        mistakes
    })?;
    for field in schema.fields() {
        if let Some((section, DOTTED)) = field.path.rsplit_once('.') {
            flatten_at(&mut tree, section);
        }
    }
    Ok(tree)
}

/// Where all keys are, for a mistake that is like none of them.
const EXAMPLE: &str = "`naru config example` shows every key";

/// What is wrong with a key that has another place now.
const MOVED: &str = "has moved";

/// Flattens every section that `section` describes.
fn flatten_at(table: &mut Table, section: &str) {
    let (part, rest) = section.split_once('.').unwrap_or((section, ""));
    let inside = table.iter_mut().filter(|(key, _)| is_wildcard(part) || key.as_str() == part);
    for table in inside.filter_map(|(_, value)| value.as_table_mut()) {
        if rest.is_empty() {
            *table = flatten(std::mem::take(table));
        } else {
            flatten_at(table, rest);
        }
    }
}

/// A key with dots in it, `security.protocol = "ssl"`, is a tree to TOML where it has no quotes.
fn flatten(keys: Table) -> Table {
    let mut flat = Table::new();
    for (name, value) in keys {
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
pub(crate) fn overlay(tree: &mut Table, schema: &Schema, environment: &Environment, mistakes: &mut Mistakes) {
    let named = named_by_secrets(tree);
    for (variable, value) in &environment.variables {
        let ours = variable.starts_with(PREFIX) && !variable.starts_with(TEST_PREFIX);
        let other = OTHER_VARIABLES.contains(&variable.as_str()) || named.contains(variable);
        if !ours || other || value.is_empty() || is_service_link(variable, value) {
            continue;
        }
        if let Some(to) = schema.moved_variable(variable) {
            mistakes.add(variable, MOVED, format!("set {to}"));
            continue;
        }
        let Some((field, path)) = schema.set_by(variable) else {
            let names: Vec<_> = schema.fields().iter().map(Field::environment_name).collect();
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
        None => EXAMPLE.to_owned(),
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
        Kind::Flag => value.trim().parse().map_or_else(|_| text(), Value::Boolean),
        Kind::Durations { .. } | Kind::Networks => {
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

/// Finds keys that the schema does not know, keys that have moved, and sections that are something else.
pub(crate) fn unknown_keys(tree: &Table, schema: &Schema, mistakes: &mut Mistakes) {
    walk(tree, &mut Vec::new(), schema, mistakes);
}

fn walk<'a>(table: &'a Table, at: &mut Vec<&'a str>, schema: &Schema, mistakes: &mut Mistakes) {
    for (key, value) in table {
        at.push(key);
        check(value, at, schema, mistakes);
        at.pop();
    }
}

fn check<'a>(value: &'a Value, at: &mut Vec<&'a str>, schema: &Schema, mistakes: &mut Mistakes) {
    let path = at.join(".");
    if let Some(to) = schema.moved(at) {
        mistakes.add(&path, MOVED, format!("write {to}"));
        return;
    }
    let known: Vec<_> = schema.fields().iter().filter_map(|field| remainder(&field.path, at)).collect();
    let held_moved_keys = schema.moved_from().any(|from| remainder(from, at).is_some());
    match value {
        // A key of the schema itself is for the reader.
        _ if known.contains(&"") => {}
        Value::Table(inner) if !known.is_empty() || held_moved_keys => walk(inner, at, schema, mistakes),
        _ if known.is_empty() => mistakes.add(&path, "unknown key", suggest_key(at, schema)),
        _ => mistakes.add(&path, "is a value", format!("it is a section: [{path}]")),
    }
}

/// A hint from the keys that there are beside an unknown one.
fn suggest_key(at: &[&str], schema: &Schema) -> String {
    let (key, section) = at.split_last().expect("the root has no name");
    let siblings: BTreeSet<_> = schema
        .fields()
        .iter()
        .filter_map(|field| remainder(&field.path, section)?.split('.').next())
        .filter(|part| !part.is_empty() && !is_wildcard(part))
        .collect();
    if siblings.is_empty() { EXAMPLE.to_owned() } else { suggest(key, siblings) }
}

/// What remains of a row's path below `at`; nothing if the row is elsewhere.
fn remainder<'a>(row: &'a str, at: &[&str]) -> Option<&'a str> {
    let mut rest = row;
    for key in at {
        let (part, after) = rest.split_once('.').unwrap_or((rest, ""));
        if part.is_empty() || (part != *key && !is_wildcard(part)) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}
