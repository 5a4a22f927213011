//! What surrounds a process, as a value: environment variables, host name, files of secrets.

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
    /// Reads the file of a secret or of a key ring.
    pub read_file: fn(&Path) -> io::Result<String>,
}

impl Environment {
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
