//! The command line: one binary that runs any part of Naru.
//!
//! Exit codes: 0 it did what it was told; 1 it could not; 2 the command line or the configuration is wrong. A command
//! that has others says so in its help.

mod check;
mod cli;
mod dev;
mod keys_command;
mod mask;
mod people;
mod random;
mod service;
mod standin;
mod vault;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use runtime::config::{self, Config};

use cli::{Cli, Command, ConfigCommand, TopicsCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration file where none is named.
const CONFIG_FILE: &str = "naru.toml";

/// What ended a command.
pub(crate) enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(String),
    /// The same, with an exit code of its own.
    Code(u8, String),
}

impl Failure {
    /// For `map_err`: something that could not be done.
    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Failure::Failed(error.to_string())
    }
}

/// The whole program: reads the command line, runs the command, gives its exit code.
#[expect(clippy::print_stderr, reason = "a command line's last words")]
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(text)) => {
            eprintln!("naru: {text}");
            ExitCode::FAILURE
        }
        Err(Failure::Code(code, text)) => {
            eprintln!("naru: {text}");
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let file = cli.config.clone().unwrap_or_else(|| CONFIG_FILE.into());
    match cli.command {
        Command::Dev(arguments) => {
            boot(service::dev_filter(&arguments).as_deref())?;
            block_on(dev::run(arguments, cli.config))
        }
        Command::Ingress => serve(&file, service::ingress),
        Command::Processors => serve(&file, service::processors),
        Command::Egress => serve(&file, service::egress),
        Command::Config { command: ConfigCommand::Check } => check::config(&file),
        Command::Config { command: ConfigCommand::Example } => check::example(),
        Command::Topics { command: TopicsCommand::Create } => check::topics(&load(&file)?),
        Command::Keys { command } => keys_command::run(&command),
        Command::Vault { command } => vault::commands::run(&command, &load(&file)?),
        Command::Mask(arguments) => mask::mask(&arguments),
        Command::Health => check::health(&load(&file)?),
        Command::Standins(arguments) => {
            boot(service::log_filter().as_deref())?;
            block_on(standin::run(load(&file)?, arguments))
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "naru", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Reads the configuration; every mistake is a line.
fn load(file: &std::path::Path) -> Result<Config, Failure> {
    let config = config::load(file).map_err(|mistakes| {
        let count = mistakes.as_slice().len();
        Failure::Usage(format!(
            "{mistakes}\n{}: {count} mistake{}",
            file.display(),
            if count == 1 { "" } else { "s" }
        ))
    })?;
    if config.processors.mask_rules.is_some() || !config.vault.keep_days_of.is_empty() {
        let masker = mask::masker(config.processors.mask_rules.as_deref())?;
        if let Some(kind) = config.vault.keep_days_of.keys().find(|kind| !masker.may_keep(kind)) {
            return Err(Failure::Usage(format!(
                "vault.keep_days_of.{kind}: no rule finds this kind and may keep it; correct it or leave it out"
            )));
        }
    }
    Ok(config)
}

/// Runs a service until it is told to end.
fn serve<F>(
    file: &std::path::Path,
    service: impl FnOnce(Config, runtime::Shutdown) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let config = load(file)?;
    boot(service::log_filter().as_deref())?;
    block_on(async {
        let shutdown = runtime::Shutdown::new();
        shutdown.on_signals().map_err(Failure::failed)?;
        service(config, shutdown).await
    })
}

/// What every process that runs for long sets up first.
fn boot(filter: Option<&str>) -> Result<(), Failure> {
    runtime::logging::init(filter).map_err(|error| Failure::Usage(error.to_string()))?;
    runtime::logging::end_on_panic();
    runtime::tls::install_provider();
    runtime::metrics::install();
    Ok(())
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let result = tokio.block_on(work);
    tokio.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
