//! The crash simulator's command line: many seeds, one seed with its trace, or the proof that it finds defects.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use e2e::sim::{self, Defect, Report, Setting};
use runtime::config::Guarantee;

/// Lines of a trace that are shown, from its end.
const SHOWN: usize = 60;
/// Failing seeds that are shown.
const FAILURES: u64 = 5;
/// Within so many seeds each deliberate defect must be found.
const PROOF: u64 = 2_000;

/// Runs the engine under a seeded scheduler, with crashes at every step, and checks what must hold.
#[derive(Debug, Parser)]
struct Cli {
    /// Seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Runs all seeds under this guarantee: `exactly_once` or `at_least_once`. Otherwise each seed has its own.
    #[arg(long, value_parser = guarantee)]
    guarantee: Option<Guarantee>,
    /// Shows all of a failing seed's trace.
    #[arg(long)]
    trace: bool,
    /// Switches each deliberate defect on in turn, under its guarantee; every one must be found.
    #[arg(long)]
    prove: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let good = if cli.prove { prove(&cli) } else { simulate(&cli) };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn guarantee(text: &str) -> Result<Guarantee, &'static str> {
    match text {
        "exactly_once" => Ok(Guarantee::ExactlyOnce),
        "at_least_once" => Ok(Guarantee::AtLeastOnce),
        _ => Err("neither exactly_once nor at_least_once"),
    }
}

fn name(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::ExactlyOnce => "exactly_once",
        Guarantee::AtLeastOnce => "at_least_once",
    }
}

fn simulate(cli: &Cli) -> bool {
    let setting = Setting { guarantee: cli.guarantee, ..Setting::default() };
    let forced =
        cli.guarantee.map(|guarantee| format!(" --guarantee {}", name(guarantee))).unwrap_or_default();
    let begun = Instant::now();
    let mut report = Report::default();
    for seed in cli.seed..cli.seed + cli.seeds {
        let Some(failure) = sim::run(seed, setting, &mut report) else { continue };
        if report.violations > FAILURES {
            continue;
        }
        say(&format!("seed {seed}: {}", failure.what));
        let trace = sim::trace(seed, setting);
        let from = if cli.trace { 0 } else { trace.len().saturating_sub(SHOWN) };
        for line in &trace[from..] {
            say(&format!("    {line}"));
        }
        say(&format!(
            "  again: cargo run --release -p e2e --bin simulate -- --seeds 1 --seed {seed}{forced} --trace"
        ));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let Report { seeds, at_least_once, together, records, crashes, restarts, repeats, put_out, violations } =
        report;
    let exactly_once = seeds - at_least_once;
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
    let rate = seeds as f64 / seconds;
    say(&format!(
        "{seeds} seeds in {seconds:.1} s ({rate:.0} a second), {exactly_once} exactly once and {at_least_once} at \
         least once, {together} with bursts in one go: {records} records, {crashes} crashes injected, {restarts} \
         threads begun anew, {put_out} members put out, {repeats} effects repeated, {violations} violations"
    ));
    violations == 0
}

fn prove(cli: &Cli) -> bool {
    // A defect may well panic; that is a finding, not a message.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let defects: Vec<Defect> = Defect::ALL
        .into_iter()
        .filter(|defect| cli.guarantee.is_none_or(|guarantee| guarantee == defect.guarantee()))
        .collect();
    let mut survivors = 0;
    for defect in &defects {
        let mut report = Report::default();
        let found = (cli.seed..cli.seed + PROOF)
            .find_map(|seed| sim::run(seed, Setting::wrong(*defect), &mut report));
        match found {
            Some(failure) => {
                say(&format!("{:>5} seeds  {}: {}", report.seeds, defect.name(), failure.what));
            }
            None => {
                survivors += 1;
                say(&format!("not found in {PROOF} seeds: {}", defect.name()));
            }
        }
    }
    let (all, seconds) = (defects.len(), begun.elapsed().as_secs_f64());
    say(&format!("{} of {all} defects found, in {seconds:.1} s", all - survivors));
    survivors == 0
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn say(text: &str) {
    println!("{text}");
}
