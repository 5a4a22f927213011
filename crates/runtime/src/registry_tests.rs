//! Registration against a loopback server with a script of answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

const SOON: [Duration; 2] = [Duration::from_millis(1); 2];

#[derive(Clone, Default)]
struct Registry {
    script: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    asked: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

impl Registry {
    /// Starts one that gives these answers in turn, and ids from 1 up afterwards.
    async fn start(script: &[(u16, &'static str)]) -> (Self, String) {
        let registry =
            Self { script: Arc::new(Mutex::new(script.iter().copied().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let server = registry.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let server = server.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                let serve = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serve.serve_connection(TokioIo::new(stream), service));
            }
        });
        (registry, url)
    }

    async fn answer(
        self,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(request.method(), hyper::Method::POST);
        assert_eq!(request.headers()[CONTENT_TYPE], MEDIA_TYPE);
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        let asked = {
            let mut asked = self.asked.lock().expect("not poisoned");
            asked.push((path, serde_json::from_slice(&body).expect("JSON")));
            asked.len()
        };
        let next = self.script.lock().expect("not poisoned").pop_front();
        let (status, body) = match next {
            Some((status, body)) => (status, body.to_owned()),
            None => (200, format!("{{\"id\":{asked}}}")),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        Ok(response)
    }

    fn asked(&self) -> Vec<(String, serde_json::Value)> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn names() -> TopicNames {
    TopicNames::new("naru.")
}

#[tokio::test]
async fn every_topic_gets_its_schemas_id() {
    let (registry, url) = Registry::start(&[]).await;
    let framings = register(&url, &names(), &SOON).await.expect("registers");
    let asked = registry.asked();
    let expected = [
        (Topic::OutboxGenesys, Schema::ToGenesys),
        (Topic::OutboxLine, Schema::ToLine),
        (Topic::DeliveriesGenesys, Schema::Delivery),
        (Topic::DeliveriesLine, Schema::Delivery),
        (Topic::Identity, Schema::Identity),
        (Topic::Vault, Schema::Vault),
        (Topic::Reveals, Schema::Reveal),
        (Topic::UnknownFields, Schema::UnknownField),
    ];
    assert_eq!(asked.len(), expected.len());
    for (i, (topic, schema)) in expected.into_iter().enumerate() {
        assert_eq!(asked[i].0, format!("/subjects/naru.{}-value/versions", topic.name()));
        assert_eq!(asked[i].1["schema"], schema.text());
        assert_eq!(framings.of(topic), Framing::Confluent(u32::try_from(i + 1).expect("small")));
    }
    assert_eq!(framings.of(Topic::WebhooksLine), Framing::SingleObject);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (registry, url) = Registry::start(&[(503, ""), (200, "starting"), (200, "{\"id\":77}")]).await;
    let framings = register(&url, &names(), &SOON).await.expect("registers");
    assert_eq!(framings.of(Topic::OutboxGenesys), Framing::Confluent(77));
    assert_eq!(registry.asked().len(), 10);

    let (registry, url) = Registry::start(&[(500, ""), (429, ""), (503, "")]).await;
    let error = register(&url, &names(), &SOON).await.expect_err("gives up");
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(registry.asked().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let answer =
        r#"{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}"#;
    let (registry, url) = Registry::start(&[(200, "{\"id\":1}"), (409, answer)]).await;
    let error = register(&url, &names(), &SOON).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the schema registry refuses subject naru.outbox.line-value (409): \
         409: Schema being registered is incompatible with an earlier schema"
    );
    assert_eq!(registry.asked().len(), 2);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let error = register(&format!("http://{address}"), &names(), &SOON).await.expect_err("nobody is there");
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    assert!(!error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn answers() {
    for (status, body, expected) in [
        (200, "{\"id\":5,\"version\":1}", Answer::Id(5)),
        (200, "{\"id\":-1}", Answer::Again("status 200 OK without an id".into())),
        (408, "", Answer::Again("status 408 Request Timeout".into())),
        (
            422,
            "{\"error_code\":42201,\"message\":\"Invalid schema\"}",
            Answer::Refused("42201: Invalid schema".into()),
        ),
        (401, "<html>", Answer::Refused("no reason given".into())),
        (301, "", Answer::Refused("no reason given".into())),
    ] {
        assert_eq!(
            read(StatusCode::from_u16(status).expect("a status"), body.as_bytes()),
            expected,
            "{status}"
        );
    }
}
