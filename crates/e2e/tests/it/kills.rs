//! Processors that are killed, and that share their partitions anew, under load: nothing is lost, nothing comes twice,
//! and the order holds.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::harness::Stage;
use e2e::process::account;
use e2e::{Outcome, Service, World, wait};
use standins::{Account, AgentMessage, DriveSettings, PlanSettings, arrivals, audit, drive, plan, user_id};

use crate::{expect, play};

const PLAN: PlanSettings = PlanSettings {
    seed: 20_000,
    messages: 20_000,
    people: 200,
    // What two busy cores carry beside a JVM, in a debug build.
    rate: 400.0,
    answers: 0.4,
    redelivered: 0.05,
    swapped: 0.05,
    batched: 0.1,
    first_answer_ms: 4_000,
};
/// The processors are killed when so many messages have arrived.
const KILLED_AT: [usize; 3] = [2_000, 7_000, 13_000];
/// How often a second instance joins and leaves.
const REBALANCES: usize = 10;
/// The hold of both sources, ms: the configuration's default.
const HOLD_MS: u64 = 2_000;
/// From one kill to the next, at this rate and on a busy machine.
const ARRIVES_WITHIN: Duration = Duration::from_secs(120);
const IN_FLIGHT: usize = 128;

/// 20,000 messages in both directions while the processors are killed with SIGKILL and started again.
pub(crate) fn nothing_lost(stage: &mut Stage) -> Outcome {
    play(stage, "kills", async |_stage, world| carry(world, &PLAN, kill_and_restart(world)).await)
}

/// 12,000 messages in both directions while a second instance joins and leaves ten times.
pub(crate) fn shared_anew_ten_times(stage: &mut Stage) -> Outcome {
    let plan = PlanSettings { seed: 12_000, messages: 12_000, rate: 300.0, ..PLAN };
    play(stage, "rebalances", async |_stage, world| carry(world, &plan, join_and_leave(world)).await)
}

/// Carries a plan through while the processors are disturbed, and audits what arrived. `disturbed` gives what runs on.
async fn carry<T>(
    world: &World,
    plan_settings: &PlanSettings,
    disturbed: impl Future<Output = Outcome<T>>,
) -> Outcome {
    let _ingress = world.product.start(Service::Ingress, "ingress").await?;
    let _egress = world.product.start(Service::Egress, "egress").await?;
    let sends = plan(plan_settings);
    let settings =
        DriveSettings { seed: plan_settings.seed, in_flight: IN_FLIGHT, known_within: ARRIVES_WITHIN };
    let (report, disturbed) = tokio::join!(drive(&world.standins, &sends, settings), disturbed);
    let _processors = disturbed?;
    expect(report.never_sent.is_empty(), format!("{} answers had nobody", report.never_sent.len()))?;
    fence(world, plan_settings).await?;

    let result = audit(&report.messages, &arrivals(&world.standins), HOLD_MS);
    let accepted = result.inbound.accepted + result.outbound.accepted;
    expect(result.is_clean(), format!("{}\n{}", told(&result.inbound), told(&result.outbound)))?;
    expect(
        accepted == plan_settings.messages as usize,
        format!("only {accepted} were accepted: {:?}", report.tries),
    )
}

/// An account in one line: a failed run may have thousands of messages to name.
fn told(account: &Account) -> String {
    let first = |list: &[u32]| list.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let Account { sent, accepted, arrived, lost, twice, out_of_order, misdirected, unknown, .. } = account;
    format!(
        "{sent} sent, {accepted} accepted, {arrived} arrived, {} lost ({}), {} twice ({}), {} out of order, {} at \
         somebody else, {unknown} never sent",
        lost.len(),
        first(lost),
        twice.len(),
        first(twice),
        out_of_order.len(),
        misdirected.len()
    )
}

/// Kills at each mark and starts the same instance again; gives the one that is left.
async fn kill_and_restart(world: &World) -> Outcome<e2e::Running> {
    let mut running = world.product.start(Service::Processors, "processors").await?;
    for mark in KILLED_AT {
        let what = format!("{mark} messages to arrive");
        wait::until(&what, ARRIVES_WITHIN, || async { (arrived(world) >= mark).then_some(()) }).await?;
        running.kill9()?;
        running = world.product.start(Service::Processors, "processors").await?;
    }
    Ok(running)
}

/// Lets a second instance join the group and leave it, ten times; gives the first.
async fn join_and_leave(world: &World) -> Outcome<e2e::Running> {
    let running = world.product.start(Service::Processors, "processors").await?;
    wait::until("the load to begin", ARRIVES_WITHIN, || async { (arrived(world) >= 500).then_some(()) })
        .await?;
    for _ in 0..REBALANCES {
        world.product.start(Service::Processors, "second").await?.stop()?;
    }
    Ok(running)
}

fn arrived(world: &World) -> usize {
    world.standins.genesys().received().len() + world.standins.line().received().len()
}

/// One more message of every person, and one more answer to each: order holds in a conversation, so when these are
/// there, whatever was still to come has come, a second copy too.
async fn fence(world: &World, plan: &PlanSettings) -> Outcome {
    let (genesys, line) = (world.standins.genesys(), world.standins.line());
    let before = (genesys.received().len(), line.received().len());
    let people: BTreeSet<String> = (0..plan.people).map(|person| user_id(plan.seed, person)).collect();
    for person in &people {
        world.accepted(&world.text_of(person, "fence")).await?;
    }
    let guids = wait::until("a last message of everybody", ARRIVES_WITHIN, || async {
        let fences = genesys.received().after(0).into_iter().filter(|message| message.text == "fence");
        let guids: BTreeSet<String> = fences.map(|message| message.conversation).collect();
        (guids.len() == people.len()).then_some(guids)
    })
    .await
    .map_err(|error| format!("{error}; arrived before it: {before:?}"))?;
    for guid in guids {
        let (integration, text) = (account::INTEGRATION.to_owned(), "fence".to_owned());
        let answer = genesys.compose(&AgentMessage { integration, to: guid, text, time_ms: None });
        let delivery = genesys.deliver(&answer.map_err(|error| format!("{error:?}"))?).await;
        expect(delivery.accepted_ms().is_some(), format!("{:?}", delivery.attempts))?;
    }
    wait::until("a last answer to everybody", ARRIVES_WITHIN, || async {
        let fences = line.received().after(0).into_iter().filter(|message| message.text == "fence");
        let users: BTreeSet<String> = fences.map(|message| message.user).collect();
        (users == people).then_some(())
    })
    .await
}
