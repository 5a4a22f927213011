//! Reads typed values out of the tree by the schema's rules, and goes on after a mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keys::KeyRing;
use toml::{Table, Value};

use super::environment::Environment;
use super::mistake::{Fault, Mistakes, fault};
use super::schema::{Fallback, Field, Kind, field};
use super::value;
use crate::Secret;

/// Most secrets that one key takes: the old one and the new one of a rotation.
const MOST_SECRETS: usize = 2;

/// What stands for an address that could not be read; never bound, since there is a mistake.
const NO_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Reads one tree. After a mistake it gives a placeholder and goes on, so that all are found at once.
pub(super) struct Reader<'a> {
    tree: &'a Table,
    environment: &'a Environment,
    pub(super) mistakes: Mistakes,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tree: &'a Table, environment: &'a Environment, mistakes: Mistakes) -> Self {
        Self { tree, environment, mistakes }
    }

    /// The names under a section whose keys are names.
    pub(super) fn names(&self, section: &str) -> Vec<&'a str> {
        self.table(&[section]).map(|table| table.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The keys of a section in a section.
    pub(super) fn keys(&self, at: &[&str]) -> Vec<&'a str> {
        self.table(at).map(|table| table.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    pub(super) fn text(&mut self, at: &[&str]) -> String {
        self.optional_text(at).unwrap_or_default()
    }

    pub(super) fn optional_text(&mut self, at: &[&str]) -> Option<String> {
        self.read(at, |kind, value| match kind {
            Kind::Name => value::name(value),
            Kind::Choice(words) => value::choice(value, words),
            Kind::Url => value::url(value, false),
            Kind::PlainUrl => value::url(value, true),
            _ => value::text(value),
        })
    }

    /// An integer; the schema's bounds must lie within `T`.
    pub(super) fn integer<T: TryFrom<i64> + Default>(&mut self, at: &[&str]) -> T {
        let read = self.read(at, |kind, value| match kind {
            Kind::Integer { min, max } => value::integer(value, min, max),
            other => unreachable!("the schema says {other:?} and the code an integer"),
        });
        read.and_then(|number| T::try_from(number).ok()).unwrap_or_default()
    }

    pub(super) fn size(&mut self, at: &[&str]) -> usize {
        let read = self.read(at, |kind, value| match kind {
            Kind::Size { min, max } => value::size(value, min, max),
            other => unreachable!("the schema says {other:?} and the code a size"),
        });
        read.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default()
    }

    pub(super) fn duration(&mut self, at: &[&str]) -> Duration {
        let read = self.read(at, |kind, value| match kind {
            Kind::Duration { min, max } => value::duration(value, min, max),
            other => unreachable!("the schema says {other:?} and the code a duration"),
        });
        read.unwrap_or_default()
    }

    pub(super) fn durations(&mut self, at: &[&str]) -> Vec<Duration> {
        let read = self.read(at, |kind, value| {
            let Kind::Durations { max, items } = kind else {
                unreachable!("the schema says {kind:?} and the code durations")
            };
            match value {
                Value::Array(list) if (1..=items).contains(&list.len()) => {
                    list.iter().map(|item| value::duration(item, 0, max)).collect()
                }
                Value::Array(list) => fault(format!("{} items", list.len()), format!("give 1 to {items}")),
                other => value::not("a list such as [\"2s\", \"4s\"]", other),
            }
        });
        read.unwrap_or_default()
    }

    pub(super) fn address(&mut self, at: &[&str]) -> SocketAddr {
        self.read(at, |_, value| value::address(value)).unwrap_or(NO_ADDRESS)
    }

    pub(super) fn optional_path(&mut self, at: &[&str]) -> Option<PathBuf> {
        self.optional_text(at).map(PathBuf::from)
    }

    /// The key ring in the file that is named there.
    pub(super) fn key_ring(&mut self, at: &[&str]) -> Option<Arc<KeyRing>> {
        let environment = self.environment;
        self.read(at, |_, value| {
            let path = value::text(value)?;
            match (environment.read_file)(Path::new(&path)) {
                Ok(text) => KeyRing::parse(&text)
                    .map(Arc::new)
                    .or_else(|error| fault(format!("{path}: {error}"), "correct it, or put the copy back")),
                Err(error) => fault(
                    format!("{path} cannot be read: {}", error.kind()),
                    "correct the path, or make a ring with `naru keys init`",
                ),
            }
        })
    }

    pub(super) fn secret(&mut self, at: &[&str]) -> Secret {
        let environment = self.environment;
        let read = self.read(at, |kind, value| match kind {
            Kind::Secret { min } => secret(value, min, environment),
            other => unreachable!("the schema says {other:?} and the code a secret"),
        });
        read.unwrap_or_else(|| Secret::new(""))
    }

    /// One or two secrets. Each has its own mistakes, with its index.
    pub(super) fn secrets(&mut self, at: &[&str]) -> Vec<Secret> {
        let list = self.read(at, |_, value| match value {
            Value::Array(list) if (1..=MOST_SECRETS).contains(&list.len()) => Ok(list.clone()),
            Value::Array(list) => {
                fault(format!("{} secrets", list.len()), "give one, or two while one is being rotated")
            }
            one => Ok(vec![one.clone()]),
        });
        let Some(Field { kind: Kind::Secrets { min }, .. }) = field(at) else {
            unreachable!("the schema has no secrets at {at:?}")
        };
        let mut secrets = Vec::new();
        for (i, item) in list.unwrap_or_default().iter().enumerate() {
            match secret(item, *min, self.environment) {
                Ok(secret) => secrets.push(secret),
                Err(fault) => self.mistakes.add_fault(&format!("{}[{i}]", at.join(".")), fault),
            }
        }
        secrets
    }

    /// Whether the file, the environment or a default gives a value.
    fn read<T>(&mut self, at: &[&str], parse: impl FnOnce(Kind, &Value) -> Result<T, Fault>) -> Option<T> {
        let field = field(at).expect("every key that is read stands in the schema");
        let default = match (self.find(at), field.default) {
            (Some(value), _) => return self.take(at, parse(field.kind, value)),
            (None, Fallback::Absent) => return None,
            (None, Fallback::Required) => {
                self.mistakes.add(&at.join("."), "missing", format!("add it: {}", field.help));
                return None;
            }
            (None, Fallback::HostName) => Value::String(self.environment.host_name.clone()),
            (None, Fallback::Value(text)) => literal(text),
        };
        self.take(at, parse(field.kind, &default))
    }

    fn take<T>(&mut self, at: &[&str], read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.mistakes.add_fault(&at.join("."), fault)).ok()
    }

    fn find(&self, at: &[&str]) -> Option<&'a Value> {
        let (key, sections) = at.split_last()?;
        self.table(sections)?.get(*key)
    }

    fn table(&self, at: &[&str]) -> Option<&'a Table> {
        at.iter().try_fold(self.tree, |table, section| table.get(*section)?.as_table())
    }
}

/// A value as it would stand in the file, from the schema.
fn literal(text: &str) -> Value {
    let line = format!("value = {text}");
    let mut table: Table = line.parse().expect("a test parses every default");
    table.remove("value").expect("just written")
}

fn secret(value: &Value, min: (usize, &str), environment: &Environment) -> Result<Secret, Fault> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Table(table) if table.len() == 1 => match table.iter().next() {
            Some((key, Value::String(name))) if key == "env" => match environment.variables.get(name) {
                Some(text) => text.clone(),
                None => return fault(format!("the environment has no {name}"), "set it"),
            },
            Some((key, Value::String(path))) if key == "file" => {
                match (environment.read_file)(Path::new(path)) {
                    Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                    Err(error) => {
                        return fault(format!("{path} cannot be read: {}", error.kind()), "correct the path");
                    }
                }
            }
            _ => return value::not(SECRET_FORMS, value),
        },
        other => return value::not(SECRET_FORMS, other),
    };
    match text.chars().count() {
        0 => fault("empty", "give the secret"),
        length if length < min.0 => fault(format!("{length} characters"), min.1),
        _ => Ok(Secret::new(text)),
    }
}

const SECRET_FORMS: &str = "{ env = \"NAME\" }, { file = \"path\" } or a text";
