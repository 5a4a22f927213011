//! Both channels under load while the processors and egress are killed: nothing is lost, nothing comes twice, and the
//! order holds.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Outcome, Running, Service, World, wait};
use serde_json::json;
use standins::{DriveSettings, Fault, Kind, PlanSettings, Report, arrivals, audit, drive, plan, settled};

use super::{accepted, answer, text_of};
use crate::expect;

const PLAN: PlanSettings = PlanSettings {
    seed: 64,
    messages: 64,
    people: 6,
    rate: 8.0,
    answers: 0.6,
    redelivered: 0.1,
    swapped: 0.1,
    batched: 0.1,
    first_answer_ms: 2_000,
};
/// The hold of all sources, ms: the configuration's default.
const HOLD_MS: u64 = 2_000;
/// The chat's first answer waits for so long, ms: until egress is no more.
const UNANSWERED_MS: u64 = 30_000;
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);
/// The end of a call to Genesys that was under way at a kill is waited for no longer than that.
const SHORT_CALLS: [(&str, &str); 1] = [("NARU_EGRESS__CALL_TIMEOUT", "3s")];

pub(super) async fn scene(world: &World) -> Outcome {
    let mut services = [
        world.product.launch(Service::Ingress, "ingress")?,
        world.product.launch(Service::Processors, "processors")?,
        world.product.launch_with(Service::Egress, "egress", &SHORT_CALLS)?,
    ];
    for service in &mut services {
        service.wait_until_ready().await?;
    }
    let kind = Kind::DelayAfterMs { ms: UNANSWERED_MS };
    world.standins.custom().set_faults(vec![Fault::next(1, "/custom/", kind)]);
    let sends = plan(&PLAN);
    let settings = DriveSettings { seed: PLAN.seed, in_flight: 32, known_within: ARRIVES_WITHIN };
    let (report, killed) = tokio::join!(drive(&world.standins, &sends, settings), kill(world, services));
    let services = killed?;
    expect(report.never_sent.is_empty(), format!("{} answers had nobody", report.never_sent.len()))?;
    // What is lost is counted below.
    settled(&world.standins, &report.messages, ARRIVES_WITHIN).await;
    fence(world, &report).await?;

    let result = audit(&report.messages, &arrivals(&world.standins), HOLD_MS);
    expect(result.is_clean(), format!("{result:?}"))?;
    let accepted = result.inbound.accepted + result.outbound.accepted;
    expect(accepted == PLAN.messages as usize, format!("only {accepted} were accepted: {:?}", report.tries))?;
    let repeated = world.standins.custom().stats().repeated;
    expect(repeated > 0, "the chat was not asked again with the same webhook-id")?;
    for service in services {
        service.stop()?;
    }
    Ok(())
}

/// Kills the processors and egress in the middle, while the chat has a message that it has not yet answered, and starts
/// the same instances again.
async fn kill(world: &World, services: [Running; 3]) -> Outcome<[Running; 3]> {
    let [ingress, processors, egress] = services;
    let chat = world.standins.custom().received();
    wait::until("a message in the chat", ARRIVES_WITHIN, || async { (!chat.is_empty()).then_some(()) })
        .await?;
    egress.kill9()?;
    processors.kill9()?;
    let mut processors = world.product.launch(Service::Processors, "processors")?;
    let mut egress = world.product.launch_with(Service::Egress, "egress", &SHORT_CALLS)?;
    processors.wait_until_ready().await?;
    egress.wait_until_ready().await?;
    Ok([ingress, processors, egress])
}

/// One more message of every person, and one more answer to each: order holds in a conversation, so when these are
/// there, whatever was still to come has come, a second copy too.
async fn fence(world: &World, report: &Report) -> Outcome {
    let people: BTreeSet<&str> = report.messages.iter().map(|message| message.person.as_str()).collect();
    let on_line = people.iter().filter(|person| !person.contains('/')).count();
    expect((people.len(), on_line) == (6, 3), format!("the people are {people:?}"))?;
    for person in &people {
        match person.split_once('/') {
            Some((_, visitor)) => accepted(world, &text_of(world, visitor, "fence")).await?,
            None => world.accepted(&world.text_of(person, "fence")).await?,
        }
    }
    let genesys = world.standins.genesys().received();
    let fences = wait::until("a last message of everybody", ARRIVES_WITHIN, || async {
        let mut fences = genesys.after(0);
        fences.retain(|message| message.text == "fence");
        (fences.len() >= people.len()).then_some(fences)
    })
    .await?;
    for message in &fences {
        answer(world, message, "fence", json!({})).await?;
    }
    let (line, chat) = (world.standins.line().received(), world.standins.custom().received());
    wait::until("a last answer to everybody", ARRIVES_WITHIN, || async {
        let pushed = line.after(0).into_iter().filter(|push| push.text == "fence").count();
        let posted = chat.after(0).into_iter().filter(|post| post.text == "fence").count();
        (pushed + posted >= people.len()).then_some(())
    })
    .await
}
