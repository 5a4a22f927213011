//! Everything that the platforms had sent, sent again: through this version's ingress, to topics of another prefix, and
//! from there into the recorded topics at the recording's own time. So no event is too old whenever the test runs.

use std::collections::BTreeMap;

use bytes::Bytes;
use e2e::records::{self, Isolation, Record};
use e2e::{Outcome, Service, World};
use hyper::Method;
use keys::KeyRing;
use platforms::{genesys, line};
use schemas::header;
use serde_json::{Value, json};
use standins::{AgentMessage, Client, redelivered, sign, text_event};

use super::accounts::{ANSWER, Account, field, list};
use super::recording::{PREFIX, RecordedRecord, Recording, text};
use super::writer;
use crate::expect;

/// Stands before the names of the topics that ingress writes.
const AGAIN: &str = "naru-again.";
/// A new text of everybody, behind the old ones, and what Genesys gets of it.
const CUSTOMER: &str = "the last one, 081-234-5678";
const MASKED: &str = "the last one, ***-****-5678";
/// A new text of an agent to everybody.
pub(super) const AGENT: &str = "goodbye";

/// The name of a recorded topic with ingress's prefix.
pub(super) fn name(recorded: &str) -> String {
    recorded.replacen(PREFIX, AGAIN, 1)
}

/// A person or group that has written.
pub(super) struct Person<'a> {
    pub(super) account: &'a Account,
    pub(super) address: String,
    pub(super) guid: String,
}

impl Person<'_> {
    fn is_group(&self) -> bool {
        self.address.starts_with('C')
    }

    /// Their new text as Genesys gets it: a member of a group that LINE does not name has no tag.
    pub(super) fn last_text(&self) -> String {
        if self.is_group() { format!("[member] {MASKED}") } else { MASKED.to_owned() }
    }
}

/// Everybody who has written.
pub(super) fn people<'a>(accounts: &'a [Account], accepted: &Value) -> Outcome<Vec<Person<'a>>> {
    let guids: BTreeMap<_, _> = list(accepted, "webhooks")
        .iter()
        .map(|event| ((field(event, "account"), field(event, "address")), field(event, "guid")))
        .collect();
    let person = |((account, address), guid): ((&str, &str), &str)| {
        let account = accounts.iter().find(|known| known.line == account).ok_or("an unknown account")?;
        Ok(Person { account, address: address.to_owned(), guid: guid.to_owned() })
    };
    guids.into_iter().map(person).collect()
}

/// Sends everything again, and behind it a new text of everybody and to everybody.
pub(super) async fn send(world: &World, recording: &Recording, people: &[Person<'_>]) -> Outcome {
    let ring = KeyRing::parse(&text("keys.toml")?).map_err(|error| error.to_string())?;
    let prefix = [("NARU_KAFKA__TOPIC_PREFIX", AGAIN)];
    let mut ingress = world.product.launch_with(Service::Ingress, "ingress", &prefix)?;
    ingress.wait_until_ready().await?;
    let end = recording.end();
    let from_line = recording.topic(line::SOURCE.webhooks.name())?;
    for record in &from_line.records {
        let event: Value = serde_json::from_slice(&opened(record, &ring)?).map_err(|e| e.to_string())?;
        write(world, record.header(header::ACCOUNT), redelivered(&event)).await?;
    }
    let from_genesys = recording.topic(genesys::SOURCE.webhooks.name())?;
    for record in &from_genesys.records {
        let account = people.iter().map(|person| person.account);
        let account = account.into_iter().find(|known| known.integration == record.header(header::ACCOUNT));
        let account = account.ok_or("an integration that is not configured")?;
        answer(world, account, Bytes::from(opened(record, &ring)?)).await?;
    }
    for (person, n) in people.iter().zip(1..) {
        let mut event = text_event("", CUSTOMER, end.cast_unsigned(), &format!("last-{n}"), &format!("{n}"));
        let (kind, id) = if person.is_group() { ("group", "groupId") } else { ("user", "userId") };
        event["source"] = json!({"type": kind, id: person.address});
        write(world, &person.account.line, event).await?;
        let message = AgentMessage {
            integration: person.account.integration.clone(),
            to: person.guid.clone(),
            text: AGENT.to_owned(),
            time_ms: Some(end.cast_unsigned()),
        };
        let message = world.standins.genesys().compose(&message);
        let message = message.map_err(|_| format!("{} has no conversation", person.guid))?;
        expect(
            world.standins.genesys().deliver(&message).await.accepted_ms().is_some(),
            "a webhook is refused",
        )?;
    }
    ingress.stop()?;
    carry_over(world, line::SOURCE.webhooks.name(), from_line.records.len() + people.len(), end)?;
    carry_over(world, genesys::SOURCE.webhooks.name(), from_genesys.records.len() + people.len(), end)
}

/// A recorded event as it came.
fn opened(record: &RecordedRecord, ring: &KeyRing) -> Outcome<Vec<u8>> {
    let (key, value) =
        (record.key.as_deref().unwrap_or_default(), record.value.as_deref().unwrap_or_default());
    ring.open(record.header(header::KEY), key.as_bytes(), value).map_err(|error| error.to_string())
}

/// Sends an event of LINE's.
async fn write(world: &World, account: &str, event: Value) -> Outcome {
    let webhook = world.standins.line().compose(account, vec![event]);
    world.accepted(&webhook.ok_or("an account that is not configured")?).await
}

/// Sends a webhook of Genesys's.
async fn answer(world: &World, account: &Account, body: Bytes) -> Outcome {
    let url = format!("{}/webhooks/genesys/{}", world.product.ingress(), account.integration);
    let signature = sign::genesys(&account.webhook_secret, &body);
    let headers = [("content-type", "application/json"), (sign::GENESYS_SIGNATURE, signature.as_str())];
    let answer = Client::default().call(Method::POST, &url, &headers, body, ANSWER).await;
    let (status, ..) = answer.map_err(|error| format!("{error:?}"))?;
    expect(status == 200, format!("a webhook of Genesys's is answered {status}"))
}

/// Copies what ingress has written to a recorded topic, to the same partitions, as if it had come at `time`.
fn carry_over(world: &World, topic: &str, expected: usize, time: i64) -> Outcome {
    let found = records::read(world.brokers(), &format!("{AGAIN}{topic}"), Isolation::ReadCommitted)?;
    expect(found.len() == expected, format!("{topic}: {} records of {expected} events", found.len()))?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| error.to_string());
    let copy = |record: Record| {
        let Record { partition, offset, key, value, headers, .. } = record;
        let headers = headers.into_iter().map(|(name, value)| Ok((name, text(value)?)));
        let headers = headers.collect::<Outcome<_>>()?;
        let (key, value) = (Some(text(key)?), Some(value));
        Ok(RecordedRecord { partition, offset, timestamp: time, key, headers, value })
    };
    let copies: Vec<_> = found.into_iter().map(copy).collect::<Outcome<_>>()?;
    writer::append(world.brokers(), &format!("{PREFIX}{topic}"), &copies)
}
