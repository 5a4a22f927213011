//! A broker that is away while two instances of ingress take webhooks: all are answered 2xx in time, and all arrive once
//! and in order when it is back, though each person's messages lie in both spools by turns, and one of the instances
//! begins to drain long after the other has ended.
//!
//! `NARU_TEST_OUTAGE=60:500` makes it 60 s at 500 webhooks a second.

#![expect(clippy::print_stdout, reason = "the figures are what a person runs it for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::harness::Stage;
use e2e::process::account;
use e2e::{Outcome, Running, Service, free_port, switch, wait};
use hyper::Method;
use standins::{Client, Standins};
use tokio::task::JoinSet;

use crate::{expect, play};

/// Seconds without a broker, and webhooks a second: what two busy cores carry beside a JVM, in a debug build.
const OUTAGE: (u64, u64) = (20, 200);
/// People write in turn, each to the other instance than before.
const PEOPLE: u64 = 101;
/// Before each number: bare ones in a row can be read as one that is spread over messages.
const MARK: &str = "n";
/// Before the broker goes and after it is back.
const AROUND: Duration = Duration::from_secs(4);
/// One instance sleeps so long after the other has drained its spool: more than the usual hold, less than the longer.
const BEHIND: Duration = Duration::from_secs(5);
/// LINE's limit for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// For all to arrive, once the broker is back and nothing more is sent.
const ARRIVES_WITHIN: Duration = Duration::from_secs(180);

/// What was answered, in the order of sending: status (none where there was no answer) and how long it took.
type Answers = Vec<(Option<u16>, Duration)>;

/// See the head of this file.
pub(crate) fn all_kept(stage: &mut Stage) -> Outcome {
    let (seconds, rate) = switch("NARU_TEST_OUTAGE")
        .and_then(|text| text.split_once(':').map(|(s, r)| s.parse().ok().zip(r.parse().ok())))
        .flatten()
        .unwrap_or(OUTAGE);
    play(stage, "outage", async |stage, world| {
        let ports = [free_port(), free_port()];
        let mut ingress = Vec::new();
        for (port, name) in ports.iter().zip(["ingress-0", "ingress-1"]) {
            let listen = format!("127.0.0.1:{port}");
            let overrides = [("NARU_INGRESS__LISTEN", listen.as_str())];
            ingress.push(world.product.launch_with(Service::Ingress, name, &overrides)?);
        }
        let mut processors = world.product.launch(Service::Processors, "processors")?;
        let mut egress = world.product.launch(Service::Egress, "egress")?;
        for service in ingress.iter_mut().chain([&mut processors, &mut egress]) {
            service.wait_until_ready().await?;
        }

        let traffic = Traffic::default();
        let sender = tokio::spawn(send(world.standins.clone(), ports, rate, traffic.clone()));
        tokio::time::sleep(AROUND).await;
        stage.broker()?.kill9()?;
        let away = Instant::now();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        traffic.set(Sending::Paused);
        wait::until("the last answers", ARRIVES_WITHIN, || async { (traffic.open() == 0).then_some(()) })
            .await?;
        let spooled = bytes(&ingress).await?;
        ingress[1].signal("STOP")?;
        stage.broker()?.restart()?;
        println!("away for {:.1} s; {spooled:?} bytes in the spools", away.elapsed().as_secs_f64());
        wait::until("the end of a spool", ARRIVES_WITHIN, || async {
            bytes(&ingress[..1]).await.is_ok_and(|bytes| bytes == [0.0]).then_some(())
        })
        .await?;
        tokio::time::sleep(BEHIND).await;
        ingress[1].signal("CONT")?;
        traffic.set(Sending::On);
        tokio::time::sleep(AROUND).await;
        traffic.set(Sending::Ended);
        let answers = sender.await.map_err(|error| error.to_string())?;
        let sent = answers.len();
        answered(&answers)?;
        expect(spooled.iter().all(|bytes| *bytes > 0.0), format!("both spools were used: {spooled:?}"))?;

        let ledger = world.standins.genesys().received();
        let begin = Instant::now();
        wait::until(&format!("{sent} messages at genesys"), ARRIVES_WITHIN, || async {
            (ledger.len() >= sent).then_some(())
        })
        .await
        .map_err(|error| format!("{error}; {} are there", ledger.len()))?;
        println!("{sent} sent, all arrived {:.1} s after the last", begin.elapsed().as_secs_f64());
        in_order(&ledger.after(0).into_iter().map(|m| m.text).collect::<Vec<_>>(), sent)?;
        for (instance, left) in ingress.iter().zip(bytes(&ingress).await?) {
            expect(left == 0.0, format!("{left} bytes are left in a spool"))?;
            let metrics = instance.admin("/metrics").await?;
            for name in ["spooled_total", "spool_drained_total", "spool_syncs_total", "spool_set_aside_total"]
            {
                println!("  {name} {}", value(&metrics, &format!("naru_ingress_{name}")));
            }
        }
        let metrics = processors.admin("/metrics").await?;
        println!(
            "  late {}, records {}",
            value(&metrics, "naru_late_total"),
            value(&metrics, "naru_records_total")
        );
        Ok(())
    })
}

/// What the sender is to do, and what it waits for.
#[derive(Clone, Default)]
struct Traffic(Arc<(AtomicU8, AtomicU64)>);

/// What the sender is to do.
#[derive(Clone, Copy, PartialEq)]
enum Sending {
    On = 0,
    Paused = 1,
    Ended = 2,
}

impl Traffic {
    fn set(&self, sending: Sending) {
        self.0.0.store(sending as u8, Ordering::SeqCst);
    }

    fn is(&self, sending: Sending) -> bool {
        self.0.0.load(Ordering::SeqCst) == sending as u8
    }

    /// Webhooks without an answer yet.
    fn open(&self) -> u64 {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// Sends at the rate until told to stop, whatever the answers; the nth webhook is from person n modulo their number.
async fn send(standins: Standins, ports: [u16; 2], rate: u64, traffic: Traffic) -> Answers {
    let client = Arc::new(Client::default());
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    let mut under_way = JoinSet::new();
    let mut n = 0;
    while !traffic.is(Sending::Ended) {
        ticks.tick().await;
        traffic.0.1.fetch_add(1, Ordering::SeqCst);
        if !traffic.is(Sending::On) {
            traffic.0.1.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let person = format!("U4af4980629000000000000000000{:04x}", n % PEOPLE);
        let webhook = standins.line().compose_text(account::LINE, &person, &format!("{MARK}{n}"));
        let webhook = webhook.expect("the account is set up");
        // By turns, and not by person: the number of people is odd.
        let port = ports[usize::try_from(n % 2).expect("0 or 1")];
        let url = format!("http://127.0.0.1:{port}/webhooks/line/{}", account::LINE);
        let (client, traffic) = (Arc::clone(&client), traffic.clone());
        under_way.spawn(async move {
            let (body, signature) = webhook.signed();
            let headers = [("x-line-signature", signature.as_str())];
            let begin = Instant::now();
            let answer = client.call(Method::POST, &url, &headers, body, 5 * ANSWERED_WITHIN).await;
            traffic.0.1.fetch_sub(1, Ordering::SeqCst);
            (n, answer.ok().map(|(status, ..)| status), begin.elapsed())
        });
        n += 1;
    }
    let mut answers = under_way.join_all().await;
    answers.sort_by_key(|(n, ..)| *n);
    answers.into_iter().map(|(_, status, took)| (status, took)).collect()
}

/// Every webhook was answered 200 in time.
fn answered(answers: &Answers) -> Outcome {
    let mut by_status: BTreeMap<Option<u16>, u64> = BTreeMap::new();
    let mut took: Vec<Duration> = Vec::new();
    for (status, time) in answers {
        *by_status.entry(*status).or_default() += 1;
        took.push(*time);
    }
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_millis();
    println!("{by_status:?}; p50 {} ms, p99 {} ms, longest {} ms", at(0.5), at(0.99), at(1.0));
    expect(by_status.keys().all(|status| *status == Some(200)), format!("answers: {by_status:?}"))?;
    expect(took.last().is_some_and(|longest| *longest < ANSWERED_WITHIN), format!("longest: {} ms", at(1.0)))
}

/// Each text is there once, and those of each person rise.
fn in_order(texts: &[String], sent: usize) -> Outcome {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut seen = vec![0_u32; sent];
    let mut swapped = Vec::new();
    for text in texts {
        let number = text.strip_prefix(MARK).and_then(|number| number.parse().ok());
        let n: u64 = number.ok_or_else(|| format!("a text of somebody else: {text}"))?;
        seen[usize::try_from(n).map_err(|error| error.to_string())?] += 1;
        if let Some(before) = last.insert(n % PEOPLE, n).filter(|before| *before >= n) {
            swapped.push((before, n));
        }
    }
    let lost = seen.iter().filter(|times| **times == 0).count();
    let twice = seen.iter().filter(|times| **times > 1).count();
    println!("{lost} lost, {twice} twice, {} out of order", swapped.len());
    expect(
        lost == 0 && twice == 0 && swapped.is_empty(),
        format!("{lost} lost, {twice} twice, out of order: {:?}", &swapped[..swapped.len().min(10)]),
    )
}

/// What is in the spools.
async fn bytes(ingress: &[Running]) -> Outcome<Vec<f64>> {
    let mut all = Vec::new();
    for instance in ingress {
        all.push(value(&instance.admin("/metrics").await?, "naru_ingress_spool_bytes"));
    }
    Ok(all)
}

/// The sum of a metric over its labels.
pub(crate) fn value(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).fold(0.0, |sum, one| sum + one)
}
