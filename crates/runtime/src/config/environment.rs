//! The process's surroundings as a value: environment variables, host name, secret files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What the configuration is read from, besides the file itself.
#[derive(Debug, Clone)]
pub struct Environment {
    /// All environment variables that are UTF-8.
    pub variables: BTreeMap<String, String>,
    /// The name of this host.
    pub host_name: String,
    /// Reads a secret's file.
    pub read_file: fn(&Path) -> io::Result<String>,
}

impl Environment {
    /// The real one. The one place where Naru reads its environment.
    #[must_use]
    pub fn real() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let host_name = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        Self { variables, host_name, read_file: |path| std::fs::read_to_string(path) }
    }

    /// One without any file, for tests and for built-in configurations.
    #[must_use]
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self {
            variables: variables.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            host_name: "localhost".to_owned(),
            read_file: |_| Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The value of `NARU_LOG`.
    #[must_use]
    pub fn log_filter(&self) -> Option<&str> {
        self.variables.get("NARU_LOG").map(String::as_str).filter(|filter| !filter.is_empty())
    }
}
