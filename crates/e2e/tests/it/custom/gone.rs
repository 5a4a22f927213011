//! What the chat answers: 429 for a moment, then 410 for one person.

use std::cell::Cell;

use e2e::world::CROSSES_WITHIN;
use e2e::{Outcome, World, wait};
use platforms::custom;
use schemas::{Reason, Topic, header};
use serde_json::json;
use standins::{Fault, Kind, Received};

use super::{ACCOUNT, GONE, accepted, answer, text_of, until_posted};
use crate::expect;

const STAYS: &str = "visitor-stays";
/// `Retry-After` of the 429, in seconds: more than the first delay of the configuration's default.
const RETRY_AFTER: u64 = 3;

pub(super) async fn scene(world: &World) -> Outcome {
    let services = world.start_all().await?;
    accepted(world, &text_of(world, GONE, "goodbye")).await?;
    accepted(world, &text_of(world, STAYS, "hello")).await?;
    let gone = by_text(&world.until_at_genesys("goodbye").await?, "goodbye")?;
    let stays = by_text(&world.until_at_genesys("hello").await?, "hello")?;
    expect(gone.conversation != stays.conversation, "both people have one GUID")?;

    let (chat, clock) = (world.standins.custom(), world.standins.clock());
    let busy = Kind::Status { status: 429, retry_after: Some(RETRY_AFTER), message: None };
    chat.set_faults(vec![Fault::next(1, "/custom/", busy)]);
    answer(world, &stays, "after a while", json!({})).await?;
    let before = Cell::new(0);
    wait::until("a 429", CROSSES_WITHIN, || async {
        let now = clock.now_ms();
        let is_hit = chat.faults_hit() == 1;
        if !is_hit {
            before.set(now);
        }
        is_hit.then_some(())
    })
    .await?;
    answer(world, &gone, "nobody reads this", json!({})).await?;
    answer(world, &stays, "somebody reads this", json!({})).await?;
    let posted = until_posted(world, "somebody reads this").await?;
    let waited = posted[0].time.saturating_sub(before.get());
    expect(waited >= RETRY_AFTER * 1_000, format!("it came again after {waited} ms"))?;
    let posted: Vec<(&str, &str)> =
        posted.iter().map(|entry| (entry.person.as_str(), entry.text.as_str())).collect();
    let expected = ["after a while", "somebody reads this"].map(|text| (STAYS, text));
    expect(posted == expected, format!("at the custom channel: {posted:?}"))?;
    dead_letter(world).await?;
    let answered = chat.stats().by_status;
    expect(
        answered.iter().eq([(&200, &2), (&410, &1), (&429, &1)]),
        format!("the chat has answered {answered:?}"),
    )?;
    for service in services {
        service.stop()?;
    }
    Ok(())
}

/// The one dead letter says why, and whose it is.
async fn dead_letter(world: &World) -> Outcome {
    let letters = wait::until("a dead letter", CROSSES_WITHIN, || async {
        world.records(Topic::DEAD_LETTERS).map(|all| Some(all).filter(|all| !all.is_empty())).transpose()
    })
    .await??;
    let [letter] = letters.as_slice() else { return Err(format!("{} dead letters", letters.len())) };
    let outbox = world.topics().of(custom::DESTINATION.outbox);
    for (name, expected) in [
        (header::DEAD_REASON, Reason::Gone.code()),
        (header::DEAD_STAGE, "egress"),
        (header::DEAD_TOPIC, &outbox),
        (header::PLATFORM, "custom"),
        (header::ACCOUNT, ACCOUNT),
    ] {
        let found = letter.header(name);
        expect(found == Some(expected), format!("{name} of the dead letter is {found:?}"))?;
    }
    Ok(())
}

fn by_text(received: &[Received], text: &str) -> Outcome<Received> {
    let found = received.iter().find(|message| message.text == text);
    found.cloned().ok_or_else(|| format!("no {text:?} at genesys"))
}
