//! Benchmarks of whole processes on a real Kafka, each beside a base line in the same run.

mod bare;
mod engine;
mod ingress;
mod meter;
mod processors;
mod records;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::Outcome;

/// Measures the product's processes on a real Apache Kafka.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Messages a second and CPU a message of the processors, against a bare consume → produce.
    Processors {
        /// Records of a run.
        #[arg(long, default_value_t = 400_000)]
        records: u64,
    },
    /// CPU a message of the chain alone, step by step, without Kafka.
    Engine,
    /// Requests a second and CPU a request of ingress, under signed LINE webhooks.
    Ingress {
        /// Requests of a run.
        #[arg(long, default_value_t = 300_000)]
        requests: usize,
    },
}

fn main() -> ExitCode {
    if e2e::role::is_product() {
        return naru::main();
    }
    let outcome = match Cli::parse().command {
        Command::Processors { records } => processors::run(records),
        Command::Engine => {
            engine::run(runtime::clock::now_ms());
            Ok(true)
        }
        Command::Ingress { requests } => ingress::run(requests),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn say(text: &str) {
    println!("{text}");
}

/// Runs async work to its end.
fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Runtime::new().map_err(|error| error.to_string())?.block_on(work)
}
