//! The processors with everything on, beside a bare consume → produce of the same records on the same broker.

use std::time::{Duration, Instant};

use e2e::broker::Source;
use e2e::process::Settings;
use e2e::{Broker, Outcome, Product, Running, Service, figures, role};
use platforms::{genesys, line};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use schemas::{Codec, Framing, Outbox, TopicNames};

use crate::records::{self, Counter};
use crate::{bare, block_on, engine, meter, say};

/// CPU of a message, in µs: what we aim at, and what is too much.
const AIM_MICROS: f64 = 5.0;
const WORST_MICROS: f64 = 8.0;
/// Share of the bare rate that we aim at.
const AIM_RATIO: f64 = 0.4;
/// 99th percentile of the latency beyond the hold that we aim at, in ms.
const AIM_P99_MS: u64 = 150;
/// How often each is measured, in turn.
const ROUNDS: usize = 3;
const GUARANTEES: [&str; 2] = ["exactly_once", "at_least_once"];
/// The hold, in ms.
const HOLD_MS: i64 = 2_000;
/// How far back in time the first record stands, in ms.
const HISTORY_MS: i64 = 3_600_000;
/// Records at the end that wait for the clock to pass their hold; they are not measured.
const TAIL: u64 = 5_000;
/// How long the latency is measured, and how long the same load runs before: a broker's JVM that has just started
/// compiles itself for some seconds.
const LATENCY_RUN: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(10);
/// Its load, at most, in messages a second: the load generator shares the machine.
const LATENCY_RATE: f64 = 20_000.0;

/// Runs all of it; whether nothing was too much.
pub(crate) fn run(records: u64) -> Outcome<bool> {
    let broker = Broker::start(&Source::find()?)?;
    let brokers = broker.bootstrap().to_owned();
    let start = runtime::clock::now_ms() - HISTORY_MS;

    block_on(records::make_topics(&brokers, &["bench.raw", "bench.warm"]))?;
    records::fill(&brokers, "bench.raw", records, start)?;
    // The first run is not counted: a broker's JVM that has just started compiles itself.
    bare::run(&brokers, "bench.raw", "bench.warm", records)?;
    say(&format!(
        "{records} LINE events of {} bytes, {} partitions, {ROUNDS} rounds",
        records::line(0, start).value.len(),
        records::PARTITIONS
    ));

    let mut bare_runs = Vec::new();
    let mut runs: [Vec<Throughput>; GUARANTEES.len()] = Default::default();
    for round in 1..=ROUNDS {
        let copy = format!("bench.copy.{round}");
        block_on(records::make_topics(&brokers, &[&copy]))?;
        let (took, cpu) = bare::run(&brokers, "bench.raw", &copy, records)?;
        let bare = Throughput::of(records, took, cpu);
        let mut line = format!("round {round}: bare {bare}");
        bare_runs.push(bare);
        for (guarantee, runs) in GUARANTEES.into_iter().zip(&mut runs) {
            let run = Bench::new(&brokers, guarantee)?.throughput(records, start)?;
            line += &format!("; {guarantee} {run}");
            runs.push(run);
        }
        say(&line);
    }

    // The machine is shared and its speed comes and goes: what counts is the middle one of the rounds.
    let base = middle(&bare_runs, |run| run.rate);
    let base_micros = middle(&bare_runs, |run| run.micros);
    say(&format!("bare consume → produce      {base:>9.0} messages/s  {base_micros:>5.2} µs CPU"));
    let mut good = true;
    let mut fastest = 0.0_f64;
    let mut costs = Vec::new();
    for (guarantee, runs) in GUARANTEES.into_iter().zip(&runs) {
        let (rate, micros) = (middle(runs, |run| run.rate), middle(runs, |run| run.micros));
        let ratio = rate / base;
        say(&format!(
            "processors, {guarantee:<15} {rate:>9.0} messages/s  {micros:>5.2} µs CPU  (aim ≤ {AIM_MICROS}, at most {WORST_MICROS})  ratio {ratio:.2} (aim ≥ {AIM_RATIO}); {}",
            runs[0].commits
        ));
        good &= micros <= WORST_MICROS;
        fastest = fastest.max(rate);
        costs.push(micros);
    }
    let engine = engine::run(start);
    say(&format!(
        "the rest is the Kafka client, reading, writing and committing: {:.2} µs exactly once, {:.2} µs at least once",
        costs[0] - engine,
        costs[1] - engine
    ));
    Bench::new(&brokers, GUARANTEES[0])?.latency((fastest / 2.0).min(LATENCY_RATE))?;
    Ok(good)
}

/// The middle one of what the runs tell.
fn middle(runs: &[Throughput], of: impl Fn(&Throughput) -> f64) -> f64 {
    let mut all: Vec<f64> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// What a full topic tells: messages a second, µs of CPU a message, and how its commits went.
struct Throughput {
    rate: f64,
    micros: f64,
    commits: String,
}

impl Throughput {
    fn of(messages: u64, took: Duration, cpu: Duration) -> Self {
        Self {
            rate: meter::rate(messages, took),
            micros: meter::micros(cpu, messages),
            commits: String::new(),
        }
    }
}

impl std::fmt::Display for Throughput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} µs at {:.0}/s", self.micros, self.rate)
    }
}

/// How many commits there were and how long one took, out of the product's own metrics.
fn commits(metrics: &str) -> String {
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let (sum, count) = (value("naru_commit_seconds_sum"), value("naru_commit_seconds_count"));
    format!("{count} commits of {:.0} ms", sum * 1e3 / count.max(1.0))
}

/// A product of its own for one measurement.
struct Bench {
    product: Product,
    brokers: String,
    names: TopicNames,
    guarantee: &'static str,
    _link: tempfile::TempDir,
}

impl Bench {
    fn new(brokers: &str, guarantee: &'static str) -> Outcome<Self> {
        let link = tempfile::tempdir().map_err(|error| error.to_string())?;
        let binary = role::product_in(link.path())?;
        let prefix = format!("bench.{guarantee}.{}.", runtime::clock::now_ms());
        let settings = Settings {
            brokers: brokers.to_owned(),
            prefix: prefix.clone(),
            partitions: records::PARTITIONS,
            platforms: "http://127.0.0.1:1".to_owned(),
            calls_per_minute: 300,
            more: String::new(),
        };
        let product = Product::new(&binary.to_string_lossy(), &settings)?;
        let names = TopicNames::new(&prefix);
        Ok(Self { product, brokers: brokers.to_owned(), names, guarantee, _link: link })
    }

    fn start(&self) -> Outcome<Running> {
        let overrides = [("NARU_PROCESSORS__GUARANTEE", self.guarantee), ("NARU_PROCESSORS__THREADS", "1")];
        let mut running = self.product.launch_with(Service::Processors, "bench", &overrides)?;
        block_on(running.wait_until_ready())?;
        Ok(running)
    }

    /// Over a full topic.
    fn throughput(&self, records: u64, start: i64) -> Outcome<Throughput> {
        let raw = self.names.of(line::SOURCE.webhooks);
        block_on(records::make_topics(&self.brokers, &[&raw]))?;
        // It says that this one topic takes the producers' times: that is what makes the past replayable here.
        let _ = self.product.run(&["topics", "create"]);
        records::fill(&self.brokers, &raw, records, start)?;
        let counter = Counter::new(&self.brokers)?;
        let outbox = self.names.of(genesys::DESTINATION.outbox);
        let running = self.start()?;
        let measure = || -> Outcome<(Instant, Duration, u64)> {
            Ok((Instant::now(), meter::cpu(running.pid())?, counter.written(&outbox)?))
        };
        let (begun, cpu_before, at_begin) = measure()?;
        let deadline = begun + Duration::from_secs(300);
        loop {
            let (now, cpu, written) = measure()?;
            if written + TAIL >= records {
                let done = written - at_begin;
                let commits = commits(&block_on(running.admin("/metrics"))?);
                running.stop()?;
                return Ok(Throughput { commits, ..Throughput::of(done, now - begun, cpu - cpu_before) });
            }
            if now > deadline {
                return Err(format!(
                    "after 300 s only {written} of {records} are through\n{}",
                    self.product.logs()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is added beyond the hold, at a steady rate.
    fn latency(&self, rate: f64) -> Outcome {
        self.product.run(&["topics", "create"])?;
        let running = self.start()?;
        let raw = self.names.of(line::SOURCE.webhooks);
        let outbox = self.names.of(genesys::DESTINATION.outbox);
        let brokers = self.brokers.clone();
        let from = runtime::clock::now_ms() + i64::try_from(WARM_UP.as_millis()).expect("seconds");
        let reader = std::thread::spawn(move || read_latencies(&brokers, &outbox, from));
        records::pace(&self.brokers, &raw, rate, WARM_UP + LATENCY_RUN)?;
        let mut beyond = reader.join().map_err(|_| "the reader panicked")??;
        running.stop()?;
        beyond.sort_unstable();
        say(&format!(
            "latency beyond the hold at {rate:.0} messages/s: p50 {} ms, p99 {} ms (aim ≤ {AIM_P99_MS}), p99.9 {} ms, of {}",
            figures::quantile(&beyond, 0.5),
            figures::quantile(&beyond, 0.99),
            figures::quantile(&beyond, 0.999),
            beyond.len()
        ));
        Ok(())
    }
}

/// Reads the outbox until nothing comes for a while after the run: from receipt to here, less the hold, in ms, of what
/// was received after `from`.
fn read_latencies(brokers: &str, topic: &str, from: i64) -> Outcome<Vec<u64>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench-latency")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .create()
        .map_err(|error| error.to_string())?;
    consumer.subscribe(&[topic]).map_err(|error| error.to_string())?;
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    let mut beyond = Vec::new();
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_secs(8) {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.map_err(|error| error.to_string())?;
        let now = runtime::clock::now_ms();
        last = Instant::now();
        let record =
            codec.decode(message.payload().unwrap_or_default()).map_err(|error| error.to_string())?;
        if record.received >= from {
            beyond.push((now - record.received - HOLD_MS).max(0).cast_unsigned());
        }
    }
    Ok(beyond)
}
