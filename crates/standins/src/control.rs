//! `/_standins/…`: the ledgers, figures and faults over HTTP, and a hand on the keyboard of either side.

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use crate::fault::Fault;
use crate::genesys::AgentMessage;
use crate::http::{Answer, Call};
use crate::ids;
use crate::server::Standins;
use crate::webhook::Delivery;

const PREFIX: &str = "/_standins/";

/// `POST /_standins/genesys/send`: what an agent writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentSays {
    /// The person's GUID; whoever wrote last where absent.
    to: Option<String>,
    text: String,
}

/// `POST /_standins/line/send`: what a person writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonSays {
    /// The first account where absent.
    account: Option<String>,
    /// One that stays the same where absent.
    user: Option<String>,
    text: String,
}

pub(crate) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a call to `/_standins/…`.
pub(crate) async fn answer(standins: &Standins, call: &Call) -> Answer {
    let rest = call.path.strip_prefix(PREFIX).unwrap_or_default();
    let after = || call.param("after").and_then(|n| n.parse().ok()).unwrap_or(0);
    let (genesys, line) = (standins.genesys(), standins.line());
    match (rest, &call.method) {
        ("genesys/received", &Method::GET) => Answer::json(200, &genesys.received().after(after())),
        ("line/received", &Method::GET) => Answer::json(200, &line.received().after(after())),
        ("genesys/stats", &Method::GET) => Answer::json(200, &genesys.stats()),
        ("line/stats", &Method::GET) => Answer::json(200, &line.stats()),
        ("genesys/faults", &Method::GET) => Answer::json(200, &lock(&genesys.faults).shown()),
        ("line/faults", &Method::GET) => Answer::json(200, &lock(&line.faults).shown()),
        ("genesys/faults", &Method::POST) => faults(call, |faults| genesys.set_faults(faults)),
        ("line/faults", &Method::POST) => faults(call, |faults| line.set_faults(faults)),
        ("genesys/revoke", &Method::POST) => {
            genesys.revoke_tokens();
            Answer::json(200, &json!({}))
        }
        ("genesys/send", &Method::POST) => agent_says(standins, call).await,
        ("line/send", &Method::POST) => person_says(standins, call).await,
        _ => Answer::json(404, &json!({"message": "no such path at the stand-ins"})),
    }
}

fn lock(board: &std::sync::Mutex<crate::fault::Board>) -> std::sync::MutexGuard<'_, crate::fault::Board> {
    board.lock().expect("no code panics while it holds the faults")
}

fn faults(call: &Call, set: impl FnOnce(Vec<Fault>)) -> Answer {
    match serde_json::from_slice::<Vec<Fault>>(&call.body) {
        Ok(faults) => {
            let count = faults.len();
            set(faults);
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

async fn agent_says(standins: &Standins, call: &Call) -> Answer {
    let said: AgentSays = match serde_json::from_slice(&call.body) {
        Ok(said) => said,
        Err(error) => return misread(&error),
    };
    let genesys = standins.genesys();
    let outbound = genesys.find_person(said.to.as_deref()).and_then(|(integration, to)| {
        genesys.compose(&AgentMessage { integration, to, text: said.text, time_ms: None }).ok()
    });
    match outbound {
        Some(outbound) => outcome(&genesys.deliver(&outbound).await, Some(&outbound.id)),
        None => {
            Answer::json(404, &json!({"message": "nobody to answer: no message of that person has arrived"}))
        }
    }
}

async fn person_says(standins: &Standins, call: &Call) -> Answer {
    let said: PersonSays = match serde_json::from_slice(&call.body) {
        Ok(said) => said,
        Err(error) => return misread(&error),
    };
    let line = standins.line();
    let account = said.account.as_deref().or_else(|| line.first_account()).unwrap_or_default();
    let user = said.user.unwrap_or_else(|| ids::line_user(ids::digest(&["somebody", account])));
    match line.compose_text(account, &user, &said.text) {
        Some(webhook) => outcome(&line.deliver(&webhook).await, None),
        None => Answer::json(404, &json!({"message": "no such account"})),
    }
}
