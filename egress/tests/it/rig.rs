//! What the tests share: both stand-ins on a port, an engine between doubles of Kafka, and waits with a deadline.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::courier::{Courier, Parts};
use egress::endpoint::Endpoints;
use egress::frontier::Note;
use egress::history::{History, limit_memory};
use egress::http::Http;
use egress::lease::{Lease, Pulse};
use egress::progress::Progress;
use egress::seam::{Addresses, Earlier, Input, LookupError, Record, Sink, SinkError};
use egress::settings::Settings;
use platforms::Platform;
use runtime::Clock;
use runtime::config::{self, Config, Environment};
use schemas::{Codec, Content, Delivery, DeliveryStatus, Framing, Outbox, Person, Reason, header};
use standins::{Channel, GenesysSetup, Integration, LineSetup, OAuthClient, Setup, Standins};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Nothing in these tests takes longer, but for the one that waits for a real minute.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) static GENESYS: &Platform = &platforms::genesys::PLATFORM;
pub(crate) static LINE: &Platform = &platforms::line::PLATFORM;

pub(crate) const INTEGRATION: &str = "a2171742-7359-41cf-aa68-ad5049250806";

/// Waits until `done`, with a deadline.
pub(crate) async fn until(what: &str, deadline: Duration, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(deadline, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// Both stand-ins on one port.
pub(crate) struct Platforms {
    pub(crate) standins: Standins,
    pub(crate) address: SocketAddr,
    _task: JoinHandle<()>,
}

pub(crate) fn install_tls() {
    // Another test of this binary may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(crate) async fn platforms(change: impl FnOnce(&mut Setup)) -> Platforms {
    install_tls();
    let mut setup = Setup {
        genesys: GenesysSetup {
            clients: vec![OAuthClient { id: "client".into(), secret: "client-secret".into() }],
            integrations: vec![Integration {
                id: INTEGRATION.into(),
                name: "LINE TH".into(),
                webhook_url: "http://127.0.0.1:9/".into(),
                webhook_secret: "this-token-is-longer-than-15-chars".into(),
                webhook_headers: vec![],
            }],
            calls_per_minute: 1_000_000,
            ..GenesysSetup::default()
        },
        line: LineSetup {
            channels: ["th", "jp"]
                .map(|account| Channel {
                    account: account.into(),
                    bot_user_id: "U00000000000000000000000000000000".into(),
                    secret: "8c570fa6dd201bb328f1c1eac23a96d8".into(),
                    access_token: format!("token-{account}"),
                    webhook_url: "http://127.0.0.1:9/".into(),
                })
                .into(),
            ..LineSetup::default()
        },
        ..Setup::default()
    };
    change(&mut setup);
    let clock = standins::Clock::starting_at(u64::try_from(runtime::clock::now_ms()).unwrap());
    let standins = Standins::new(setup, clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = standins.clone();
    let task = tokio::spawn(async move { serving.serve(listener, std::future::pending()).await.unwrap() });
    Platforms { standins, address, _task: task }
}

/// A configuration that points at the stand-ins, with short delays.
pub(crate) fn config(address: SocketAddr) -> Config {
    let account = |name: &str, integration: &str| {
        format!(
            r#"
            [line.{name}]
            channel_secrets = ["8c570fa6dd201bb328f1c1eac23a96d8"]
            access_token = "token-{name}"
            api_url = "http://{address}"
            genesys = "main"
            integration = "{integration}"
            webhook_secrets = ["this-token-is-longer-than-15-chars"]
            "#
        )
    };
    let text = format!(
        r#"
        [kafka]
        brokers = "127.0.0.1:9"
        [egress]
        call_timeout = "5s"
        retry_delays = ["20ms", "40ms", "80ms"]
        retry_cap = "500ms"
        ask_for = "400ms"
        [identity]
        key = "0123456789abcdef0123456789abcdef"
        [genesys.main]
        api_url = "http://{address}"
        login_url = "http://{address}"
        client_id = "client"
        client_secret = "client-secret"
        calls_per_minute = 1000000
        {}{}"#,
        account("th", INTEGRATION),
        account("jp", "b2171742-7359-41cf-aa68-ad5049250806"),
    );
    config::parse(&text, &Environment::of([])).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The endpoint of that name.
pub(crate) fn endpoint<'a>(
    config: &'a mut Config,
    platform: &Platform,
    name: &str,
) -> &'a mut platforms::Endpoint {
    let mut endpoints = config.platforms.endpoints.iter_mut();
    endpoints.find(|endpoint| endpoint.platform == platform && endpoint.name == name).unwrap()
}

/// Collects results; refuses the next `failures` final delivery records.
#[derive(Clone, Default)]
pub(crate) struct Results(Arc<Mutex<Collected>>);

#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) deliveries: Vec<(i32, Delivery)>,
    pub(crate) dead: Vec<(i64, Reason, String)>,
    pub(crate) failures: usize,
}

impl Results {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Collected) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Final delivery records.
    pub(crate) fn finals(&self) -> Vec<Delivery> {
        let is_final = |d: &&(i32, Delivery)| d.1.status != DeliveryStatus::Started;
        self.with(|c| c.deliveries.iter().filter(is_final).map(|(_, d)| d.clone()).collect())
    }
}

impl Sink for Results {
    async fn delivery(&self, partition: i32, delivery: &Delivery) -> Result<Option<i64>, SinkError> {
        self.with(|c| {
            if c.failures > 0 && delivery.status != DeliveryStatus::Started {
                c.failures -= 1;
                return Err(SinkError::Retry("not now".into()));
            }
            c.deliveries.push((partition, delivery.clone()));
            Ok(i64::try_from(c.deliveries.len()).ok())
        })
    }

    async fn dead_letter(&self, record: &Record, reason: Reason, detail: &str) -> Result<(), SinkError> {
        self.with(|c| c.dead.push((record.offset, reason, detail.to_owned())));
        Ok(())
    }
}

/// The address of a person: shaped as LINE's are.
pub(crate) fn address(guid: &str) -> String {
    let hex: String = guid.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("U{hex:0>32}")
}

/// Everybody has an address, on the account that the GUID starts with, but for those whose GUID starts with `unknown`.
pub(crate) struct Directory;

impl Addresses for Directory {
    async fn find(&self, guid: &str) -> Result<Option<Person>, LookupError> {
        let account = if guid.starts_with("jp") { "jp" } else { "th" };
        let channel = if guid.starts_with("web") { "web" } else { "line" };
        let person = Person { channel: channel.into(), account: account.into(), address: address(guid) };
        Ok(Some(person).filter(|_| !guid.starts_with("unknown")))
    }
}

/// An engine with one partition, 0.
pub(crate) struct Rig {
    history: History,
    pub(crate) results: Results,
    pub(crate) progress: Progress,
    pub(crate) lease: Lease,
    inputs: mpsc::UnboundedSender<Input>,
    engine: JoinHandle<Result<(), String>>,
    next: i64,
}

/// Settings with short waits.
pub(crate) fn settings(config: &Config) -> Settings {
    let mut settings = Settings::new(config);
    settings.ask_after = Duration::from_millis(50);
    settings.probe_every = Duration::from_millis(100);
    settings.grace = Duration::from_millis(300);
    settings
}

pub(crate) fn rig(destination: &'static Platform, config: &Config, settings: Settings) -> Rig {
    rig_after(destination, config, settings, &[])
}

/// The rig of a new owner whose predecessor wrote `deliveries`.
pub(crate) fn rig_after(
    destination: &'static Platform,
    config: &Config,
    settings: Settings,
    deliveries: &[Delivery],
) -> Rig {
    let mut history = History::new(limit_memory(destination, &config.platforms));
    deliveries.iter().for_each(|delivery| history.learn(delivery, runtime::clock::now_ms()));
    let http = Http::new(settings.call_timeout).unwrap();
    let progress = Progress::new(config.egress.window);
    let results = Results::default();
    let courier = Courier::new(Parts {
        destination,
        framing: Framing::single_object(),
        endpoints: Endpoints::new(destination, &config.platforms, &settings, &http),
        settings,
        http,
        sink: results.clone(),
        addresses: Directory,
        progress: progress.clone(),
        clock: Clock::wall(),
        observer: None,
    });
    let (inputs, received) = mpsc::unbounded_channel();
    let engine = tokio::spawn(egress::engine::run(Arc::new(courier), received));
    let pulse = Pulse::new(Duration::from_secs(3600));
    let lease = Lease::new(pulse);
    progress.open(0, Note::default(), 0);
    let (calls, conversations) = (history.take_calls(runtime::clock::now_ms()), history.take_conversations());
    let assigned = Input::Assigned { partition: 0, lease: lease.clone(), calls, conversations };
    inputs.send(assigned).ok().unwrap();
    Rig { history, results, progress, lease, inputs, engine, next: 0 }
}

impl Rig {
    /// Hands a payload to the engine; its offset.
    pub(crate) fn put(&mut self, person: &str, payload: Option<Vec<u8>>, earlier: Option<Earlier>) -> i64 {
        let record = Record {
            partition: 0,
            offset: self.next,
            key: Some(person.as_bytes().to_vec()),
            payload,
            headers: vec![(header::IDENTITY.into(), Some(identity(self.next).into_bytes()))],
        };
        self.next += 1;
        self.progress.read(0, record.offset);
        self.inputs.send(Input::Record(record, earlier)).ok().unwrap();
        self.next - 1
    }

    /// Hands a message to the engine, as what an earlier owner wrote leaves it.
    pub(crate) fn put_message(&mut self, message: &Outbox) -> i64 {
        let earlier = self.history.of(&message.identity);
        self.put(&message.person, Some(encode(message)), earlier)
    }

    pub(crate) fn put_genesys(&mut self, person: &str, text: &str) -> i64 {
        let payload = to_genesys(self.next, person, text);
        self.put(person, Some(payload), None)
    }

    /// Reads a record again that the predecessor had read.
    pub(crate) fn put_again(&mut self, n: i64, person: &str, text: &str) -> i64 {
        let earlier = self.history.of(&identity(n));
        self.put(person, Some(to_genesys(n, person, text)), earlier)
    }

    /// Ends the engine as a crash does; what it had written to `deliveries`.
    pub(crate) fn crash(self) -> Vec<Delivery> {
        self.engine.abort();
        self.results.with(|c| c.deliveries.iter().map(|(_, delivery)| delivery.clone()).collect())
    }

    pub(crate) fn put_line(&mut self, account: &str, person: &str, text: &str) -> i64 {
        let payload = to_line(self.next, account, person, text);
        self.put(person, Some(payload), None)
    }

    /// Waits until `count` messages are finished.
    pub(crate) async fn finished(&self, count: usize) -> Vec<Delivery> {
        until(&format!("{count} messages finished"), DEADLINE, || self.results.finals().len() >= count).await;
        self.results.finals()
    }

    /// The offset that would be committed.
    pub(crate) fn committable(&self) -> i64 {
        self.progress.committable(0).unwrap().offset
    }

    /// Gives the partition up as a rebalance does.
    pub(crate) async fn revoke(&self) {
        self.lease.close();
        let (done, is_done) = oneshot::channel();
        self.inputs.send(Input::Revoked { partitions: vec![0], done }).ok().unwrap();
        tokio::time::timeout(DEADLINE, is_done).await.expect("the engine lets go").unwrap();
    }
}

pub(crate) fn identity(n: i64) -> String {
    format!(
        "{:032x}",
        u128::from_str_radix("a000000000000000000000000000000", 16).unwrap() + u128::try_from(n).unwrap()
    )
}

/// A message of the account `platform`/`account`.
pub(crate) fn message(n: i64, platform: &str, account: &str, person: &str, text: &str) -> Outbox {
    Outbox {
        identity: identity(n),
        platform: platform.into(),
        account: account.into(),
        integration: INTEGRATION.into(),
        person: person.into(),
        message_id: format!("{}", 461_230_966_842_064_897_i64 + n),
        event_time: 1_790_000_000_000 + n,
        received: runtime::clock::now_ms(),
        late_by: 0,
        contents: vec![Content::Text { text: text.into() }],
        attributes: BTreeMap::from([("market".into(), "Thailand".into())]).into(),
        tokens: Vec::new(),
    }
}

pub(crate) fn encode(message: &Outbox) -> Vec<u8> {
    Codec::new(&Framing::single_object()).encode(message)
}

pub(crate) fn to_genesys(n: i64, person: &str, text: &str) -> Vec<u8> {
    encode(&message(n, LINE.name, "th", person, text))
}

pub(crate) fn to_line(n: i64, account: &str, person: &str, text: &str) -> Vec<u8> {
    encode(&message(n, LINE.name, account, person, text))
}

/// Texts by conversation, in order of arrival.
pub(crate) fn by_person(
    arrivals: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (person, text) in arrivals {
        map.entry(person).or_default().push(text);
    }
    map
}
