//! A real Apache Kafka for the tests: a given cluster, a container, or a local JVM, in this order.

mod docker;
mod local;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{Outcome, switch, wait};

/// Names a cluster to test on instead of one that the tests start.
pub const GIVEN: &str = "NARU_TEST_BROKERS";
/// A cold JVM on two busy cores; a killed broker needs nine seconds to register again.
const UP_WITHIN: Duration = Duration::from_secs(90);

/// How a Kafka is to be had here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A cluster that somebody named: its topics are ours by prefix only, and it is never stopped.
    Given(String),
    /// A container.
    Docker,
    /// A JVM with the jars that Maven brings.
    Local,
}

impl Source {
    /// Looks for one.
    ///
    /// # Errors
    /// If there is none; the text says what is missing.
    pub fn find() -> Outcome<Self> {
        if let Some(brokers) = switch(GIVEN) {
            return Ok(Source::Given(brokers));
        }
        if docker_answers() {
            return Ok(Source::Docker);
        }
        let java = answers("java", &["-version"]);
        let jars = local::jars_are_cached() || answers("mvn", &["--version"]);
        match (java, jars) {
            (true, true) => Ok(Source::Local),
            (false, _) => Err("no java, no docker".to_owned()),
            (true, false) => Err("no mvn, no docker".to_owned()),
        }
    }

    /// Whether a broker of this source may be stopped and killed.
    #[must_use]
    pub fn can_fail(&self) -> bool {
        !matches!(self, Source::Given(_))
    }
}

/// Whether a Docker daemon answers.
#[must_use]
pub fn docker_answers() -> bool {
    answers("timeout", &["10", "docker", "version", "--format", "{{.Server.Version}}"])
}

fn answers(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

enum Kind {
    Given,
    Docker(Box<docker::Container>),
    Local(local::Jvm),
}

/// A broker that is up, until it is told otherwise.
pub struct Broker {
    kind: Kind,
    bootstrap: String,
}

impl Broker {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(source: &Source) -> Outcome<Self> {
        let (kind, bootstrap) = match source {
            Source::Given(brokers) => (Kind::Given, brokers.clone()),
            Source::Docker => {
                let container = docker::Container::start()?;
                let bootstrap = container.bootstrap();
                (Kind::Docker(Box::new(container)), bootstrap)
            }
            Source::Local => {
                let jvm = local::Jvm::start()?;
                let bootstrap = jvm.bootstrap();
                (Kind::Local(jvm), bootstrap)
            }
        };
        let broker = Self { kind, bootstrap };
        broker.wait_until_up()?;
        Ok(broker)
    }

    /// `host:port`, the same after every restart.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where its log is, if it is ours.
    #[must_use]
    pub fn log(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Local(jvm) => Some(jvm.log()),
            Kind::Given | Kind::Docker(_) => None,
        }
    }

    /// The folder of its own files, if they are where we can read them.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Local(jvm) => Some(jvm.dir()),
            Kind::Given | Kind::Docker(_) => None,
        }
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// If it does not stop, or is not ours to stop.
    pub fn stop(&mut self) -> Outcome {
        match &mut self.kind {
            Kind::Given => Err(format!("the cluster of {GIVEN} is not ours to stop")),
            Kind::Docker(container) => container.stop(),
            Kind::Local(jvm) => jvm.stop(),
        }
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If it has ended, or is not ours to kill.
    pub fn kill9(&mut self) -> Outcome {
        match &mut self.kind {
            Kind::Given => Err(format!("the cluster of {GIVEN} is not ours to kill")),
            Kind::Docker(container) => container.kill(),
            Kind::Local(jvm) => jvm.kill(),
        }
    }

    /// Starts it again, on the same port and with what it had stored, and waits until it answers.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn restart(&mut self) -> Outcome {
        match &mut self.kind {
            Kind::Given => Err(format!("the cluster of {GIVEN} is not ours to start")),
            Kind::Docker(container) => container.restart(),
            Kind::Local(jvm) => jvm.launch(),
        }?;
        self.wait_until_up()
    }

    /// Waits until a client gets the cluster's metadata.
    fn wait_until_up(&self) -> Outcome {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.max.ms", "200")
            // While the broker is away every attempt would be a line of its own.
            .set("log_level", "0")
            .create()
            .map_err(|error| format!("no Kafka client: {error}"))?;
        wait::until_blocking("an answer from Kafka", UP_WITHIN, || {
            let metadata = client.fetch_metadata(None, Duration::from_secs(2)).ok()?;
            (!metadata.brokers().is_empty()).then_some(())
        })
        .map_err(|error| match self.log() {
            Some(log) => format!(
                "{error}; its last lines: {}",
                tail(&std::fs::read_to_string(log).unwrap_or_default())
            ),
            None => error,
        })
    }
}

/// The last lines of a log, for a person.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
