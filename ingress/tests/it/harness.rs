//! A server on a port of its own, a log that remembers, and a client that controls every byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ingress::{AppendError, Edge, NewRecord, RawLog, Routes, Settings, Spool, serve};
use ipnet::IpNet;
use keys::KeyRing;
use platforms::{Platform, WebhookAccount, genesys, line};
use runtime::{Clock, Secret, Shutdown};
use schemas::TopicNames;
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) static LINE: &Platform = &line::PLATFORM;
pub(crate) static GENESYS: &Platform = &genesys::PLATFORM;
pub(crate) const ACCOUNT: &str = "shop-th";
pub(crate) const INTEGRATION: &str = "a2171742-7359-41cf-aa68-ad5049250806";
pub(crate) const LINE_SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
pub(crate) const GENESYS_SECRET: &str = "this-token-is-longer-than-15-chars";
pub(crate) const RECEIVED: i64 = 1_790_000_001_234;
/// No test waits longer than this for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What the log does with records.
#[derive(Clone)]
pub(crate) enum Mood {
    Takes,
    Silent,
    Fails(AppendError),
    /// Takes all but these.
    Refuses(fn(&NewRecord) -> bool),
}

/// A log that remembers what it took.
#[derive(Clone)]
pub(crate) struct Log {
    mood: watch::Sender<Mood>,
    taken: Arc<Mutex<Vec<Vec<NewRecord>>>>,
    /// Requests that have come to the log, whatever became of them.
    pub(crate) asked: watch::Sender<usize>,
}

impl Log {
    pub(crate) fn new(mood: Mood) -> Self {
        Self { mood: watch::Sender::new(mood), taken: Arc::default(), asked: watch::Sender::new(0) }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Takes out the records so far.
    pub(crate) fn take(&self) -> Vec<NewRecord> {
        std::mem::take(&mut *self.taken.lock().unwrap()).into_iter().flatten().collect()
    }
}

impl RawLog for Log {
    async fn append(&self, records: &[NewRecord]) -> Result<(), AppendError> {
        self.asked.send_modify(|asked| *asked += 1);
        let mut mood = self.mood.subscribe();
        let mood = mood.wait_for(|mood| !matches!(mood, Mood::Silent)).await.unwrap().clone();
        match mood {
            Mood::Fails(error) => Err(error),
            Mood::Refuses(bad) if records.iter().any(bad) => Err(AppendError::Refused("too large".into())),
            _ => {
                self.taken.lock().unwrap().push(records.to_vec());
                Ok(())
            }
        }
    }
}

/// A webhook of any address that one of these secrets signs.
pub(crate) fn webhook(platform: &'static Platform, name: &str, secrets: &[&str]) -> WebhookAccount {
    let secrets = secrets.iter().map(|text| Secret::new(*text)).collect();
    WebhookAccount { platform, name: name.to_owned(), secrets, addresses: Vec::new() }
}

/// An account of LINE and the integration that it feeds.
pub(crate) fn webhooks(line: &[&str], genesys: &[&str]) -> Vec<WebhookAccount> {
    vec![webhook(LINE, ACCOUNT, line), webhook(GENESYS, INTEGRATION, genesys)]
}

pub(crate) fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn settings() -> Settings {
    Settings {
        max_connections: 100,
        body_limit: schemas::WEBHOOK_BODY_LIMIT,
        header_timeout: DEADLINE,
        idle_timeout: DEADLINE,
        body_timeout: DEADLINE,
        ack_timeout: Duration::from_millis(1_500),
        drain_timeout: DEADLINE,
    }
}

/// A server that is not yet started.
pub(crate) struct Start {
    pub(crate) settings: Settings,
    pub(crate) webhooks: Vec<WebhookAccount>,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
    pub(crate) log: Log,
    pub(crate) spool: Option<Spool>,
    pub(crate) keys: Option<Arc<KeyRing>>,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Start {
    /// Plain, with a log that takes everything, and without all else.
    pub(crate) fn new(settings: Settings, webhooks: Vec<WebhookAccount>) -> Self {
        let log = Log::new(Mood::Takes);
        Self { settings, webhooks, tls: None, log, spool: None, keys: None, trusted_proxies: Vec::new() }
    }

    pub(crate) async fn start(self) -> Server {
        captured();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, log, spool) = (Shutdown::new(), self.log, self.spool.map(Arc::new));
        let routes = Routes::new(&self.webhooks, &TopicNames::new("test."));
        let mut edge = Edge::new(routes, log.clone(), Clock::manual(RECEIVED), self.settings)
            .with_keys(self.keys)
            .with_trusted_proxies(self.trusted_proxies);
        if let Some(spool) = &spool {
            edge = edge.with_spool(spool.clone());
        }
        let edge = Arc::new(edge);
        let drain = spool.map(|spool| {
            let log = log.clone();
            tokio::spawn(async move { spool.drain(&log).await })
        });
        let task = tokio::spawn(serve(listener, self.tls, edge.clone(), shutdown.clone()));
        Server { address, edge, log, shutdown, task, drain }
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) edge: Arc<Edge<Log>>,
    pub(crate) log: Log,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<()>,
    drain: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(settings(), webhooks(&[LINE_SECRET], &[GENESYS_SECRET])).await
    }

    pub(crate) async fn with(settings: Settings, webhooks: Vec<WebhookAccount>) -> Self {
        Start::new(settings, webhooks).start().await
    }

    /// Drops everything in the middle of what it does.
    pub(crate) async fn kill(self) {
        for task in self.drain.into_iter().chain([self.task]) {
            task.abort();
            let _ = task.await;
        }
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: &[u8]) -> Answer {
        let mut client = self.connect().await;
        client.write(request).await;
        client.answer().await.expect("an answer")
    }

    /// A signed webhook.
    pub(crate) async fn post(&self, platform: &'static Platform, body: &[u8]) -> Answer {
        self.send(&signed(platform, body)).await
    }
}

/// Everything that is logged in this process, of every level.
pub(crate) fn captured() -> &'static Mutex<Vec<u8>> {
    static LINES: OnceLock<&'static Mutex<Vec<u8>>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
        struct Writer(&'static Mutex<Vec<u8>>);
        impl std::io::Write for Writer {
            fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(line);
                Ok(line.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || Writer(lines))
            .init();
        lines
    })
}

/// The name of the platform's webhook.
pub(crate) fn name(platform: &'static Platform) -> &'static str {
    if platform == LINE { ACCOUNT } else { INTEGRATION }
}

pub(crate) fn path(platform: &'static Platform) -> String {
    format!("/webhooks/{}/{}", platform.name, name(platform))
}

/// The signature header of `body`, name and value.
pub(crate) fn signature(platform: &'static Platform, body: &[u8]) -> (&'static str, String) {
    let encode = |secret: &str| {
        let keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        STANDARD.encode(keyed.chain_update(body).finalize().into_bytes())
    };
    if platform == LINE {
        ("x-line-signature", encode(LINE_SECRET))
    } else {
        ("X-Hub-Signature-256", format!("sha256={}", encode(GENESYS_SECRET)))
    }
}

/// A request with these headers and this body.
pub(crate) fn request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: test\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// A signed webhook.
pub(crate) fn signed(platform: &'static Platform, body: &[u8]) -> Vec<u8> {
    let (name, value) = signature(platform, body);
    request(&path(platform), &[(name, &value)], body)
}

/// The head of a signed webhook that is sent in chunks.
pub(crate) fn signed_chunked_head(platform: &'static Platform, body: &[u8]) -> Vec<u8> {
    let (name, value) = signature(platform, body);
    let path = path(platform);
    format!("POST {path} HTTP/1.1\r\nhost: test\r\n{name}: {value}\r\ntransfer-encoding: chunked\r\n\r\n")
        .into()
}

pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Head and body as they came.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.head, self.body)
    }
}

/// A connection that is written and read by hand.
pub(crate) struct Client<S> {
    stream: S,
    read: Vec<u8>,
    bodiless: bool,
    /// Whether the connection ended by a reset.
    pub(crate) reset: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new(), bodiless: false, reset: false }
    }

    /// Writes as far as the server takes it: an early answer may end the reading.
    pub(crate) async fn write(&mut self, data: &[u8]) {
        self.bodiless = data.starts_with(b"HEAD ");
        let _ = tokio::time::timeout(DEADLINE, self.stream.write_all(data)).await.expect("written in time");
        let _ = self.stream.flush().await;
    }

    /// The next answer; `None` when the server closes instead.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(DEADLINE, self.read_answer()).await.expect("an answer or the end in time")
    }

    /// Whether the server closes, with nothing more to read.
    pub(crate) async fn ends(&mut self) -> bool {
        self.answer().await.is_none() && self.read.is_empty()
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end + 4].to_vec()).unwrap();
                let status = head[9..12].parse().unwrap();
                let answer = Answer { status, head, body: String::new() };
                let length: usize = answer.header("content-length").map_or(0, |v| v.parse().unwrap());
                let length = if self.bodiless { 0 } else { length };
                if self.read.len() >= end + 4 + length {
                    let body = self.read[end + 4..end + 4 + length].to_vec();
                    self.read.drain(..end + 4 + length);
                    return Some(Answer { body: String::from_utf8(body).unwrap(), ..answer });
                }
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(_) => {
                    self.reset = true;
                    return None;
                }
            }
        }
    }
}
