//! Chaos on a real Kafka: the product's processes and the broker are killed and stopped under load, and an auditor that
//! shares no code with the product compares what was answered 2xx with what arrived.

mod blows;
mod dice;
mod doubles;
mod failover;
mod fleet;
mod load;
mod ownership;
mod scene;
mod senders;
mod strike;
mod trail;
mod verdict;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use e2e::broker::Source;
use e2e::{Broker, Outcome};
use standins::marked;
use tokio::time::{Instant, sleep};

use crate::blows::{Blow, timeline};
use crate::fleet::{COUNTERS, Fleet};
use crate::scene::Scene;
use crate::senders::Sent;
use crate::verdict::Verdict;

/// After the load: for what was accepted to arrive, retries and doubts included.
const ARRIVES_WITHIN: Duration = Duration::from_secs(180);
/// Nothing on its way and nothing new for so long: it is over, whatever is missing.
const QUIET: Duration = Duration::from_secs(8);

/// Keeps the logs of a good run, too.
const KEEP: &str = "NARU_TEST_KEEP";

/// Kills and stops Naru's processes and their Kafka under load, and audits what arrives.
#[derive(Debug, Parser)]
struct Cli {
    /// Messages, both directions together.
    #[arg(long, default_value_t = 20_000)]
    messages: u32,
    /// Processes to kill.
    #[arg(long, default_value_t = 4)]
    kills: usize,
    /// Times to kill the broker and start it again.
    #[arg(long, default_value_t = 1)]
    broker_restarts: usize,
    /// Length of the load in minutes; as long as the blows need where it is absent or shorter.
    #[arg(long)]
    minutes: Option<f64>,
    /// Makes the load, the blows and the faults; the same for the same seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    if e2e::role::is_product() {
        return naru::main();
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string());
    match runtime.and_then(|runtime| runtime.block_on(run(&cli))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("chaos: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the account of a run")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// One run; whether everything arrived once and in order.
async fn run(cli: &Cli) -> Outcome<bool> {
    let source = Source::find()?;
    if cli.broker_restarts > 0 && !source.can_fail() {
        return Err("this Kafka is not ours to kill: --broker-restarts 0".to_owned());
    }
    let mut broker = tokio::task::block_in_place(|| Broker::start(&source))?;
    let scene = Arc::new(Scene::new(&broker, cli.seed).await?);
    let mut fleet = Fleet::start(scene.clone()).await?;

    let length = cli.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
    let timeline = timeline(cli.seed, cli.kills, cli.broker_restarts, length);
    let length_ms = u64::try_from(timeline.length.as_millis()).unwrap_or(u64::MAX);
    let load = Arc::new(load::load(cli.seed, cli.messages, length_ms));
    let pauses = timeline.blows.iter().filter(|(_, blow)| matches!(blow, Blow::Pause { .. })).count();
    say(&format!(
        "seed {}: {} messages of {} people in {:.0} s ({:.0}/s), {} kills, {pauses} pauses, {} broker restarts",
        cli.seed,
        cli.messages,
        load.people,
        timeline.length.as_secs_f64(),
        f64::from(cli.messages) / timeline.length.as_secs_f64(),
        cli.kills,
        cli.broker_restarts
    ));
    let sender = tokio::spawn({
        let (scene, load, seed, ingress) = (scene.clone(), load.clone(), cli.seed, fleet.ingress());
        async move { senders::send(&scene, &load, seed, ingress).await }
    });
    let struck = strike::strike(&mut fleet, &mut broker, &timeline, || sender.is_finished()).await?;
    let sent = sender.await.map_err(|error| error.to_string())?;
    scene.heal();
    let waited = settle(&scene, &mut fleet, &sent).await?;

    let verdict = Verdict::new(&scene, &sent, &struck, cli.seed);
    say("");
    verdict.lines().iter().for_each(|line| say(line));
    for counter in COUNTERS {
        say(&format!("{counter} {}", fleet.counted(counter)));
    }
    let brokers = scene.brokers.clone();
    let dead = tokio::task::block_in_place(|| trail::dead_letters(&brokers, &scene.topics))?;
    say(&format!("dead letters: {dead:?}"));
    say(&format!("after the load everything was quiet within {waited:?}"));
    let wrong = verdict.wrong();
    if !wrong.is_empty() {
        let lines = tokio::task::block_in_place(|| trail::trail(&brokers, &scene.topics, &wrong))?;
        lines.iter().for_each(|line| say(line));
    }
    let good = verdict.is_good();
    for remark in fleet.stop() {
        say(&format!("remark: {remark}"));
    }
    if (!good || e2e::switch(KEEP).is_some())
        && let Ok(mut scene) = Arc::try_unwrap(scene)
    {
        say(&format!("logs are in {}", scene.product.keep()));
    }
    say(if good { "good: nothing lost, nothing twice, nothing out of order" } else { "NOT GOOD" });
    Ok(good)
}

/// Waits until all instances run, nothing is on its way and nothing new arrives.
async fn settle(scene: &Scene, fleet: &mut Fleet, sent: &Sent) -> Outcome<Duration> {
    let start = Instant::now();
    let accepted: BTreeSet<u32> =
        sent.messages.iter().filter(|message| message.accepted_ms.is_some()).map(|m| m.message).collect();
    let mut quiet_since = None;
    let mut arrived = 0;
    while start.elapsed() < ARRIVES_WITHIN {
        fleet.tend()?;
        let on_its_way = fleet.look().await;
        let now = scene.standins.genesys().received().len() + scene.standins.line().received().len();
        let is_quiet = fleet.all_up() && on_its_way == Some(0.0) && now == arrived;
        arrived = now;
        if !is_quiet {
            quiet_since = None;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() >= QUIET {
            return Ok(start.elapsed());
        }
        sleep(Duration::from_millis(500)).await;
    }
    let genesys = scene.standins.genesys().received().after(0);
    let line = scene.standins.line().received().after(0);
    let texts = genesys.iter().map(|entry| &entry.text).chain(line.iter().map(|entry| &entry.text));
    let there: BTreeSet<u32> = texts.filter_map(|text| marked(text)).collect();
    let missing = accepted.difference(&there).count();
    say(&format!(
        "something was still on its way after {ARRIVES_WITHIN:?}; {missing} accepted messages are missing"
    ));
    fleet.busy().iter().for_each(|line| say(line));
    Ok(start.elapsed())
}
