//! A row of the table of keys: where a key is, what its value may be, what holds without it.

use std::borrow::Cow;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text that is not empty.
    Text,
    /// A name: `[a-z0-9-]{1,40}`.
    Name,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// Bytes: a whole number, or a text such as `64MiB`.
    Size {
        /// Least value, in bytes.
        min: u64,
        /// Greatest value, in bytes.
        max: u64,
    },
    /// A text such as `100ms`, `2s`, `5m`, `23h`.
    Duration {
        /// Least value, in ms.
        min: u64,
        /// Greatest value, in ms.
        max: u64,
    },
    /// A list of durations; comma-separated in an environment variable.
    Durations {
        /// Greatest value of each, in ms.
        max: u64,
        /// Most items.
        items: usize,
    },
    /// `ip:port`.
    Address,
    /// A list of IP addresses and of networks in CIDR notation; comma-separated in an environment variable.
    Networks,
    /// A file or folder.
    Path,
    /// `https://…`; `http://` only for loopback and for names without a dot (a container beside this one).
    Url,
    /// As `Url`, but the whole address: a slash at its end stays.
    WholeUrl,
    /// `https://…` or `http://…`: no secret and no personal data go there.
    PlainUrl,
    /// `{ env = "NAME" }`, `{ file = "path" }` or a text.
    Secret {
        /// Least number of characters, and who asks for it.
        min: (usize, &'static str),
    },
    /// One or two secrets.
    Secrets {
        /// Least number of characters of each, and who asks for it.
        min: (usize, &'static str),
    },
}

impl Kind {
    /// A secret of any length but none.
    pub const ANY_SECRET: Kind = Kind::Secret { min: (1, "a secret") };
}

/// What holds where neither the file nor the environment has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It must be given.
    Required,
    /// It may be absent.
    Absent,
    /// This value, as it would be in the file.
    Value(&'static str),
    /// The name of the host.
    HostName,
}

/// How the example file shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// Switched on where it is required, otherwise commented out.
    #[default]
    AsNeeded,
    /// Switched on though it may be absent: one of several ways to give what is needed.
    On,
    /// Commented out together with the head of its section, which most configurations leave out. The first row of a
    /// section decides about its head.
    WithoutSection,
}

/// One key of the configuration.
#[derive(Debug, Clone)]
pub struct Field {
    /// Where it is: `section.key`, from the file's root or, in rows that are still to be put [under](Self::under) a
    /// section, from there. A part in `<…>` stands for any name; as the last part it makes its section a free table. The
    /// last part `<property>` stands for names with dots in them.
    pub path: Cow<'static, str>,
    /// What its value may be.
    pub kind: Kind,
    /// What holds without it.
    pub default: Fallback,
    /// A value for the example file, as it would be there; empty where the default is example enough. In a free table key
    /// and value.
    pub example: &'static str,
    /// What it does, for a person; one sentence without its full stop.
    pub help: &'static str,
    /// How the example file shows it.
    pub shown: Shown,
}

/// What the name of every override begins with.
pub(crate) const PREFIX: &str = "NARU_";

/// Variables that begin like ours and are no keys of the configuration: the log filter, the file, and what the test
/// suite sets for the whole of its run.
pub(crate) const OTHER_VARIABLES: [&str; 3] = ["NARU_LOG", "NARU_CONFIG", "NARU_REQUIRE_KAFKA"];

/// Variables of the test suite begin with this.
pub(crate) const TEST_PREFIX: &str = "NARU_TEST_";

/// The wildcard for names that have dots in them, such as the properties of a Kafka client.
pub(crate) const DOTTED: &str = "<property>";

/// Whether a part of a path stands for any name.
pub(crate) fn is_wildcard(part: &str) -> bool {
    part.starts_with('<')
}

/// Whether a concrete path is one that `pattern` describes.
pub(crate) fn matches(pattern: &str, at: &[&str]) -> bool {
    let mut parts = pattern.split('.');
    at.iter().all(|key| parts.next().is_some_and(|part| part == *key || is_wildcard(part)))
        && parts.next().is_none()
}

/// The environment variable that overrides a path: `kafka.brokers` is `NARU_KAFKA__BROKERS`.
pub(crate) fn environment_name<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<_> = path.into_iter().map(|part| part.to_uppercase().replace(['-', '.'], "_")).collect();
    format!("{PREFIX}{}", parts.join("__"))
}

/// The concrete path that `variable` means, if it is one that `pattern` describes: `NARU_LINE__SHOP_TH__MARKET` is
/// `line.shop-th.market`. In a name `_` stands for `-`, in a key with dots for `.`, in another key of a free table for
/// itself.
pub(crate) fn path_of(pattern: &str, variable: &str) -> Option<Vec<String>> {
    let mut given = variable.strip_prefix(PREFIX)?.split("__");
    let mut parts = pattern.split('.').peekable();
    let mut path = Vec::new();
    while let Some(part) = parts.next() {
        let key = given.next().filter(|key| !key.is_empty())?;
        let lower = key.to_lowercase();
        if key != key.to_uppercase() {
            return None;
        }
        path.push(match part {
            DOTTED => lower.replace('_', "."),
            _ if is_wildcard(part) && parts.peek().is_none() => lower,
            _ if is_wildcard(part) => lower.replace('_', "-"),
            _ if part == lower => lower,
            _ => return None,
        });
    }
    given.next().is_none().then_some(path)
}

impl Field {
    /// A row.
    #[must_use]
    pub const fn new(
        path: &'static str,
        kind: Kind,
        default: Fallback,
        example: &'static str,
        help: &'static str,
    ) -> Self {
        Self { path: Cow::Borrowed(path), kind, default, example, help, shown: Shown::AsNeeded }
    }

    /// The same row, shown like this in the example file.
    #[must_use]
    pub const fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    /// The same row with `prefix.` before its path.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        Self { path: Cow::Owned(format!("{prefix}.{}", self.path)), ..self.clone() }
    }

    /// The environment variable that overrides it: `NARU_KAFKA__BROKERS`, `NARU_LINE__<ACCOUNT>__MARKET`.
    #[must_use]
    pub fn environment_name(&self) -> String {
        environment_name(self.path.split('.'))
    }
}
