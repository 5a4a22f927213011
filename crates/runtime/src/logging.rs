//! Where log lines go: standard error, as text on a terminal and as JSON elsewhere.

use std::fmt;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// What is logged unless `NARU_LOG` says otherwise.
pub const DEFAULT_FILTER: &str = "info,librdkafka=warn";

/// Why logging could not start.
#[derive(Debug)]
pub enum LoggingError {
    /// `NARU_LOG` is not a filter such as `info,egress=debug`.
    Filter(String),
    /// The process has a subscriber already.
    Installed,
}

impl fmt::Display for LoggingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoggingError::Filter(what) => write!(f, "NARU_LOG: {what}; write for example info,egress=debug"),
            LoggingError::Installed => f.write_str("logging is already set up"),
        }
    }
}

impl std::error::Error for LoggingError {}

/// Sets up logging for this process. `filter` is the value of `NARU_LOG`, if there is one.
///
/// # Errors
/// If the filter cannot be read, or logging is already set up.
pub fn init(filter: Option<&str>) -> Result<(), LoggingError> {
    let filter = parse(filter)?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(terminal);
    let installed = if terminal { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
    installed.map_err(|_| LoggingError::Installed)
}

fn parse(filter: Option<&str>) -> Result<EnvFilter, LoggingError> {
    EnvFilter::builder()
        .parse(filter.unwrap_or(DEFAULT_FILTER))
        .map_err(|error| LoggingError::Filter(error.to_string()))
}

/// Makes a panic in any thread end the process, after a log line that says where. The panic's own text is left out:
/// it may hold a value.
///
/// A process that goes on without one of its threads looks alive and does nothing; one that ends is started again.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "panic, ending the process");
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        assert!(parse(None).is_ok());
        assert!(parse(Some("warn,egress=debug")).is_ok());
        let error = parse(Some("egress=loud")).expect_err("no such level").to_string();
        assert!(error.starts_with("NARU_LOG: "), "{error}");
    }
}
