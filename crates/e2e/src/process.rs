//! The product's own processes: each service as one, with a configuration written for the test.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use runtime::config::Environment;
use standins::Client;

use crate::broker::tail;
use crate::{Guarded, Outcome, free_port, wait};

/// For a service to become ready: it joins its group and reads its tables.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// For a service to end in order after SIGTERM.
const END_WITHIN: Duration = Duration::from_secs(30);
/// For an answer of the admin port.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// For a command that runs and ends, in seconds.
const COMMAND_WITHIN: &str = "60";

/// A service that runs as a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `naru ingress`
    Ingress,
    /// `naru processors`
    Processors,
    /// `naru egress`
    Egress,
}

impl Service {
    fn command(self) -> &'static str {
        match self {
            Service::Ingress => "ingress",
            Service::Processors => "processors",
            Service::Egress => "egress",
        }
    }
}

/// What the configuration of a test says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Brokers.
    pub brokers: String,
    /// Prefix of the topics and of the consumer groups: each test has its own.
    pub prefix: String,
    /// Partitions of each topic.
    pub partitions: i32,
    /// `http://127.0.0.1:…` of the stand-ins.
    pub platforms: String,
    /// Calls to Genesys in any 60 s.
    pub calls_per_minute: u32,
    /// Further sections, such as accounts of other channels.
    pub more: String,
}

/// Where a product is and what it talks to, for a configuration of a test's own.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// `host:port` of the brokers.
    pub brokers: &'a str,
    /// `http://127.0.0.1:…` of the stand-ins.
    pub platforms: &'a str,
    /// The port of the webhooks.
    pub ingress: u16,
    /// The folder of its configuration, its logs and its data.
    pub dir: &'a Path,
}

/// The account, client and secrets of every test.
pub mod account {
    /// Name of the LINE account.
    pub const LINE: &str = "shop-th";
    /// Its channel secret.
    pub const CHANNEL_SECRET: &str = "e2e-channel-secret";
    /// Its access token.
    pub const ACCESS_TOKEN: &str = "e2e-access-token";
    /// The integration that it feeds.
    pub const INTEGRATION: &str = "a2171742-0000-4000-8000-000000000001";
    /// Secret of the integration's outbound webhook.
    pub const WEBHOOK_SECRET: &str = "e2e-webhook-secret";
    /// OAuth client.
    pub const CLIENT_ID: &str = "e2e-client";
    /// Its secret.
    pub const CLIENT_SECRET: &str = "e2e-client-secret";
}

/// A product set up for one test: its configuration and the folder of its logs and data.
#[derive(Debug)]
pub struct Product {
    binary: PathBuf,
    dir: tempfile::TempDir,
    ingress: u16,
    setup: platforms::Setup,
}

impl Product {
    /// Writes the configuration of most tests.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn new(binary: &str, settings: &Settings) -> Outcome<Self> {
        let Settings { brokers, platforms, .. } = settings;
        Self::configured(binary, brokers, platforms, |places| settings.text(places))
    }

    /// Writes a configuration of the test's own.
    ///
    /// # Errors
    /// If the folder or the file cannot be written, or the configuration has mistakes.
    pub fn configured(
        binary: &str,
        brokers: &str,
        platforms: &str,
        config: impl FnOnce(&Places<'_>) -> String,
    ) -> Outcome<Self> {
        let dir = tempfile::Builder::new()
            .prefix("naru-e2e-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let ingress = free_port();
        let text = config(&Places { brokers, platforms, ingress, dir: dir.path() });
        let config = dir.path().join("naru.toml");
        let files = Environment { read_file: |path| fs::read_to_string(path), ..Environment::of([]) };
        let parsed = runtime::config::parse(&text, &files).map_err(|all| all.to_string())?;
        fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        Ok(Self { binary: binary.into(), dir, ingress, setup: parsed.platforms })
    }

    /// The platforms that the configuration uses.
    #[must_use]
    pub fn platforms(&self) -> Vec<&'static platforms::Platform> {
        self.setup.platforms()
    }

    /// `http://127.0.0.1:…` of the webhooks.
    #[must_use]
    pub fn ingress(&self) -> String {
        format!("http://127.0.0.1:{}", self.ingress)
    }

    /// Runs a command that ends by itself, such as `topics create`, and gives what it printed.
    ///
    /// # Errors
    /// If it ends with another code than 0, or not within a minute; the text holds what it said.
    pub fn run(&self, arguments: &[&str]) -> Outcome<String> {
        match self.try_run(arguments)? {
            (0, said) => Ok(said),
            (status, said) => Err(format!("{arguments:?} ended with {status}: {}", tail(&said))),
        }
    }

    /// Runs a command of the product's to its end, and gives its exit code and what it printed; -1 where a signal ended
    /// it.
    ///
    /// # Errors
    /// If it does not start.
    pub fn try_run(&self, arguments: &[&str]) -> Outcome<(i32, String)> {
        let ran = Command::new("timeout")
            .arg(COMMAND_WITHIN)
            .arg(&self.binary)
            .args(self.arguments(arguments))
            .output();
        let Output { status, stdout, stderr } = ran.map_err(|error| format!("{arguments:?}: {error}"))?;
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        Ok((status.code().unwrap_or(-1), said))
    }

    /// Starts a service under the name of an instance, and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it is not; the text holds the end of its log.
    pub async fn start(&self, service: Service, instance: &str) -> Outcome<Running> {
        let mut running = self.launch(service, instance)?;
        running.wait_until_ready().await?;
        Ok(running)
    }

    /// As [`Product::start`], without waiting.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn launch(&self, service: Service, instance: &str) -> Outcome<Running> {
        self.launch_with(service, instance, &[])
    }

    /// As [`Product::launch`], with overrides of the configuration: names and values of variables.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn launch_with(
        &self,
        service: Service,
        instance: &str,
        overrides: &[(&str, &str)],
    ) -> Outcome<Running> {
        let admin = free_port();
        let mut command: Vec<OsString> = vec![self.binary.clone().into()];
        command.extend(self.arguments(&[service.command()]));
        let mut env = vec![
            ("NARU_ADMIN__LISTEN".to_owned(), format!("127.0.0.1:{admin}")),
            ("NARU_INSTANCE__ID".to_owned(), instance.to_owned()),
        ];
        env.extend(overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let log = self.log_of(instance);
        let process = Guarded::start(instance, &command, &env, &log)?;
        Ok(Running { process, admin, log, name: instance.to_owned() })
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<OsString> {
        let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        all.push("--config".into());
        all.push(self.dir.path().join("naru.toml").into());
        all
    }

    /// Adds sections to the configuration, before anything is started.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn configure(&self, sections: &str) -> Outcome {
        let config = self.dir.path().join("naru.toml");
        let write = || {
            use std::io::Write as _;
            fs::OpenOptions::new().append(true).open(&config)?.write_all(sections.as_bytes())
        };
        write().map_err(|error| format!("{}: {error}", config.display()))
    }

    /// Where its configuration, its logs and its data are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where an instance writes its log, through all its restarts.
    #[must_use]
    pub fn log_of(&self, instance: &str) -> PathBuf {
        self.dir.path().join(format!("{instance}.log"))
    }

    /// Leaves the folder with the logs and the data where it is, and names it.
    #[must_use]
    pub fn keep(&mut self) -> String {
        self.dir.disable_cleanup(true);
        self.dir.path().display().to_string()
    }

    /// The end of every log, for a failed test.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for entry in fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let log = fs::read_to_string(&path).unwrap_or_default();
                let _ = writeln!(
                    all,
                    "--- {}\n{}",
                    path.file_stem().unwrap_or_default().to_string_lossy(),
                    tail(&log)
                );
            }
        }
        all
    }
}

/// A service that runs.
#[derive(Debug)]
pub struct Running {
    process: Guarded,
    admin: u16,
    log: PathBuf,
    name: String,
}

impl Running {
    /// Waits until `/health/ready` answers 200.
    ///
    /// # Errors
    /// If it does not; the text holds the end of its log.
    pub async fn wait_until_ready(&mut self) -> Outcome {
        let url = format!("http://127.0.0.1:{}/health/ready", self.admin);
        let client = Client::default();
        let process = &mut self.process;
        let what = format!("{} to be ready", self.name);
        let ready = wait::until(&what, READY_WITHIN, || {
            let ended = process.ended();
            let (client, url) = (&client, &url);
            async move {
                if let Some(code) = ended {
                    return Some(Err(format!("it ended with {code}")));
                }
                let answer = client.call(Method::GET, url, &[], Bytes::new(), ANSWER_WITHIN).await;
                answer.is_ok_and(|(status, ..)| status == 200).then_some(Ok(()))
            }
        });
        match ready.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                Err(format!("{}: {error}\n{}", self.name, tail(&log)))
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A page of the admin port, such as `/metrics`.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn admin(&self, path: &str) -> Outcome<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.admin);
        let answer = Client::default().call(Method::GET, &url, &[], Bytes::new(), ANSWER_WITHIN).await;
        let (_, _, body) = answer.map_err(|error| format!("{}{path}: {error:?}", self.name))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends it a signal, such as `TERM`, `STOP` or `CONT`.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&mut self, name: &str) -> Outcome {
        self.process.signal(name)
    }

    /// The exit code, if it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.process.ended()
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If it had already ended.
    pub fn kill9(mut self) -> Outcome {
        self.process.kill()
    }

    /// Ends it in order, with SIGTERM.
    ///
    /// # Errors
    /// If it does not end in time, or with another code than 0; the text holds the end of its log.
    pub fn stop(mut self) -> Outcome {
        self.process.signal("TERM")?;
        match self.process.wait(END_WITHIN)? {
            0 => Ok(()),
            code => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                Err(format!("{} ended with {code} after SIGTERM\n{}", self.name, tail(&log)))
            }
        }
    }
}

impl Settings {
    /// The configuration file.
    pub(crate) fn text(&self, places: &Places<'_>) -> String {
        let Settings { prefix, partitions, calls_per_minute, more, .. } = self;
        let Places { brokers, platforms, ingress, dir } = places;
        let data = dir.join("data");
        let data = data.display();
        let (line, integration) = (account::LINE, account::INTEGRATION);
        let (channel_secret, access_token) = (account::CHANNEL_SECRET, account::ACCESS_TOKEN);
        let (webhook_secret, client_id) = (account::WEBHOOK_SECRET, account::CLIENT_ID);
        let client_secret = account::CLIENT_SECRET;
        format!(
            r#"[kafka]
brokers = "{brokers}"
topic_prefix = "{prefix}"
partitions = {partitions}
replication_factor = 1

[ingress]
listen = "127.0.0.1:{ingress}"

[ingress.spool]
dir = "{data}/spool"

[instance]
data_dir = "{data}"

[processors]
group = "{prefix}processors"

[egress]
group = "{prefix}egress"

[identity]
key = "a-key-of-the-end-to-end-tests-only"

[genesys.main]
api_url = "{platforms}"
login_url = "{platforms}"
client_id = "{client_id}"
client_secret = "{client_secret}"
calls_per_minute = {calls_per_minute}

[line.{line}]
api_url = "{platforms}"
channel_secrets = ["{channel_secret}"]
access_token = "{access_token}"
genesys = "main"
integration = "{integration}"
webhook_secrets = ["{webhook_secret}"]
market = "Thailand"
brand = "Shop"

{more}
"#
        )
    }
}
