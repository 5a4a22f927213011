//! The accounts of the recorded configuration, and the stand-ins that know them and what they had received.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use e2e::process::Places;
use e2e::{Outcome, World};
use hyper::Method;
use serde_json::{Value, json};
use standins::{
    Channel, Client, GenesysSetup, Integration, LineSetup, OAuthClient, Received, Schedule, Setup,
};

use super::recording::{path, text};
use crate::expect;

/// For an answer of a stand-in, or of ingress.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// Nothing here is about Genesys's limit.
const CALLS_PER_MINUTE: usize = 1_000_000;

/// A LINE account and the Genesys client and integration that it feeds.
pub(super) struct Account {
    pub(super) line: String,
    pub(super) integration: String,
    pub(super) webhook_secret: String,
    channel_secret: String,
    access_token: String,
    client_id: String,
    client_secret: String,
}

/// The recorded configuration with what this version names otherwise, and with the places of this run.
pub(super) fn config(recorded: &str, places: &Places<'_>) -> String {
    let Places { brokers, platforms, ingress, dir } = places;
    let moved = [("instance_id = \"naru-0\"\n", ""), ("data_dir = \"@DATA@\"\n", "")];
    let text = moved.iter().fold(recorded.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("[processors]", "[instance]\nid = \"naru-0\"\ndata_dir = \"@DATA@\"\n\n[processors]")
        .replace("@BROKERS@", brokers)
        .replace("@INGRESS@", &format!("127.0.0.1:{ingress}"))
        .replace("@PLATFORMS@", platforms)
        .replace("@DATA@", &dir.join("data").display().to_string())
        .replace("@KEYS@", &path("keys.toml").display().to_string())
}

/// The accounts of `config.toml`.
pub(super) fn accounts() -> Outcome<Vec<Account>> {
    let config: toml::Table = toml::from_str(&text("config.toml")?).map_err(|error| error.to_string())?;
    let section = |kind: &str, name: &str| config.get(kind)?.get(name);
    let read = |(name, line): (&String, &toml::Value)| {
        let text = |value: &toml::Value| Some(value.as_str()?.to_owned());
        let genesys = section("genesys", line.get("genesys")?.as_str()?)?;
        Some(Account {
            line: name.clone(),
            integration: text(line.get("integration")?)?,
            webhook_secret: text(line.get("webhook_secrets")?.get(0)?)?,
            channel_secret: text(line.get("channel_secrets")?.get(0)?)?,
            access_token: text(line.get("access_token")?)?,
            client_id: text(genesys.get("client_id")?)?,
            client_secret: text(genesys.get("client_secret")?)?,
        })
    };
    let lines = config.get("line").and_then(toml::Value::as_table).ok_or("no account is recorded")?;
    lines.iter().map(read).collect::<Option<_>>().ok_or_else(|| "an account lacks a key".to_owned())
}

/// Stand-ins that know the accounts, and send webhooks to `webhooks`.
pub(super) fn setup(accounts: &[Account], webhooks: &str) -> Setup {
    let client = |account: &Account| OAuthClient {
        id: account.client_id.clone(),
        secret: account.client_secret.clone(),
    };
    let integration = |account: &Account| Integration {
        id: account.integration.clone(),
        name: account.line.clone(),
        webhook_url: format!("{webhooks}/genesys/{}", account.integration),
        webhook_secret: account.webhook_secret.clone(),
        webhook_headers: Vec::new(),
    };
    let channel = |account: &Account| Channel {
        account: account.line.clone(),
        bot_user_id: format!("U{}", "0".repeat(32)),
        secret: account.channel_secret.clone(),
        access_token: account.access_token.clone(),
        webhook_url: format!("{webhooks}/line/{}", account.line),
    };
    Setup {
        genesys: GenesysSetup {
            clients: accounts.iter().map(client).collect(),
            integrations: accounts.iter().map(integration).collect(),
            calls_per_minute: CALLS_PER_MINUTE,
            webhook: Schedule { timeout: ANSWER, retries: 0, gap: Duration::ZERO },
            ..GenesysSetup::default()
        },
        line: LineSetup { channels: accounts.iter().map(channel).collect(), ..LineSetup::default() },
        ..Setup::default()
    }
}

/// Gives the stand-ins what `received.json` says that the platforms had, under the same ids.
pub(super) async fn receive(world: &World, accounts: &[Account], received: &Value) -> Outcome {
    let (genesys, line) = (list(received, "genesys"), list(received, "line"));
    for account in accounts {
        let Account { integration, client_id, client_secret, .. } = account;
        let form =
            format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}");
        let form_type = ("content-type", "application/x-www-form-urlencoded");
        let answer = call(world, "/oauth/token", &[form_type], form, 200).await?;
        let bearer = format!("Bearer {}", field(&answer, "access_token"));
        let path = format!("/api/v2/conversations/messages/{integration}/inbound/open/message");
        for message in genesys.iter().filter(|message| field(message, "integration") == integration) {
            let from = json!({"id": message["conversation"], "idType": "Opaque"});
            let (time, id) = (&message["event_time"], &message["message_id"]);
            let channel = json!({"from": from, "time": time, "messageId": id});
            let body = json!({"channel": channel, "text": message["text"], "metadata": message["metadata"]});
            call(world, &path, &[JSON, ("authorization", &bearer)], body.to_string(), 202).await?;
        }
    }
    for push in line.chunk_by(|one, next| one["retry_key"] == next["retry_key"]) {
        let account = accounts.iter().find(|account| account.line == field(&push[0], "account"));
        let bearer = format!("Bearer {}", account.ok_or("an account that is not configured")?.access_token);
        let text = |message: &Value| message["text"].as_str().unwrap_or("a long text").to_owned();
        let messages = push.iter().map(|message| json!({"type": "text", "text": text(message)}));
        let body = json!({"to": push[0]["user"], "messages": messages.collect::<Vec<_>>()});
        let headers = [JSON, ("authorization", &bearer), ("x-line-retry-key", field(&push[0], "retry_key"))];
        call(world, "/v2/bot/message/push", &headers, body.to_string(), 200).await?;
    }
    // By those ids the announced calls are asked about.
    let known: BTreeMap<&str, &str> = genesys
        .iter()
        .map(|message| (field(message, "conversation"), field(message, "conversation_id")))
        .collect();
    let conversations = world.standins.genesys().received().after(0);
    let is_known = |message: &Received| known.get(&*message.conversation) == Some(&&*message.conversation_id);
    let what = "the stand-in gives other ids to conversations than it did at the recording";
    expect(conversations.iter().all(is_known), what)
}

const JSON: (&str, &str) = ("content-type", "application/json");

async fn call(
    world: &World,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
    status: u16,
) -> Outcome<Value> {
    let url = format!("{}{path}", world.platforms());
    let answer = Client::default().call(Method::POST, &url, headers, Bytes::from(body), ANSWER).await;
    let (found, _, body) = answer.map_err(|error| format!("{path}: {error:?}"))?;
    expect(found == status, format!("{path}: {found}, {}", String::from_utf8_lossy(&body)))?;
    serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
}

/// A list in a recorded object; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// A text in a recorded object; empty where there is none.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
