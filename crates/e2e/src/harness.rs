//! The table of end-to-end tests, run one after the other on one broker; what could not run is counted aloud in the
//! last lines.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::broker::{Broker, Source, docker_answers};
use crate::{Outcome, switch};

/// Makes it a failure if no Kafka can be had.
pub const REQUIRE: &str = "NARU_REQUIRE_KAFKA";

/// What a test cannot run without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A real Kafka.
    Kafka,
    /// A real Kafka that may be stopped and killed.
    KafkaToBreak,
    /// A Docker daemon.
    Docker,
}

impl Needs {
    fn label(self) -> &'static str {
        match self {
            Needs::Nothing => "nothing",
            Needs::Kafka => "real Kafka",
            Needs::KafkaToBreak => "real Kafka that may be stopped",
            Needs::Docker => "Docker",
        }
    }
}

/// One end-to-end test.
pub struct Test {
    /// Its name.
    pub name: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// The test.
    pub run: fn(&mut Stage) -> Outcome,
}

/// What a test is given.
pub struct Stage {
    /// The path of the product's binary.
    pub binary: &'static str,
    source: Outcome<Source>,
    broker: Option<Broker>,
}

impl Stage {
    /// The one broker of this test binary; started when the first test asks for it.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn broker(&mut self) -> Outcome<&mut Broker> {
        if self.broker.is_none() {
            self.broker = Some(Broker::start(self.source.as_ref()?)?);
        }
        self.broker.as_mut().ok_or_else(|| "the broker was started above".to_owned())
    }
}

/// Runs the tests with cargo's command line, and prints what did not run.
#[must_use]
pub fn run(binary: &'static str, tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One broker, two cores, and tests that stop the broker: one at a time, in the order of the table.
    arguments.test_threads = Some(1);
    let source = Source::find();
    let docker = docker_answers();
    let missing: Vec<(&'static str, String)> = tests
        .iter()
        .filter_map(|test| missing(test.needs, &source, docker).map(|why| (test.name, why)))
        .collect();
    let required = switch(REQUIRE).is_some_and(|value| value != "0");
    let stage = Arc::new(Mutex::new(Stage { binary, source, broker: None }));
    let trials = tests.into_iter().map(|test| {
        let why = missing.iter().find(|(name, _)| *name == test.name).map(|(_, why)| why.clone());
        let fatal = required && matches!(test.needs, Needs::Kafka | Needs::KafkaToBreak);
        let stage = Arc::clone(&stage);
        let trial = Trial::test(test.name, {
            let why = why.clone();
            move || match why {
                Some(why) => Err(Failed::from(format!("{why}, and {REQUIRE} is set"))),
                None => (test.run)(&mut locked(&stage)).map_err(Failed::from),
            }
        });
        trial.with_ignored_flag(why.is_some() && !fatal)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // The process ends without dropping what is shared, so the broker is ended here.
    locked(&stage).broker = None;
    if !arguments.list {
        count_aloud(&missing);
    }
    if conclusion.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// A test that panicked has poisoned the lock; the next one starts from what is there.
fn locked(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(needs: Needs, source: &Outcome<Source>, docker: bool) -> Option<String> {
    let why = match (needs, source) {
        (Needs::Kafka | Needs::KafkaToBreak, Err(why)) => why.clone(),
        (Needs::KafkaToBreak, Ok(source)) if !source.can_fail() => {
            "the cluster is not ours to stop".to_owned()
        }
        (Needs::Docker, _) if !docker => "no docker daemon answers".to_owned(),
        _ => return None,
    };
    Some(format!("{} ({why})", needs.label()))
}

fn count_aloud(missing: &[(&'static str, String)]) {
    let mut out = io::stdout().lock();
    for (name, why) in missing {
        // If nobody reads the output any more, there is nobody to tell.
        let _ = writeln!(out, "not run: {name}: {why}");
    }
    let _ = writeln!(out, "end-to-end tests not run: {}", missing.len());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told() {
        let none = Err("no java, no docker".to_owned());
        let given = Ok(Source::Given("kafka:9092".to_owned()));
        let table = [
            (Needs::Nothing, &none, false, None),
            (Needs::Kafka, &none, false, Some("real Kafka (no java, no docker)")),
            (Needs::Kafka, &given, false, None),
            (
                Needs::KafkaToBreak,
                &given,
                true,
                Some("real Kafka that may be stopped (the cluster is not ours to stop)"),
            ),
            (Needs::KafkaToBreak, &Ok(Source::Local), false, None),
            (Needs::Docker, &Ok(Source::Local), false, Some("Docker (no docker daemon answers)")),
            (Needs::Docker, &Ok(Source::Docker), true, None),
        ];
        for (needs, source, docker, told) in table {
            assert_eq!(missing(needs, source, docker).as_deref(), told, "{needs:?} {source:?} {docker}");
        }
    }
}
