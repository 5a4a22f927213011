//! The crash simulator: the real engine under a seeded scheduler, on a broker in memory.
//!
//! A seed decides everything: how many partitions and instances, what people write, who works when, and which faults
//! strike. The driver of the engine is a model of `runtime::worker`: it does the same steps in the same order, but can
//! be cut off, stopped and overtaken between any two. After each run its [invariants](check) must hold.

mod around;
mod bursts;
mod chain;
mod check;
mod commit;
mod defect;
mod disk;
mod group;
mod instance;
mod kafka;
mod order;
mod plan;
mod random;
mod repeats;
mod takeover;
mod unsent;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use runtime::config::Guarantee;

pub use defect::Defect;

/// What came of many seeds.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    /// Seeds run.
    pub seeds: u64,
    /// Of these, seeds without transactions.
    pub at_least_once: u64,
    /// Of these, seeds whose bursts leave in one go.
    pub together: u64,
    /// Source records.
    pub records: u64,
    /// Instances killed.
    pub crashes: u64,
    /// Stream threads that began anew by themselves, after a fault of the broker or the group.
    pub restarts: u64,
    /// Effects written again, at least once.
    pub repeats: u64,
    /// Members that the group put out.
    pub put_out: u64,
    /// Seeds whose run broke an invariant.
    pub violations: u64,
}

/// A seed whose run broke an invariant.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What happened, in order.
    pub trace: Vec<String>,
}

/// What a seed is run with.
#[derive(Debug, Default, Clone, Copy)]
pub struct Setting {
    /// What the processors promise. Where nobody says, each seed has its own: a third of them run without transactions.
    pub guarantee: Option<Guarantee>,
    /// Whether a conversation's burst leaves in one go. Where nobody says, it does in every other seed.
    pub together: Option<bool>,
    /// What is wrong on purpose.
    pub defect: Option<Defect>,
}

impl Setting {
    /// With this wrong on purpose, under the guarantee, and with the bursts, that it belongs to.
    #[must_use]
    pub fn wrong(defect: Defect) -> Self {
        let together = defect.is_of_bursts().then_some(true);
        Self { guarantee: Some(defect.guarantee()), together, defect: Some(defect) }
    }

    fn guarantee(self, seed: u64) -> Guarantee {
        let own = if seed % 3 == 2 { Guarantee::AtLeastOnce } else { Guarantee::ExactlyOnce };
        self.guarantee.unwrap_or(own)
    }

    fn together(self, seed: u64) -> bool {
        self.together.unwrap_or(seed % 2 == 1)
    }
}

/// Runs one seed and adds it up; a failure is told without its trace.
pub fn run(seed: u64, setting: Setting, report: &mut Report) -> Option<Failure> {
    report.seeds += 1;
    let guarantee = setting.guarantee(seed);
    report.at_least_once += u64::from(guarantee == Guarantee::AtLeastOnce);
    report.together += u64::from(setting.together(seed));
    let what = match catch_unwind(AssertUnwindSafe(|| world::run(seed, setting, false))) {
        Ok(finding) => {
            report.records += finding.tally.records;
            report.crashes += finding.tally.crashes;
            report.restarts += finding.tally.faults;
            report.repeats += finding.tally.repeats;
            report.put_out += finding.tally.rebalances;
            finding.violation?
        }
        Err(_) => "it panicked".to_owned(),
    };
    report.violations += 1;
    Some(Failure { seed, what, trace: Vec::new() })
}

/// Runs one seed again and tells what happened in it.
#[must_use]
pub fn trace(seed: u64, setting: Setting) -> Vec<String> {
    let run = || world::run(seed, setting, true).trace;
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
