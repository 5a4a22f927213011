//! What a webhook of 500 bytes costs: making its records alone, and all from the head to the answer but for socket and
//! broker.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper::Request;
use ingress::{AppendError, Edge, NewRecord, RawLog, Routes, Settings, records};
use platforms::WebhookAccount;
use platforms::line::PLATFORM;
use runtime::config::Ingress;
use runtime::{Clock, Secret};
use schemas::TopicNames;
use sha2::Sha256;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";

struct Nowhere;

impl RawLog for Nowhere {
    async fn append(&self, records: &[NewRecord]) -> Result<(), AppendError> {
        std::hint::black_box(records);
        Ok(())
    }
}

fn body() -> Bytes {
    let event = |text: &str| {
        format!(
            r#"{{"destination":"U00000000000000000000000000000000","events":[{{"type":"message","message":{{"type":"text","id":"610000000000000001","quoteToken":"q3Plxr4AgKd","text":"{text}"}},"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{{"isRedelivery":false}},"timestamp":1790000000000,"source":{{"type":"user","userId":"U11111111111111111111111111111111"}},"replyToken":"0f3779fba3b349968c5d07db31eabf65","mode":"active"}}]}}"#
        )
    };
    let rest = 500 - event("").len();
    let body = event(&"x".repeat(rest));
    assert_eq!(body.len(), 500);
    Bytes::from(body)
}

fn webhook(c: &mut Criterion) {
    let body = body();
    c.bench_function("records", |b| b.iter(|| records(&PLATFORM, "shop-th", &body, 1_790_000_000_100)));

    runtime::metrics::install();
    let account = WebhookAccount {
        platform: &PLATFORM,
        name: "shop-th".to_owned(),
        secrets: vec![Secret::new(SECRET)],
        addresses: Vec::new(),
    };
    let routes = Routes::new(&[account], &TopicNames::new("naru."));
    let seconds = std::time::Duration::from_secs;
    let settings = Settings::from(&Ingress {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        max_connections: 1_000,
        body_limit: schemas::WEBHOOK_BODY_LIMIT,
        header_timeout: seconds(10),
        body_timeout: seconds(10),
        ack_timeout: seconds(1),
        trusted_proxies: Vec::new(),
        spool: runtime::config::Spool { dir: "unused".into(), max_bytes: 0 },
    });
    let edge = Edge::new(routes, Nowhere, Clock::wall(), settings);
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    let signature = STANDARD.encode(keyed.chain_update(&body).finalize().into_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    c.bench_function("head to answer", |b| {
        b.iter(|| {
            let request = Request::post("/webhooks/line/shop-th")
                .header("x-line-signature", &signature)
                .body(Full::new(body.clone()))
                .expect("a request");
            let response = edge.respond(request, PEER).now_or_never().expect("nothing to wait for");
            assert_eq!(response.status(), 200);
        });
    });
}

criterion_group!(benches, webhook);
criterion_main!(benches);
