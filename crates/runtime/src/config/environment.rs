//! The process's own environment: the one place where Naru reads it.

use ::config::Environment;

/// The environment variables of this process, the name of its host, and its files.
#[must_use]
pub fn real_environment() -> Environment {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let host_name = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    Environment { variables, host_name, read_file: |path| std::fs::read_to_string(path) }
}
