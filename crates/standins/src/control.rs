//! `/_standins/…`: the ledgers, figures and faults over HTTP, and a way to write by hand on either side.

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use crate::custom::Content;
use crate::fault::Fault;
use crate::genesys::AgentMessage;
use crate::http::{Answer, Call};
use crate::ids;
use crate::platform::Platform;
use crate::server::Standins;
use crate::webhook::Delivery;

const PREFIX: &str = "/_standins/";

/// `POST /_standins/genesys/send`: what an agent writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentText {
    /// The person's GUID; whoever wrote last where absent.
    to: Option<String>,
    text: String,
}

/// `POST /_standins/line/send`: what a person writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonText {
    /// The first account where absent.
    account: Option<String>,
    /// One that stays the same where absent.
    user: Option<String>,
    text: String,
}

/// `POST /_standins/custom/send`: what a person writes in a custom channel, a text or any other content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VisitorContent {
    /// The first account where absent.
    account: Option<String>,
    /// One that stays the same where absent.
    person: Option<String>,
    text: Option<String>,
    content: Option<Content>,
}

pub(crate) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a call to `/_standins/{platform}/…`.
pub(crate) async fn answer(standins: &Standins, call: &Call) -> Answer {
    let rest = call.path.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/'));
    let Some((platform, what)) = rest.and_then(|(name, what)| Some((Platform::named(name)?, what))) else {
        return unknown_path();
    };
    match (what, &call.method) {
        ("received", &Method::GET) => received(standins, platform, call),
        ("stats", &Method::GET) => stats(standins, platform),
        ("faults", &Method::GET) => Answer::json(200, &standins.faults(platform).shown()),
        ("faults", &Method::POST) => set_faults(standins, platform, call),
        ("send", &Method::POST) => match platform {
            Platform::Genesys => agent_writes(standins, call).await,
            Platform::Line => person_writes(standins, call).await,
            Platform::Custom => visitor_writes(standins, call).await,
        },
        ("revoke", &Method::POST) if platform == Platform::Genesys => {
            standins.genesys().revoke_tokens();
            Answer::json(200, &json!({}))
        }
        _ => unknown_path(),
    }
}

fn unknown_path() -> Answer {
    Answer::json(404, &json!({"message": "no such path at the stand-ins"}))
}

fn received(standins: &Standins, platform: Platform, call: &Call) -> Answer {
    let after = call.param("after").and_then(|n| n.parse().ok()).unwrap_or(0);
    match platform {
        Platform::Genesys => Answer::json(200, &standins.genesys().received().after(after)),
        Platform::Line => Answer::json(200, &standins.line().received().after(after)),
        Platform::Custom => Answer::json(200, &standins.custom().received().after(after)),
    }
}

fn stats(standins: &Standins, platform: Platform) -> Answer {
    match platform {
        Platform::Genesys => Answer::json(200, &standins.genesys().stats()),
        Platform::Line => Answer::json(200, &standins.line().stats()),
        Platform::Custom => Answer::json(200, &standins.custom().stats()),
    }
}

fn set_faults(standins: &Standins, platform: Platform, call: &Call) -> Answer {
    match serde_json::from_slice::<Vec<Fault>>(&call.body) {
        Ok(faults) => {
            let count = faults.len();
            standins.faults(platform).set(faults);
            Answer::json(200, &json!({"faults": count}))
        }
        Err(error) => misread(&error),
    }
}

fn misread(error: &serde_json::Error) -> Answer {
    Answer::json(400, &json!({"message": error.to_string()}))
}

/// 200 where the bridge took it, 502 where it did not.
fn outcome(delivery: &Delivery, id: Option<&str>) -> Answer {
    let status = if delivery.accepted_ms().is_some() { 200 } else { 502 };
    Answer::json(status, &json!({"id": id, "attempts": delivery.attempts}))
}

async fn agent_writes(standins: &Standins, call: &Call) -> Answer {
    let written: AgentText = match serde_json::from_slice(&call.body) {
        Ok(written) => written,
        Err(error) => return misread(&error),
    };
    let genesys = standins.genesys();
    let outbound = genesys.find_person(written.to.as_deref()).and_then(|(integration, to)| {
        genesys.compose(&AgentMessage { integration, to, text: written.text, time_ms: None }).ok()
    });
    match outbound {
        Some(outbound) => outcome(&genesys.deliver(&outbound).await, Some(&outbound.id)),
        None => {
            Answer::json(404, &json!({"message": "nobody to answer: no message of that person has arrived"}))
        }
    }
}

async fn person_writes(standins: &Standins, call: &Call) -> Answer {
    let written: PersonText = match serde_json::from_slice(&call.body) {
        Ok(written) => written,
        Err(error) => return misread(&error),
    };
    let line = standins.line();
    let account = written.account.as_deref().or_else(|| line.first_account()).unwrap_or_default();
    let user = written.user.unwrap_or_else(|| ids::line_user(ids::digest(&["somebody", account])));
    match line.compose_text(account, &user, &written.text) {
        Some(webhook) => outcome(&line.deliver(&webhook).await, None),
        None => Answer::json(404, &json!({"message": "no such account"})),
    }
}

async fn visitor_writes(standins: &Standins, call: &Call) -> Answer {
    let written: VisitorContent = match serde_json::from_slice(&call.body) {
        Ok(written) => written,
        Err(error) => return misread(&error),
    };
    let content = match (written.text, written.content) {
        (Some(text), None) => Content::text(text),
        (None, Some(content)) => content,
        _ => return Answer::json(400, &json!({"message": "either text or content"})),
    };
    let custom = standins.custom();
    let account = written.account.as_deref().or_else(|| custom.first_account()).unwrap_or_default();
    let person = written.person.as_deref().unwrap_or("somebody");
    match custom.compose_message(account, person, content) {
        Some(webhook) => outcome(&custom.deliver(&webhook).await, Some(&webhook.id)),
        None => Answer::json(404, &json!({"message": "no such account"})),
    }
}
