//! What must hold after an upgrade.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::records::{self, Isolation};
use e2e::{Outcome, World, wait};
use schemas::{Reason, Topic, header};
use serde_json::{Value, json};
use standins::{Received, Sent};

use super::accounts::{field, list};
use super::again::{AGENT, Person};
use super::recording::{PREFIX, Recording, json};
use crate::expect;

/// For what was on its way: doubts about calls to Genesys take ten seconds.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);

/// Messages of which something was kept, and what: by the previous version, and by this one.
const KEPT: [(&str, &str); 3] = [
    (PHONE, "๐๘๑-๒๓๔-๕๖๗๘"),
    ("590000000000000057", "4532-0151-1283-0366"),
    ("590000000000000163", "089-765-4321"),
];
/// The message of the phone number that its writer writes again in the end.
const PHONE: &str = "590000000000000054";
/// A message of a person who was forgotten, of which something had been kept.
const FORGOTTEN: &str = "590000000000000060";

/// What arrives is what `after.json` says: each once, under the same ids, in each person's order. Gives how many
/// messages are at Genesys and LINE then.
pub(super) async fn goes_on_as_recorded(world: &World, received: &Value) -> Outcome<[usize; 2]> {
    let after: Value = json("after.json")?;
    let (genesys, line) = (world.standins.genesys().received(), world.standins.line().received());
    let before = [list(received, "genesys").len(), list(received, "line").len()];
    let expected = [list(&after, "genesys").len(), list(&after, "line").len()];
    arrive(world, before, expected).await?;
    let attributes: BTreeMap<&str, &Value> = list(received, "genesys")
        .iter()
        .map(|message| (field(message, "integration"), &message["attributes"]))
        .collect();
    let recorded = list(&after, "genesys").iter().map(|message| {
        let mut message = message.clone();
        message["attributes"] = json!(attributes.get(field(&message, "integration")));
        message
    });
    let arrived = genesys.after(before[0]).into_iter().map(|message| {
        let Received { conversation, integration, message_id, metadata, text, attributes, .. } = message;
        json!({"guid": conversation, "integration": integration, "message_id": message_id, "metadata": metadata,
            "text": text, "attributes": attributes})
    });
    same(&of_each(recorded, "guid"), &of_each(arrived, "guid"))?;
    let arrived = line.after(before[1]).into_iter().map(|message| {
        let Sent { account, part, retry_key, text, user, .. } = message;
        json!({"account": account, "part": part, "retry_key": retry_key, "text": text, "user": user})
    });
    same(&of_each(list(&after, "line").iter().cloned(), "user"), &of_each(arrived, "user"))?;
    let had_arrived = |call: &&Value| call["destination"] == "line" && call["has_arrived"] == true;
    let repeated = list(received, "in_flight").iter().filter(had_arrived).count() as u64;
    let found = world.standins.line().stats().repeated_keys;
    expect(found == repeated, format!("{found} retry keys of {repeated} were known at LINE"))?;
    Ok([before[0] + expected[0], before[1] + expected[1]])
}

/// Waits until so many messages are at Genesys and LINE beyond those of before.
async fn arrive(world: &World, before: [usize; 2], more: [usize; 2]) -> Outcome {
    let arrived = || [world.standins.genesys().received().len(), world.standins.line().received().len()];
    let all = [before[0] + more[0], before[1] + more[1]];
    wait::until("all messages", ARRIVES_WITHIN, || async {
        arrived().iter().zip(&all).all(|(arrived, all)| arrived >= all).then_some(())
    })
    .await
    .map_err(|error| format!("{error}: {:?} of {all:?} at genesys and line, {before:?} before", arrived()))
}

/// Messages of each person, in order.
fn of_each(messages: impl Iterator<Item = Value>, person: &str) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    messages.for_each(|message| all.entry(field(&message, person).to_owned()).or_default().push(message));
    all
}

fn same(recorded: &BTreeMap<String, Vec<Value>>, arrived: &BTreeMap<String, Vec<Value>>) -> Outcome {
    let mut people = recorded.keys().chain(arrived.keys());
    let other = people.find(|person| recorded.get(*person) != arrived.get(*person));
    other.map_or(Ok(()), |person| {
        let list = |all: &BTreeMap<String, Vec<Value>>| json!(all.get(person)).to_string();
        Err(format!("{person}: recorded is {}\narrived is {}", list(recorded), list(arrived)))
    })
}

/// The token of what was kept of a message, with the message's person.
fn kept(world: &World, message: &str) -> Outcome<(String, String)> {
    let all = world.standins.genesys().received().after(0);
    let found = all.into_iter().find(|received| received.message_id.as_deref() == Some(message));
    let found = found.ok_or_else(|| format!("{message} has not arrived"))?;
    let tokens = found.metadata.get("naruTokens").and_then(Value::as_str).unwrap_or_default();
    let (_, token) = tokens.split_once(':').ok_or_else(|| format!("nothing was kept of {message}"))?;
    Ok((found.conversation, token.to_owned()))
}

/// What was kept is revealed, and of a forgotten person nothing is.
pub(super) fn vault_is_readable(world: &World) -> Outcome {
    let reveal = |message: &str| {
        let (person, token) = kept(world, message)?;
        let arguments = ["vault", "reveal", "--person", &person, "--token", &token, "--reason", "a test"];
        world.product.try_run(&arguments)
    };
    for (message, written) in KEPT {
        let (code, output) = reveal(message)?;
        expect(code == 0 && output.trim_end() == written, format!("{message}: {code}, {output}"))?;
    }
    let (code, output) = reveal(FORGOTTEN)?;
    expect(code == 4 && output.contains("forgotten"), format!("forgotten: {code}, {output}"))
}

/// Of all that was sent again nothing arrives, only the new texts behind it, under the same GUIDs. What was kept before
/// has the same token, and of the forgotten person nothing is kept.
pub(super) async fn only_the_last_arrive(
    world: &World,
    before: [usize; 2],
    people: &[Person<'_>],
) -> Outcome {
    arrive(world, before, [people.len(); 2]).await?;
    let at_genesys = world.standins.genesys().received().after(before[0]);
    let mut arrived: Vec<_> =
        at_genesys.iter().map(|m| (&*m.conversation, &*m.integration, m.text.clone())).collect();
    let mut expected: Vec<_> =
        people.iter().map(|p| (&*p.guid, &*p.account.integration, p.last_text())).collect();
    arrived.sort_unstable();
    expected.sort_unstable();
    expect(arrived == expected, format!("at genesys, sent again: {arrived:?}"))?;
    let at_line = world.standins.line().received().after(before[1]);
    let mut arrived: Vec<_> = at_line.iter().map(|m| (&*m.user, &*m.account, &*m.text)).collect();
    let mut expected: Vec<_> = people.iter().map(|p| (&*p.address, &*p.account.line, AGENT)).collect();
    arrived.sort_unstable();
    expected.sort_unstable();
    expect(arrived == expected, format!("at line, sent again: {arrived:?}"))?;

    let ((known, token), (forgotten, _)) = (kept(world, PHONE)?, kept(world, FORGOTTEN)?);
    at_genesys.iter().try_for_each(|message| {
        let tokens = message.metadata.get("naruTokens").and_then(Value::as_str).unwrap_or_default();
        let is_right = match &message.conversation {
            person if *person == known => tokens == format!("phone:{token}"),
            person if *person == forgotten => tokens.is_empty(),
            _ => tokens.starts_with("phone:"),
        };
        expect(is_right, format!("{}: tokens are {tokens:?}", message.conversation))
    })
}

/// The one message that the processors could not read is one again, at its new place; nothing else is.
pub(super) fn one_more_dead_letter(world: &World, recording: &Recording) -> Outcome {
    let recorded = recording.topic(Topic::DEAD_LETTERS.name())?;
    let topic = format!("{PREFIX}{}", Topic::DEAD_LETTERS.name());
    let all = records::read(world.brokers(), &topic, Isolation::ReadCommitted)?;
    let new = all.iter().filter(|record| {
        let end = usize::try_from(record.partition).ok().and_then(|partition| recorded.ends.get(partition));
        end.is_none_or(|end| record.offset >= end.end)
    });
    let reasons: Vec<_> = new.map(|record| record.header(header::DEAD_REASON).unwrap_or_default()).collect();
    expect(reasons == [Reason::MissingField.code()], format!("new dead letters: {reasons:?}"))
}
