//! A platform of the tests' own, with a server: its calls are signed together with the time and carry no
//! `Authorization`, and it says when a person has gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platforms::{
    Api, Authorization, Call, Dispatch, Endpoint, Outcome, Platform, Policy, Rate, Repeat, Role, Verdict,
};
use reqwest::Method;
use runtime::Secret;
use schemas::{Content, destination_topics, source_topics};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Its own calls; all other parts are LINE's.
pub(crate) static WEB: Platform = Platform {
    name: "web",
    title: "Web",
    source: source_topics!("web"),
    destination: destination_topics!("web"),
    webhook: platforms::line::PLATFORM.webhook,
    translate: platforms::line::PLATFORM.translate,
    api: &WebApi,
    role: match platforms::line::PLATFORM.role {
        Role::Channel(channel) => Role::Channel(channel),
        Role::ContactCentre(centre) => Role::ContactCentre(centre),
    },
    demo: "",
};

struct WebApi;

impl Api for WebApi {
    fn policy(&self) -> Policy {
        Policy {
            repeat: Repeat::Safe,
            needs_address: true,
            has_conversations: false,
            correlation_header: "x-call",
        }
    }

    fn call(&self, dispatch: &Dispatch<'_>) -> Call {
        let texts: Vec<&str> = dispatch
            .record
            .contents
            .iter()
            .filter_map(|content| match content {
                Content::Text { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let body = json!({"to": dispatch.address, "texts": texts});
        let mut call = Call::json(Method::POST, "/send".into(), &body);
        let Authorization::Signed(secrets) = dispatch.authorization else { panic!("its calls are signed") };
        let secrets: Vec<&str> = secrets.iter().map(Secret::reveal).collect();
        call.headers.push(("x-time", dispatch.now.to_string()));
        call.headers.push(("x-signature", secrets.join("+")));
        call
    }

    fn verdict(&self, outcome: &Outcome, _: bool) -> Verdict {
        let Ok(answer) = outcome else { return Verdict::RetryAfter(None) };
        match answer.status {
            200 => Verdict::Delivered { platform_id: answer.code("x-call"), conversation: None },
            401 | 403 => Verdict::Reauthorise,
            410 => Verdict::Gone("status 410".into()),
            500..=599 => Verdict::RetryAfter(answer.retry_after()),
            status => Verdict::Refused(format!("status {status}")),
        }
    }
}

/// An endpoint of the platform.
pub(crate) fn endpoint(name: &str, server: &Server) -> Endpoint {
    Endpoint {
        platform: &WEB,
        name: name.into(),
        api_url: server.url.clone(),
        authorization: Authorization::Signed(vec![Secret::new("s1"), Secret::new("s2")]),
        rate: Rate { calls: 1_000, window: Duration::from_secs(1) },
    }
}

/// A call that arrived.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// Answers with the statuses of its script, then with 200.
#[derive(Clone)]
pub(crate) struct Server {
    url: String,
    script: Arc<Mutex<VecDeque<u16>>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Server {
    pub(crate) async fn start(script: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            script: Arc::new(Mutex::new(script.iter().copied().collect())),
            arrived: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(connection));
            }
        });
        server
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Recipients of what arrived, in order.
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.arrived().iter().map(|call| call.body["to"].as_str().unwrap().to_owned()).collect()
    }

    /// One request, one answer; then the connection is closed.
    async fn serve(self, connection: TcpStream) {
        let mut connection = BufReader::new(connection);
        let (mut line, mut headers) = (String::new(), BTreeMap::new());
        while connection.read_line(&mut line).await.unwrap() > 2 {
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            line.clear();
        }
        let Some(length) = headers.get("content-length") else { return };
        let mut body = vec![0; length.parse().unwrap()];
        connection.read_exact(&mut body).await.unwrap();
        let count = {
            let mut arrived = self.arrived.lock().unwrap();
            arrived.push(Arrived { headers, body: serde_json::from_slice(&body).unwrap() });
            arrived.len()
        };
        let status = self.script.lock().unwrap().pop_front().unwrap_or(200);
        let answer = format!(
            "HTTP/1.1 {status} x\r\nx-call: c{count}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}
