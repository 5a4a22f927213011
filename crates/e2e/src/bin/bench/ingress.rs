//! Ingress under signed LINE webhooks over many keep-alive connections, answered after the broker's acknowledgement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::broker::Source;
use e2e::process::{Settings, account};
use e2e::{Broker, Outcome, Product, Service, figures, role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::{block_on, meter, records, say};

/// Connections, each with one request at a time.
const CONNECTIONS: usize = 256;
/// CPU of a request, in µs, that we aim at.
const AIM_MICROS: f64 = 17.0;
/// How often each webhook comes in the storm.
const STORM: usize = 10;
/// LINE's limit for an answer, in ms.
const LIMIT_MS: u64 = 2_000;

/// What a load measured.
struct Measured {
    rate: f64,
    micros: f64,
    /// Sorted, in µs.
    answers: Vec<u64>,
    refused: usize,
}

/// Runs all of it; whether every webhook was answered 200 in time.
pub(crate) fn run(requests: usize) -> Outcome<bool> {
    let broker = Broker::start(&Source::find()?)?;
    let link = tempfile::tempdir().map_err(|error| error.to_string())?;
    let settings = Settings {
        brokers: broker.bootstrap().to_owned(),
        prefix: format!("bench.{}.", runtime::clock::now_ms()),
        partitions: records::PARTITIONS,
        platforms: "http://127.0.0.1:1".to_owned(),
        calls_per_minute: 300,
        more: String::new(),
    };
    let product = Product::new(&role::product_in(link.path())?.to_string_lossy(), &settings)?;
    product.run(&["topics", "create"])?;
    block_on(async {
        let running = product.start(Service::Ingress, "bench").await?;
        let address = product.ingress().trim_start_matches("http://").to_owned();
        let all: Arc<Vec<Vec<u8>>> = Arc::new((0..requests as u64).map(|n| request(n, &address)).collect());
        say(&format!("{requests} signed LINE webhooks of {} bytes, {CONNECTIONS} connections", all[0].len()));

        load(&address, all.clone(), requests / 10, 1, None, running.pid()).await?;
        let full = load(&address, all.clone(), requests, 1, None, running.pid()).await?;
        report("full speed", &full);
        let half = load(&address, all.clone(), requests / 4, 1, Some(full.rate / 2.0), running.pid()).await?;
        report("half of it", &half);
        let storm = load(&address, all, requests / STORM, STORM, None, running.pid()).await?;
        report("each webhook ten times", &storm);
        say(&format!("aim: ≤ {AIM_MICROS} µs CPU a request"));
        running.stop()?;
        let worst = |measured: &Measured| measured.answers.last().copied().unwrap_or_default() / 1_000;
        Ok([&full, &half, &storm].iter().all(|m| m.refused == 0 && worst(m) < LIMIT_MS))
    })
}

fn report(name: &str, measured: &Measured) {
    let at = |share| figures::quantile(&measured.answers, share) as f64 / 1_000.0;
    say(&format!(
        "{name:<23} {:>7.0} requests/s  {:>5.1} µs CPU  answers p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms  not 200: {}",
        measured.rate,
        measured.micros,
        at(0.5),
        at(0.99),
        at(0.999),
        measured.refused
    ));
}

/// The bytes of the nth webhook.
fn request(n: u64, address: &str) -> Vec<u8> {
    let event = records::line(n, runtime::clock::now_ms()).value;
    let body = format!(r#"{{"destination":"U00000000000000000000000000000000","events":[{event}]}}"#);
    let signature = standins::sign::line(account::CHANNEL_SECRET, body.as_bytes());
    let (account, length) = (account::LINE, body.len());
    format!(
        "POST /webhooks/line/{account} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         X-Line-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends the first `count` webhooks, each `times`, at `rate` a second or as fast as they are answered.
async fn load(
    address: &str,
    all: Arc<Vec<Vec<u8>>>,
    count: usize,
    times: usize,
    rate: Option<f64>,
    pid: u32,
) -> Outcome<Measured> {
    let mut connections = JoinSet::new();
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        streams.push(stream);
    }
    let total = count * times;
    let cpu = meter::cpu(pid)?;
    let begun = Instant::now();
    for (mine, mut stream) in streams.into_iter().enumerate() {
        let all = all.clone();
        connections.spawn(async move {
            let mut answers = Vec::with_capacity(total / CONNECTIONS + 1);
            let mut refused = 0;
            let mut buffer = [0; 1024];
            for n in (mine..total).step_by(CONNECTIONS) {
                let mut from = Instant::now();
                if let Some(rate) = rate {
                    // Open loop: the answer's time counts from when the webhook was due.
                    from = begun + Duration::from_secs_f64(n as f64 / rate);
                    tokio::time::sleep_until(from.into()).await;
                }
                stream.write_all(&all[n / times]).await.map_err(|error| error.to_string())?;
                let read = stream.read(&mut buffer).await.map_err(|error| error.to_string())?;
                if !buffer[..read].starts_with(b"HTTP/1.1 200") {
                    refused += 1;
                }
                if read == 0 {
                    return Err("ingress closed a connection".to_owned());
                }
                answers.push(u64::try_from(from.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            Ok::<_, String>((answers, refused))
        });
    }
    let (mut answers, mut refused) = (Vec::with_capacity(total), 0);
    while let Some(done) = connections.join_next().await {
        let (some, not) = done.map_err(|error| error.to_string())??;
        answers.extend(some);
        refused += not;
    }
    let took = begun.elapsed();
    let cpu = meter::cpu(pid)? - cpu;
    answers.sort_unstable();
    let done = total as u64;
    Ok(Measured { rate: meter::rate(done, took), micros: meter::micros(cpu, done), answers, refused })
}
