//! A Kafka on a local JVM: the jars come by Maven once and stay under `target/`, everything else is in a folder that
//! goes with the test.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::{Guarded, Outcome, free_port};

use super::tail;

const POM: &str = include_str!("../../kafka/pom.xml");
/// Any 16 bytes, base64url: the cluster lives as long as its folder.
const CLUSTER: &str = "bmFydS1lMmUtY2x1c3Rlcg";

/// A broker and controller in one JVM.
pub(super) struct Jvm {
    dir: tempfile::TempDir,
    jars: PathBuf,
    port: u16,
    process: Option<Guarded>,
}

impl Jvm {
    /// Gets the jars if they are not there, formats a log folder and launches the JVM.
    pub(super) fn start() -> Outcome<Self> {
        let jars = jars()?;
        let dir = tempfile::Builder::new()
            .prefix("naru-kafka-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let port = free_port();
        let properties = dir.path().join("kraft.properties");
        fs::write(&properties, settings(port, free_port(), &dir.path().join("logs")))
            .map_err(|error| format!("{}: {error}", properties.display()))?;
        run(Command::new("java")
            .arg("-cp")
            .arg(class_path(&jars))
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"])
            .arg(&properties))?;
        let mut jvm = Self { dir, jars, port, process: None };
        jvm.launch()?;
        Ok(jvm)
    }

    pub(super) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("kafka.log")
    }

    /// Launches the JVM, for the first time or again on the same folder and port.
    pub(super) fn launch(&mut self) -> Outcome {
        // Niced, so that on two cores the code under test is not what waits.
        let mut command: Vec<OsString> =
            ["nice", "-n", "5", "java", "-Xms256m", "-Xmx1g"].map(OsString::from).into();
        command.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".into());
        command.push("-cp".into());
        command.push(class_path(&self.jars));
        command.push("kafka.Kafka".into());
        command.push(self.dir.path().join("kraft.properties").into());
        self.process = Some(Guarded::start("kafka", &command, &[], &self.log())?);
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Outcome {
        let mut process = self.process.take().ok_or("the broker does not run")?;
        process.signal("TERM")?;
        process.wait(Duration::from_secs(60)).map(drop)
    }

    pub(super) fn kill(&mut self) -> Outcome {
        self.process.take().ok_or("the broker does not run")?.kill()
    }
}

fn settings(port: u16, controller: u16, logs: &Path) -> String {
    let logs = logs.display();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"
    )
}

fn class_path(jars: &Path) -> OsString {
    jars.join("*").into()
}

/// The version that the pom names.
fn version() -> &'static str {
    let (_, rest) = POM.split_once("<kafka.version>").expect("the pom is compiled in");
    rest.split_once('<').expect("the pom is compiled in").0
}

/// `target/kafka-<version>`, beside the folder that this binary runs from.
fn cache() -> PathBuf {
    let target = std::env::current_exe().ok().and_then(|exe| {
        let above = exe.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "target"));
        above.map(Path::to_path_buf)
    });
    target.unwrap_or_else(std::env::temp_dir).join(format!("kafka-{}", version()))
}

pub(super) fn jars_are_cached() -> bool {
    cache().is_dir()
}

/// The folder of the jars. Two test binaries that fetch at once each fill a folder of their own; whoever renames
/// first wins, and what stands there is always complete.
fn jars() -> Outcome<PathBuf> {
    let cache = cache();
    if cache.is_dir() {
        return Ok(cache);
    }
    let parent = cache.parent().unwrap_or(Path::new("."));
    let fresh = tempfile::Builder::new()
        .prefix("kafka-fetch-")
        .tempdir_in(parent)
        .map_err(|error| format!("{}: {error}", parent.display()))?;
    let pom = fresh.path().join("pom.xml");
    fs::write(&pom, POM).map_err(|error| format!("{}: {error}", pom.display()))?;
    let lib = fresh.path().join("lib");
    run(Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", lib.display())))?;
    match fs::rename(&lib, &cache) {
        Ok(()) => Ok(cache),
        Err(_) if cache.is_dir() => Ok(cache),
        Err(error) => Err(format!("{}: {error}", cache.display())),
    }
}

fn run(command: &mut Command) -> Outcome {
    let program = command.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    Err(format!("{program} ended with {status}: {}", tail(&said)))
}
