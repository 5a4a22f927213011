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
        let is_lookup = !path.ends_with("/versions");
        let asked = {
            let mut asked = self.asked.lock().expect("not poisoned");
            asked.push((path, serde_json::from_slice(&body).expect("JSON")));
            asked.len()
        };
        let next = self.script.lock().expect("not poisoned").pop_front();
        let (status, body) = match next {
            Some((status, body)) => (status, body.to_owned()),
            // What is looked up is not there, unless the script says otherwise.
            None if is_lookup => (404, String::new()),
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

/// The contact centre and one channel.
fn platforms() -> [&'static Platform; 2] {
    [platforms::contact_centre(), platforms::of_unnamed()]
}

#[tokio::test]
async fn every_topic_gets_its_schemas_id() {
    let (registry, url) = Registry::start(&[]).await;
    let framings = register(&url, &names(), &platforms(), &SOON).await.expect("registers");
    let asked = registry.asked();
    for topic in platforms::topics(platforms()) {
        let Some(schemas) = topic.schemas() else {
            assert_eq!(framings.of(topic), Framing::single_object());
            continue;
        };
        let at = asked.iter().position(|(path, body)| {
            path.starts_with(&format!("/subjects/naru.{}-", topic.name()))
                && body["schema"] == schemas.current
        });
        let at = at.expect("it was registered");
        let id = u32::try_from(at + 1).expect("small");
        assert_eq!(framings.of(topic), Framing::confluent(&[(schemas.current, id)]), "{topic:?}");
    }
    let subjects: Vec<&str> = asked.iter().filter_map(|(path, _)| path.strip_suffix("/versions")).collect();
    assert!(subjects.contains(&"/subjects/naru.deliveries.line-value"), "{subjects:?}");
    assert!(subjects.contains(&"/subjects/naru.outbox.line-naru.outbox.Outbox"), "{subjects:?}");
}

#[tokio::test]
async fn ids_of_what_earlier_versions_registered_are_known() {
    let centre = platforms::contact_centre();
    let outbox = centre.destination.outbox;
    // The outbox's own schema, then two of before under the topic's own subject.
    let (registry, url) = Registry::start(&[(200, "{\"id\":9}"), (404, ""), (200, "{\"id\":4}")]).await;
    let framings = register(&url, &names(), &[centre], &SOON).await.expect("registers");
    let released = centre.api.released().expect("its outbox had a type of its own");
    let current = outbox.schemas().expect("Avro").current;
    assert_eq!(framings.of(outbox), Framing::confluent(&[(current, 9), (released.schemas[1], 4)]));
    assert_eq!(registry.asked()[2].0, "/subjects/naru.outbox.genesys-value");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (registry, url) = Registry::start(&[]).await;
    register(&url, &names(), &platforms(), &SOON).await.expect("registers");
    let without_faults = registry.asked().len();

    let (registry, url) = Registry::start(&[(503, ""), (200, "starting"), (200, "{\"id\":77}")]).await;
    let framings = register(&url, &names(), &platforms(), &SOON).await.expect("registers");
    let outbox = platforms::contact_centre().destination.outbox;
    let current = outbox.schemas().expect("Avro").current;
    assert_eq!(framings.of(outbox), Framing::confluent(&[(current, 77)]));
    assert_eq!(registry.asked().len(), without_faults + 2);

    let (registry, url) = Registry::start(&[(500, ""), (429, ""), (503, "")]).await;
    let error = register(&url, &names(), &platforms(), &SOON).await.expect_err("gives up");
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(registry.asked().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let answer =
        r#"{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}"#;
    let (registry, url) = Registry::start(&[(409, answer)]).await;
    let error = register(&url, &names(), &platforms(), &SOON).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the schema registry refuses subject naru.outbox.genesys-naru.outbox.Outbox (409): \
         409: Schema being registered is incompatible with an earlier schema"
    );
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let error = register(&format!("http://{address}"), &names(), &platforms(), &SOON)
        .await
        .expect_err("nobody is there");
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
