//! What the tests stand on: the stand-ins on a free port, a client, and a bridge's webhook address with a script.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use standins::{
    Channel, Client, Clock, CustomAccount, CustomSetup, GenesysSetup, Integration, LineSetup, NoAnswer,
    OAuthClient, Schedule, Setup, Standins, standard_webhooks,
};
use tokio::net::TcpListener;

pub(crate) const INTEGRATION: &str = "a2171742-7359-41cf-aa68-ad5049250806";
pub(crate) const USER: &str = "U11111111111111111111111111111111";
pub(crate) const LINE_SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
pub(crate) const GENESYS_SECRET: &str = "this-token-is-longer-than-15-chars";
pub(crate) const LINE_TOKEN: &str = "line-token";
/// What people of the custom channel sign with, and the bridge.
pub(crate) const PEOPLES_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const BRIDGES_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// 2026-09-21: where the tests' clocks start.
pub(crate) const START_MS: u64 = 1_790_000_000_000;
/// Longer than any answer takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The stand-ins on a port of their own.
pub(crate) struct Bench {
    pub(crate) standins: Standins,
    pub(crate) url: String,
    client: Client,
    _end: tokio::sync::oneshot::Sender<()>,
}

/// An answer, its body as JSON.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One client, one integration, one account of each channel; the webhooks go nowhere yet.
pub(crate) fn setup() -> Setup {
    Setup {
        genesys: GenesysSetup {
            clients: vec![OAuthClient { id: "client".into(), secret: "s+e cret".into() }],
            integrations: vec![Integration {
                id: INTEGRATION.into(),
                name: "LINE TH".into(),
                webhook_url: "http://127.0.0.1:9/".into(),
                webhook_secret: GENESYS_SECRET.into(),
                webhook_headers: vec![("x-bridge".into(), "line-th".into())],
            }],
            ..GenesysSetup::default()
        },
        line: LineSetup {
            channels: vec![Channel {
                account: "th".into(),
                bot_user_id: "U00000000000000000000000000000000".into(),
                secret: LINE_SECRET.into(),
                access_token: LINE_TOKEN.into(),
                webhook_url: "http://127.0.0.1:9/".into(),
            }],
            ..LineSetup::default()
        },
        custom: CustomSetup {
            accounts: vec![CustomAccount {
                account: "shop".into(),
                webhook_url: "http://127.0.0.1:9/".into(),
                secrets: vec![PEOPLES_SECRET.into()],
                endpoint_secrets: vec![BRIDGES_SECRET.into()],
            }],
            ..CustomSetup::default()
        },
    }
}

/// A schedule for tests on the wall clock.
pub(crate) fn quick(timeout_ms: u64, retries: u32, gap_ms: u64) -> Schedule {
    let (timeout, gap) = (Duration::from_millis(timeout_ms), Duration::from_millis(gap_ms));
    Schedule { timeout, retries, gap }
}

/// A clock that stands still until a test turns it.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START_MS)))
    }

    pub(crate) fn turn(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = self.0.clone();
        Clock::new(move || now.load(Ordering::SeqCst))
    }
}

impl Bench {
    pub(crate) async fn start(setup: Setup) -> Self {
        Self::with_clock(setup, Clock::starting_at(START_MS)).await
    }

    pub(crate) async fn with_clock(setup: Setup, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let standins = Standins::new(setup, clock);
        let (end, ended) = tokio::sync::oneshot::channel();
        tokio::spawn(standins.clone().serve(listener, async {
            let _ = ended.await;
        }));
        Self { standins, url, client: Client::default(), _end: end }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Got, NoAnswer> {
        let url = format!("{}{path}", self.url);
        let (status, headers, body) = self.client.call(method, &url, headers, body.into(), PATIENCE).await?;
        Ok(Got { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let got = self.call(Method::GET, path, &[], "").await.unwrap();
        assert_eq!(got.status, 200, "{path}");
        got.body
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Got {
        self.call(Method::POST, path, &[], body.to_string()).await.unwrap()
    }

    /// A token of the one client.
    pub(crate) async fn token(&self) -> String {
        let form = "grant_type=client_credentials&client_id=client&client_secret=s%2Be+cret";
        let got = self.call(Method::POST, "/oauth/token", &[], form).await.unwrap();
        assert_eq!(got.status, 200);
        got.body["access_token"].as_str().unwrap().to_owned()
    }

    /// A customer's message to Genesys.
    pub(crate) async fn inbound(&self, token: &str, body: &Value) -> Result<Got, NoAnswer> {
        let path = format!(
            "/api/v2/conversations/messages/{INTEGRATION}/inbound/open/message?prefetchConversationId=true"
        );
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.call(Method::POST, &path, &headers, body.to_string()).await
    }

    /// A message to a person of the custom channel, signed with a secret at the stand-ins' time.
    pub(crate) async fn post(&self, secret: &str, id: &str, body: &Value) -> Result<Got, NoAnswer> {
        let body = body.to_string();
        let secret = standard_webhooks::Secret::parse(secret).unwrap();
        let now = self.standins.clock().now_ms();
        let signed = standard_webhooks::headers(&[secret], id, body.as_bytes(), now);
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
        self.call(Method::POST, "/custom/shop/messages", &headers, body).await
    }

    /// A push to a person on LINE.
    pub(crate) async fn push(&self, key: Option<&str>, body: &Value) -> Result<Got, NoAnswer> {
        let bearer = format!("Bearer {LINE_TOKEN}");
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(key.map(|key| ("x-line-retry-key", key)));
        self.call(Method::POST, "/v2/bot/message/push", &headers, body.to_string()).await
    }
}

/// A text from a person as the bridge sends it to Genesys.
pub(crate) fn open_text(guid: &str, message_id: &str, text: &str) -> Value {
    json!({
        "channel": {"from": {"id": guid, "idType": "Opaque"}, "time": "2026-10-02T03:04:05.678Z", "messageId": message_id},
        "text": text,
    })
}

/// A text of an agent to a person of the custom channel.
pub(crate) fn custom_text(person: &str, id: &str, text: &str) -> Value {
    json!({
        "type": "message", "timestamp": "2026-10-02T03:04:05.678Z",
        "data": {"id": id, "person": person, "content": {"type": "text", "text": text}},
    })
}

/// A push of one text.
pub(crate) fn push_text(user: &str, text: &str) -> Value {
    json!({"to": user, "messages": [{"type": "text", "text": text}]})
}

/// A webhook that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Hooked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: tokio::time::Instant,
}

impl Hooked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A bridge's address that answers by a script: a status each, 0 for no answer at all, then always 200.
pub(crate) struct Hook {
    pub(crate) url: String,
    arrived: Arc<Mutex<Vec<Hooked>>>,
}

impl Hook {
    pub(crate) async fn start(script: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<u16>>()));
        let log = arrived.clone();
        serve(listener, move |hooked| {
            let status = script.lock().unwrap().pop_front().unwrap_or(200);
            log.lock().unwrap().push(hooked);
            async move {
                if status == 0 {
                    std::future::pending::<()>().await;
                }
                status
            }
        });
        Self { url, arrived }
    }

    pub(crate) fn arrived(&self) -> Vec<Hooked> {
        self.arrived.lock().unwrap().clone()
    }
}

/// A small HTTP server: one function from request to status.
pub(crate) fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Hooked) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = u16> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let at = tokio::time::Instant::now();
                    let path = head.uri.path().to_owned();
                    let hooked = Hooked { path, headers: head.headers, body, at };
                    let mut response = Response::new(Full::new(Bytes::new()));
                    *response.status_mut() = StatusCode::from_u16(answer(hooked).await).unwrap();
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}
