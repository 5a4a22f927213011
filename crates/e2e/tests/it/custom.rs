//! A custom channel beside LINE, on a real Kafka: an account of the same name, with an integration of its own.

mod apart;
mod gone;
mod killed;
mod taken;

use std::time::Duration;

use bytes::Bytes;
use e2e::harness::Stage;
use e2e::process::{Places, account};
use e2e::world::CROSSES_WITHIN;
use e2e::{Outcome, World, wait};
use hyper::Method;
use serde_json::Value;
use standins::{
    AgentMessage, Client, CustomAccount, CustomReceived, CustomWebhook, Integration, Received, Setup, sign,
};

use crate::{block_on, expect};

/// The account, by the name that the LINE account has.
const ACCOUNT: &str = account::LINE;
/// The integration that it feeds.
const INTEGRATION: &str = "a2171742-0000-4000-8000-000000000002";
/// Secret of the integration's outbound webhook.
const WEBHOOK_SECRET: &str = "e2e-custom-webhook-secret";
/// Signs what people write.
const SECRET: &str = "whsec_ZTJlIGN1c3RvbSBpbmJvdW5kIHNlY3JldCAwMQ==";
/// Signs what agents answer.
const OUTBOUND_SECRET: &str = "whsec_ZTJlIGN1c3RvbSBvdXRib3VuZCBzZWNyZXQgMQ==";
/// Somebody whom the channel no longer reaches.
const GONE: &str = "visitor-gone";
/// For an answer of ingress.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The same opaque id on both channels is two people; every kind of content crosses.
pub(crate) fn kept_apart(stage: &mut Stage) -> Outcome {
    play(stage, "custom-apart", apart::scene)
}

/// What is not signed, or not now, is refused; what is sent again arrives once; sessions stay here.
pub(crate) fn signed_and_once(stage: &mut Stage) -> Outcome {
    play(stage, "custom-taken", taken::scene)
}

/// A 429 is obeyed, and a 410 is one person's.
pub(crate) fn gone_alone(stage: &mut Stage) -> Outcome {
    play(stage, "custom-gone", gone::scene)
}

/// Processors and egress are killed with SIGKILL while messages of both channels are under way.
pub(crate) fn nothing_lost(stage: &mut Stage) -> Outcome {
    play(stage, "custom-killed", killed::scene)
}

/// Runs a scene in a world with both accounts.
fn play(stage: &mut Stage, name: &str, scene: impl AsyncFnOnce(&World) -> Outcome) -> Outcome {
    block_on(async {
        let world = World::with(stage, name, sections, stand_in).await?;
        let outcome = scene(&world).await;
        world.end(outcome).await
    })
}

fn sections(places: &Places<'_>) -> String {
    let platforms = places.platforms;
    format!(
        r#"[custom.{ACCOUNT}]
secrets = ["{SECRET}"]
url = "{platforms}/custom/{ACCOUNT}/messages"
outbound_secrets = ["{OUTBOUND_SECRET}"]
genesys = "main"
integration = "{INTEGRATION}"
webhook_secrets = ["{WEBHOOK_SECRET}"]

[custom.{ACCOUNT}.attributes]
market = "Korea"
"#
    )
}

fn stand_in(setup: &mut Setup, webhooks: &str) {
    setup.genesys.integrations.push(Integration {
        id: INTEGRATION.to_owned(),
        name: "Web chat".to_owned(),
        webhook_url: format!("{webhooks}/genesys/{INTEGRATION}"),
        webhook_secret: WEBHOOK_SECRET.to_owned(),
        webhook_headers: Vec::new(),
    });
    setup.custom.accounts.push(CustomAccount {
        account: ACCOUNT.to_owned(),
        webhook_url: format!("{webhooks}/custom/{ACCOUNT}"),
        secrets: vec![SECRET.to_owned()],
        endpoint_secrets: vec![OUTBOUND_SECRET.to_owned()],
    });
    setup.custom.gone_people.insert(GONE.to_owned());
}

/// Sends a webhook of the custom channel, and expects a 202 at once.
async fn accepted(world: &World, webhook: &CustomWebhook) -> Outcome {
    let delivery = world.standins.custom().deliver(webhook).await;
    let statuses: Vec<Option<u16>> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
    expect(statuses == [Some(202)], format!("the webhook was answered {statuses:?}"))
}

/// A text that a person writes on the custom channel now.
fn text_of(world: &World, person: &str, text: &str) -> CustomWebhook {
    world.standins.custom().compose_text(ACCOUNT, person, text).expect("the account is set up")
}

/// An agent answers a message, with the fields of `more` beside those of a text.
async fn answer(world: &World, message: &Received, text: &str, more: Value) -> Outcome {
    let agent = AgentMessage {
        integration: message.integration.clone(),
        to: message.conversation.clone(),
        text: text.to_owned(),
        time_ms: None,
    };
    let outbound = world.standins.genesys().compose(&agent).map_err(|error| format!("{error:?}"))?;
    let mut body: Value = serde_json::from_slice(&outbound.body).map_err(|error| error.to_string())?;
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let body = body.to_string();
    let secret = if message.integration == INTEGRATION { WEBHOOK_SECRET } else { account::WEBHOOK_SECRET };
    let signature = sign::genesys(secret, body.as_bytes());
    let headers = [("content-type", "application/json"), (sign::GENESYS_SIGNATURE, &signature)];
    let path = format!("/webhooks/genesys/{}", message.integration);
    let status = post(world, &path, &headers, body.into()).await?;
    expect(status == 200, format!("an agent's message was answered {status}"))
}

/// Posts to ingress, and gives the status of the answer.
async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: Bytes) -> Outcome<u16> {
    let url = format!("{}{path}", world.product.ingress());
    let answer = Client::default().call(Method::POST, &url, headers, body, ANSWER_WITHIN).await;
    answer.map(|(status, ..)| status).map_err(|error| format!("{path}: {error:?}"))
}

/// Waits until the custom channel has received a text, and gives everything that arrived.
async fn until_posted(world: &World, text: &str) -> Outcome<Vec<CustomReceived>> {
    let ledger = world.standins.custom().received();
    wait::until(&format!("{text:?} at the custom channel"), CROSSES_WITHIN, || async {
        let all = ledger.after(0);
        all.iter().any(|message| message.text == text).then_some(all)
    })
    .await
}

/// What came over an integration.
fn over<'a>(integration: &str, received: &'a [Received]) -> Vec<&'a Received> {
    received.iter().filter(|message| message.integration == integration).collect()
}

/// The texts of messages, in order.
fn texts<'a>(messages: &[&'a Received]) -> Vec<&'a str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}
