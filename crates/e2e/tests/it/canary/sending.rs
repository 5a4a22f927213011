//! Webhooks of many messages, and with each something that becomes a dead letter.

use std::ops::Range;
use std::time::Duration;

use e2e::process::account;
use e2e::{Outcome, World};
use hyper::Method;
use serde_json::{Value, json};
use standins::{Client, sign, text_event};

use super::MESSAGES;
use super::texts::{BETWEEN, Text};
use crate::expect;

/// Messages of a webhook.
pub(super) const EVENTS: usize = 50;
const CUSTOMERS: usize = 500;
/// Further back than the dedupe set can vouch for, in ms.
const LONG_AGO: u64 = 40 * 24 * 60 * 60 * 1000;
/// LINE's limit for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Sends some of the messages. The texts of the dead letters stand behind them, one for each webhook.
pub(super) async fn send(world: &World, texts: &[Text], messages: Range<usize>) -> Outcome {
    let event = |n: usize| {
        let now = runtime::clock::now_ms().cast_unsigned();
        let user = format!("U{:032x}", n % CUSTOMERS);
        text_event(&user, &texts[n].text, now, &format!("01CANARY{n:018}"), &format!("6{n:017}"))
    };
    let message = |n: usize| {
        let mut event = event(n);
        event["message"][format!("said{n}")] = unknown(&texts[n].text, n);
        event
    };
    for first in messages.step_by(EVENTS) {
        let webhook = first / EVENTS;
        let mut events: Vec<Value> = (first..first + EVENTS).map(message).collect();
        match spoilt(event(MESSAGES + webhook), webhook) {
            Some(event) => events.push(event),
            None => post_broken(world, &texts[MESSAGES + webhook].text).await?,
        }
        let webhook = world.standins.line().compose(account::LINE, events);
        world.accepted(&webhook.ok_or("the account is set up")?).await?;
    }
    Ok(())
}

/// What the platform might add some day: all that the text says. What is told of it is cut, so another of its numbers
/// comes first each time.
fn unknown(text: &str, n: usize) -> Value {
    let mut said: Vec<&str> = text.split(BETWEEN).collect();
    let first = n % said.len();
    said.rotate_left(first);
    json!({ "said": said })
}

/// An event of which a dead letter becomes, each time in another way; none where it is to be no event at all.
fn spoilt(mut event: Value, n: usize) -> Option<Value> {
    let text = event["message"]["text"].clone();
    match n % 6 {
        0 => return None,
        1 => {
            event["message"].as_object_mut()?.remove("text");
            event["message"]["said"] = text;
        }
        2 => event["message"]["text"] = json!([text]),
        3 => event["timestamp"] = text,
        4 => event["source"]["userId"] = json!([text]),
        _ => event["timestamp"] = json!(event["timestamp"].as_u64()? - LONG_AGO),
    }
    Some(event)
}

/// Posts what is signed and is no JSON.
async fn post_broken(world: &World, text: &str) -> Outcome {
    let body = format!("{{\"events\": [{{\"text\": \"{text}");
    let url = format!("{}/webhooks/line/{}", world.product.ingress(), account::LINE);
    let signature = sign::line(account::CHANNEL_SECRET, body.as_bytes());
    let headers = [(sign::LINE_SIGNATURE, signature.as_str())];
    let answer = Client::default().call(Method::POST, &url, &headers, body.into(), ANSWERED_WITHIN).await;
    expect(matches!(answer, Ok((200, ..))), "a body that is no JSON was not taken")
}
