//! Mistakes in a configuration: all of them at once, each with its place and its remedy.

use std::collections::BTreeMap;
use std::fmt;

/// One mistake. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where: the path of the key, or the name of an environment variable.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub to_do: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.what, self.to_do)
    }
}

/// Every mistake of a configuration, one a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes {
    found: Vec<Mistake>,
    /// Which variable has set a path, so that a mistake in it is looked for in the right place.
    variables: BTreeMap<String, String>,
}

/// A mistake whose place is known to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong. Never holds a secret.
    pub what: String,
    /// What to do about it.
    pub to_do: String,
}

/// A fault as the result of a function that reads one value.
///
/// # Errors
/// Always: that is what it is for.
pub fn fault<T>(what: impl Into<String>, to_do: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { what: what.into(), to_do: to_do.into() })
}

impl Mistakes {
    /// Adds a mistake at `path`, once. Where an environment variable has set the path, or the list that it is an item of,
    /// the mistake names the variable too. `what` begins lower-case and has no full stop; neither text may hold a secret.
    pub fn add(&mut self, path: &str, what: impl Into<String>, to_do: impl Into<String>) {
        let set_by = self.variables.iter().find(|(set, _)| is_within(path, set));
        let path = match set_by {
            Some((_, variable)) => format!("{path} (set by {variable})"),
            None => path.to_owned(),
        };
        let mistake = Mistake { path, what: what.into(), to_do: to_do.into() };
        if !self.found.contains(&mistake) {
            self.found.push(mistake);
        }
    }

    /// Adds a mistake that was found without knowing its path.
    pub fn add_fault(&mut self, path: &str, fault: Fault) {
        self.add(path, fault.what, fault.to_do);
    }

    /// Remembers that `variable` has set `path`.
    pub(crate) fn set_by(&mut self, path: &str, variable: &str) {
        self.variables.insert(path.to_owned(), variable.to_owned());
    }

    /// Whether nothing is wrong with any of `paths` so far, nor with an item of a list there, so that a rule about them
    /// makes sense.
    #[must_use]
    pub fn spare(&self, paths: &[&str]) -> bool {
        !self.found.iter().any(|mistake| {
            let at = mistake.path.split(" (set by ").next().unwrap_or_default();
            paths.iter().any(|path| is_within(at, path))
        })
    }

    /// `value`, or the mistakes if there are any.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.found.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The mistakes, in the order in which they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Mistake] {
        &self.found
    }
}

/// Whether `path` is `at` or an item of the list there.
fn is_within(path: &str, at: &str) -> bool {
    path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.found.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// How a hint begins that names one thing.
pub(crate) const DID_YOU_MEAN: &str = "did you mean ";

/// A remedy for an unknown name: `did you mean x?` where one of `known` is near enough to `given`, otherwise all of them.
#[must_use]
pub fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    /// Nearer than this in Jaro's and Winkler's measure (1 is equal) is taken for a typing error.
    const NEAR: f64 = 0.85;
    let mut known: Vec<_> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let near = |name: &str| strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase());
    match known.iter().copied().max_by(|a, b| near(a).total_cmp(&near(b))) {
        Some(best) if near(best) >= NEAR => format!("{DID_YOU_MEAN}{best}?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}
