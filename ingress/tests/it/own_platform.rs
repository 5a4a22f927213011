//! A platform of the tests' own, which wants what the others do not: GET with a query, paths behind the account, public
//! keys, and an answer of its own.

use hyper::{HeaderMap, Method};
use platforms::{
    Accepted, Credentials, Denied, EventFields, KeySet, Malformed, Platform, RawEvent, RequestHead,
    RequestView, Role, Webhook, WebhookAccount, WebhookTarget, line,
};
use runtime::{Secret, metrics};
use schemas::{Reason, destination_topics, header, source_topics};

use crate::harness::{Answer, Server, Start, networks, settings, webhook};

static OWN: Platform = Platform {
    name: "own",
    title: "Own",
    source: source_topics!("own"),
    destination: destination_topics!("own"),
    webhook: &OwnWebhook,
    translate: line::PLATFORM.translate,
    api: line::PLATFORM.api,
    role: match line::PLATFORM.role {
        Role::Channel(channel) => Role::Channel(channel),
        Role::ContactCentre(centre) => Role::ContactCentre(centre),
    },
    demo: "",
};

/// Its requests name a user in the query, and carry the platform's public key as it is.
struct OwnWebhook;

fn user(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("user="))
}

fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-key")?.to_str().ok()
}

impl Webhook for OwnWebhook {
    fn methods(&self) -> &'static [Method] {
        const METHODS: &[Method] = &[Method::GET, Method::POST];
        METHODS
    }

    fn paths(&self) -> &'static [&'static str] {
        &["", "channel/users"]
    }

    fn credentials(&self, secrets: &[Secret]) -> Credentials {
        line::PLATFORM.webhook.credentials(secrets)
    }

    fn wants_key_set(&self) -> bool {
        true
    }

    fn check_head(&self, _: &WebhookTarget<'_>, head: &RequestHead<'_>) -> Result<(), Denied> {
        user(head.query).map(drop).ok_or(Denied::Malformed)
    }

    fn authenticate(
        &self,
        target: &WebhookTarget<'_>,
        request: &RequestView<'_>,
        _: i64,
    ) -> Result<(), Denied> {
        let keys = target.key_set.ok_or(Denied::Undecided)?;
        let fits = key(request.head.headers) == Some(keys.0.as_str());
        fits.then_some(()).ok_or(Denied::Denied)
    }

    fn events<'b>(
        &self,
        account: &str,
        request: &RequestView<'b>,
    ) -> Vec<Result<RawEvent<'b>, Malformed<'b>>> {
        let head = request.head;
        let value = if head.method == Method::GET { head.query.as_bytes() } else { request.body };
        if value == b"bad" {
            return vec![Err(Malformed::new(Reason::NotJson, "bad", value))];
        }
        let fields = EventFields {
            key: format!("{account}:{}", user(head.query).unwrap_or_default()),
            time: 1,
            id: Some(format!("{} of {}", head.client, head.peer).into()),
            kind: Some(format!("{} {}", head.method, head.path).into()),
            redelivery: false,
        };
        vec![Ok(RawEvent { fields, value })]
    }

    fn accepted(&self) -> Accepted {
        Accepted { status: 202, body: "OK" }
    }
}

/// A server for the accounts `shop`, which has a secret, and `open`, which has an address list instead.
async fn server() -> Server {
    metrics::install();
    let open = WebhookAccount { addresses: networks(&["0.0.0.0/0"]), ..webhook(&OWN, "open", &[]) };
    let start = Start::new(settings(), vec![webhook(&OWN, "shop", &["secret"]), open]);
    Start { trusted_proxies: networks(&["127.0.0.1/32"]), ..start }.start().await
}

async fn send(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} /webhooks/own/{path} HTTP/1.1\r\nhost: test\r\nx-key: k1\r\nx-forwarded-for: 203.0.113.9\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    server.send(request.as_bytes()).await
}

#[tokio::test]
async fn it_is_undecided_until_the_keys_are_there_and_then_as_they_say() {
    let server = server().await;
    // An account without a secret is authenticated by the keys all the same.
    for account in ["shop", "open"] {
        let answer = send(&server, "GET", &format!("{account}?user=u1"), "").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{account}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    server.edge.set_key_set("line", KeySet("k1".into()));
    server.edge.set_key_set("nobody", KeySet("k1".into()));
    assert_eq!(send(&server, "GET", "shop?user=u1", "").await.status, 503, "keys of another platform");

    for (keys, status) in [("k1", 202), ("k2", 401), ("k1", 202)] {
        server.edge.set_key_set("own", KeySet(keys.into()));
        for account in ["shop", "open"] {
            assert_eq!(
                send(&server, "GET", &format!("{account}?user=u1"), "").await.status,
                status,
                "{keys}"
            );
        }
    }
    assert_eq!(server.log.take().len(), 4);
}

#[tokio::test]
async fn it_is_answered_and_counted_as_it_wants() {
    let server = server().await;
    server.edge.set_key_set("own", KeySet("k1".into()));
    let answer = send(&server, "GET", "shop?user=u1", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (202, "OK"));
    assert_eq!(answer.header("connection"), None, "it may come again on this connection");
    let text = metrics::render();
    assert!(text.contains("naru_ingress_requests_total{source=\"own\",status=\"202\"}"), "{text}");
    assert!(!text.contains("naru_ingress_requests_total{source=\"own\",status=\"200\"}"), "{text}");
}

#[tokio::test]
async fn its_methods_paths_and_query_reach_it() {
    let server = server().await;
    server.edge.set_key_set("own", KeySet("k1".into()));
    let cases = [
        ("GET", "shop?user=u1", "", "GET ", "user=u1"),
        ("POST", "shop?user=u1", "{ }", "POST ", "{ }"),
        ("GET", "shop/channel/users?a=b&user=u1", "", "GET channel/users", "a=b&user=u1"),
        ("POST", "shop/channel/users?user=u1", "x", "POST channel/users", "x"),
    ];
    for (method, path, body, kind, value) in cases {
        assert_eq!(send(&server, method, path, body).await.status, 202, "{method} {path}");
        let [record] = &server.log.take()[..] else { panic!("one record") };
        assert_eq!((record.topic, record.key.as_str()), (OWN.source.webhooks, "shop:u1"));
        assert_eq!(record.header(header::EVENT_TYPE), Some(kind));
        assert_eq!(record.header(header::EVENT_ID), Some("203.0.113.9 of 127.0.0.1"));
        assert_eq!(record.value, value.as_bytes());
    }
    for path in ["shop/?user=u1", "shop/channel?user=u1", "shop/channel/users/?user=u1", "shop//?user=u1"] {
        assert_eq!(send(&server, "GET", path, "").await.status, 404, "{path}");
    }
    for path in ["shop?user=u1", "shop/channel/users?user=u1"] {
        let answer = send(&server, "PUT", path, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")), "{path}");
    }
    assert!(server.log.take().is_empty());
}

#[tokio::test]
async fn what_it_calls_malformed_is_400_and_a_malformed_event_a_dead_letter() {
    let server = server().await;
    server.edge.set_key_set("own", KeySet("k1".into()));
    for path in ["shop", "shop?", "shop?users=u1"] {
        let answer = send(&server, "GET", path, "").await;
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{path}");
    }
    assert!(server.log.take().is_empty());
    assert_eq!(send(&server, "POST", "shop?user=u1", "bad").await.status, 202);
    let [record] = &server.log.take()[..] else { panic!("one record") };
    assert_eq!(record.dead(), Some(Reason::NotJson));
    assert_eq!(record.header(header::DEAD_TOPIC), Some("test.webhooks.own"));
}
