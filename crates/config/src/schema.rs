//! The table of keys: reader, environment, example file and tests go by it.

use crate::field::{Field, OTHER_VARIABLES, environment_name, is_wildcard, matches, path_of};

/// A key that has another place now. To give it in its old place is a mistake that names the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Where it was; a part in `<…>` stands for any name.
    pub from: &'static str,
    /// Where it is. A part in `<…>` stands for what it stands for in `from`.
    pub to: &'static str,
}

/// Every key of a configuration, section by section.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    fields: Vec<Field>,
    moved: Vec<Moved>,
    samples: Vec<(String, String)>,
}

impl Schema {
    /// A schema of these rows. The keys of one section are neighbours, in the order in which the example file shows them.
    #[must_use]
    pub fn new(fields: Vec<Field>, moved: Vec<Moved>) -> Self {
        Self { fields, moved, samples: Vec::new() }
    }

    /// The same schema, whose example file shows `section`, a path that ends in `<…>`, as `sample`.
    #[must_use]
    pub fn shown_as(mut self, section: impl Into<String>, sample: impl Into<String>) -> Self {
        self.samples.push((section.into(), sample.into()));
        self
    }

    /// All rows.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The row of a concrete path, such as `["kafka", "brokers"]`.
    #[must_use]
    pub fn field(&self, at: &[&str]) -> Option<&Field> {
        self.fields.iter().find(|field| matches(&field.path, at))
    }

    /// Whether the configuration, or the command line, knows an environment variable of this name.
    #[must_use]
    pub fn is_environment_name(&self, variable: &str) -> bool {
        OTHER_VARIABLES.contains(&variable) || self.set_by(variable).is_some()
    }

    /// The row that `variable` overrides, and the concrete path that it means.
    pub(crate) fn set_by(&self, variable: &str) -> Option<(&Field, Vec<String>)> {
        self.fields.iter().find_map(|field| Some((field, path_of(&field.path, variable)?)))
    }

    /// Where keys were that have moved.
    pub(crate) fn moved_from(&self) -> impl Iterator<Item = &'static str> {
        self.moved.iter().map(|moved| moved.from)
    }

    /// Where the key has moved that was at a concrete path.
    pub(crate) fn moved(&self, at: &[&str]) -> Option<String> {
        let moved = self.moved.iter().find(|moved| matches(moved.from, at))?;
        Some(moved.target(at).join("."))
    }

    /// The variable of the key that has moved and that `variable` was for.
    pub(crate) fn moved_variable(&self, variable: &str) -> Option<String> {
        self.moved.iter().find_map(|moved| {
            let path = path_of(moved.from, variable)?;
            let at: Vec<_> = path.iter().map(String::as_str).collect();
            Some(environment_name(moved.target(&at)))
        })
    }

    /// The path of a row with samples in the place of names; a wildcard that has none is shown by its own word.
    pub(crate) fn sample_path(&self, field: &Field) -> String {
        let sample = self.samples.iter().find_map(|(section, sample)| {
            let rest = field.path.strip_prefix(section.as_str()).filter(|rest| rest.starts_with('.'))?;
            Some(format!("{sample}{rest}"))
        });
        let path = sample.unwrap_or_else(|| field.path.clone().into_owned());
        path.replace(['<', '>'], "")
    }
}

impl Moved {
    /// `to` for a concrete path that matches `from`.
    fn target<'a>(&self, at: &[&'a str]) -> Vec<&'a str> {
        let from: Vec<_> = self.from.split('.').collect();
        let named = |part: &'static str| {
            let place = from.iter().position(|name| is_wildcard(part) && *name == part);
            place.and_then(|place| at.get(place)).copied().unwrap_or(part)
        };
        self.to.split('.').map(named).collect()
    }
}
