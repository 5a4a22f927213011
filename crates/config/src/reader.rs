//! Reads typed values out of the tree by the schema's rules, and goes on after a mistake.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use keys::KeyRing;
use toml::{Table, Value};

use crate::environment::Environment;
use crate::field::{Fallback, Kind};
use crate::mistake::{Fault, Mistakes, fault};
use crate::schema::Schema;
use crate::secret::Secret;
use crate::tree;
use crate::value::{self, NAME_RULE, is_name};

/// Most secrets that one key takes: the old one and the new one of a rotation.
const MOST_SECRETS: usize = 2;

/// Given for an address that could not be read; never bound, since there is a mistake.
const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Reads one configuration. After a mistake it gives a placeholder and goes on, so that all are found at once.
///
/// Every key that is read must have a row in the schema, and the row's kind must be the one that the method asks for:
/// otherwise it panics, since that is a mistake of the code and not of the configuration.
pub struct Reader<'a> {
    tree: Table,
    schema: &'a Schema,
    environment: &'a Environment,
    /// What is wrong so far. Rules between keys add to it.
    pub mistakes: Mistakes,
}

impl<'a> Reader<'a> {
    /// A reader of a TOML text, with the overrides of the environment in it. Unknown keys and variables, and those that
    /// have moved, are among its mistakes from the start.
    ///
    /// # Errors
    /// If the text is not TOML: nothing can be said about its keys then.
    pub fn new(text: &str, schema: &'a Schema, environment: &'a Environment) -> Result<Self, Mistakes> {
        let mut tree = tree::parse(text, schema)?;
        let mut mistakes = Mistakes::default();
        tree::overlay(&mut tree, schema, environment, &mut mistakes);
        tree::unknown_keys(&tree, schema, &mut mistakes);
        Ok(Self { tree, schema, environment, mistakes })
    }

    /// `value`, if nothing was wrong.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        self.mistakes.or(value)
    }

    /// The names of the sections in `section`, in alphabetical order.
    #[must_use]
    pub fn names(&self, section: &str) -> Vec<String> {
        self.keys(&[section])
    }

    /// The keys of the section `at`, in alphabetical order; none where there is no such section.
    #[must_use]
    pub fn keys(&self, at: &[&str]) -> Vec<String> {
        self.table(at).map(|table| table.keys().cloned().collect()).unwrap_or_default()
    }

    /// Reads every section in `section`, by its name. One whose name is not a name is a mistake, and is read all the same.
    pub fn named<T>(
        &mut self,
        section: &str,
        mut read: impl FnMut(&mut Self, &str) -> T,
    ) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for name in self.names(section) {
            if !is_name(&name) {
                self.mistakes.add(&format!("{section}.{name}"), "not a name", NAME_RULE);
            }
            let value = read(self, &name);
            all.insert(name, value);
        }
        all
    }

    /// A text, name, choice, path or URL; empty after a mistake. A URL comes without its last slash.
    pub fn text(&mut self, at: &[&str]) -> String {
        self.optional_text(at).unwrap_or_default()
    }

    /// As [`Reader::text`]; nothing where it may be absent and is, or after a mistake.
    pub fn optional_text(&mut self, at: &[&str]) -> Option<String> {
        self.read(at, |kind, value| match kind {
            Kind::Name => value::name(value),
            Kind::Choice(words) => value::choice(value, words),
            Kind::Url => value::url(value, false),
            Kind::WholeUrl => value::whole_url(value, false),
            Kind::PlainUrl => value::url(value, true),
            _ => value::text(value),
        })
    }

    /// The free table `at`: every key of it with its text.
    pub fn texts(&mut self, at: &[&str]) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for key in self.keys(at) {
            if let Some(text) = self.optional_text(&[at, &[key.as_str()]].concat()) {
                texts.insert(key, text);
            }
        }
        texts
    }

    /// `true` or `false`; `false` after a mistake.
    pub fn flag(&mut self, at: &[&str]) -> bool {
        self.read(at, |_, value| value::flag(value)).unwrap_or_default()
    }

    /// An integer; 0 after a mistake. The bounds in the schema must lie within `T`.
    pub fn integer<T: TryFrom<i64> + Default>(&mut self, at: &[&str]) -> T {
        let read = self.read(at, |kind, value| match kind {
            Kind::Integer { min, max } => value::integer(value, min, max),
            other => unreachable!("the schema says {other:?} and the code an integer"),
        });
        read.and_then(|number| T::try_from(number).ok()).unwrap_or_default()
    }

    /// A size, in bytes; 0 after a mistake.
    pub fn size(&mut self, at: &[&str]) -> usize {
        let read = self.read(at, |kind, value| match kind {
            Kind::Size { min, max } => value::size(value, min, max),
            other => unreachable!("the schema says {other:?} and the code a size"),
        });
        read.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default()
    }

    /// A duration of whole ms; zero after a mistake.
    pub fn duration(&mut self, at: &[&str]) -> Duration {
        let read = self.read(at, |kind, value| match kind {
            Kind::Duration { min, max } => value::duration(value, min, max),
            other => unreachable!("the schema says {other:?} and the code a duration"),
        });
        read.unwrap_or_default()
    }

    /// A list of durations, at least one; none after a mistake.
    pub fn durations(&mut self, at: &[&str]) -> Vec<Duration> {
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

    /// An address with its port; port 0 after a mistake.
    pub fn address(&mut self, at: &[&str]) -> SocketAddr {
        self.read(at, |_, value| value::address(value)).unwrap_or(NO_ADDRESS)
    }

    /// A list of networks, an address being a network of one. Each bad item has its own mistake, with its index, and is
    /// left out.
    pub fn networks(&mut self, at: &[&str]) -> Vec<IpNet> {
        let list = self.read(at, |_, value| match value {
            Value::Array(list) => Ok(list.clone()),
            other => value::not("a list such as [\"10.0.0.0/8\", \"192.0.2.7\"]", other),
        });
        self.items(at, &list.unwrap_or_default(), value::network)
    }

    /// A file or folder; nothing where it may be absent and is, or after a mistake.
    pub fn optional_path(&mut self, at: &[&str]) -> Option<PathBuf> {
        self.optional_text(at).map(PathBuf::from)
    }

    /// The key ring in the file that is named there; nothing where none is named, or after a mistake.
    pub fn key_ring(&mut self, at: &[&str]) -> Option<Arc<KeyRing>> {
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

    /// A secret: a text, or what the file or the variable holds that is named there; empty after a mistake.
    pub fn secret(&mut self, at: &[&str]) -> Secret {
        let environment = self.environment;
        let read = self.read(at, |kind, value| match kind {
            Kind::Secret { min } => secret(value, min, environment),
            other => unreachable!("the schema says {other:?} and the code a secret"),
        });
        read.unwrap_or_else(|| Secret::new(""))
    }

    /// One or two secrets. Each bad one has its own mistake, with its index, and is left out.
    pub fn secrets(&mut self, at: &[&str]) -> Vec<Secret> {
        let environment = self.environment;
        let read = self.read(at, |kind, value| {
            let Kind::Secrets { min } = kind else {
                unreachable!("the schema says {kind:?} and the code secrets")
            };
            match value {
                Value::Array(list) if (1..=MOST_SECRETS).contains(&list.len()) => Ok((min, list.clone())),
                Value::Array(list) => {
                    fault(format!("{} secrets", list.len()), "give one, or two while one is being rotated")
                }
                one => Ok((min, vec![one.clone()])),
            }
        });
        let Some((min, list)) = read else { return Vec::new() };
        self.items(at, &list, |item| secret(item, min, environment))
    }

    /// The items of a list that are right; the others are mistakes, each with its index.
    fn items<T>(
        &mut self,
        at: &[&str],
        list: &[Value],
        parse: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        for (i, item) in list.iter().enumerate() {
            match parse(item) {
                Ok(item) => items.push(item),
                Err(fault) => self.mistakes.add_fault(&format!("{}[{i}]", at.join(".")), fault),
            }
        }
        items
    }

    /// What the file, the environment or a default gives.
    fn read<T>(&mut self, at: &[&str], parse: impl FnOnce(Kind, &Value) -> Result<T, Fault>) -> Option<T> {
        let field = self.schema.field(at).expect("every key that is read is in the schema");
        let read = match (self.find(at), field.default) {
            (Some(value), _) => parse(field.kind, value),
            (None, Fallback::Absent) => return None,
            (None, Fallback::Required) => fault("missing", format!("add it: {}", field.help)),
            (None, Fallback::HostName) => {
                parse(field.kind, &Value::String(self.environment.host_name.clone()))
            }
            (None, Fallback::Value(text)) => parse(field.kind, &literal(text)),
        };
        read.map_err(|fault| self.mistakes.add_fault(&at.join("."), fault)).ok()
    }

    fn find(&self, at: &[&str]) -> Option<&Value> {
        let (key, sections) = at.split_last()?;
        self.table(sections)?.get(*key)
    }

    fn table(&self, at: &[&str]) -> Option<&Table> {
        at.iter().try_fold(&self.tree, |table, section| table.get(*section)?.as_table())
    }
}

/// A value as it would be in the file, from the schema.
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
