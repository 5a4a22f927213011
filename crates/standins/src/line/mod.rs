//! The stand-in of LINE: its state, its calls, and the people who write.

mod error;
mod person;
mod push;
mod setup;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

use error::Error;
pub use person::{Webhook, redelivered, text_event};
use push::Push;
pub use setup::{Channel, LineSetup};

use crate::clock::Clock;
use crate::fault::Board;
use crate::http::{Answer, Call, Client};
use crate::ids::{self, Ids};
use crate::ledger::Ledger;
use crate::rate::{Admission, SlidingLog};

/// The window of the call limit.
const WINDOW_MS: u64 = 1_000;

/// A message that the stand-in accepted for a person: one entry a message object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Its place, 1 for the first.
    pub seq: usize,
    /// `to`: the person, group or room.
    pub user: String,
    /// The account that pushed.
    pub account: String,
    /// The text; `[type]` for what has none.
    pub text: String,
    /// Id in `sentMessages`.
    pub message_id: String,
    /// Place within the push, 0 for the first.
    pub part: usize,
    /// `X-Line-Retry-Key`
    pub retry_key: Option<String>,
    /// `X-Line-Request-Id` of the answer.
    pub request_id: String,
    /// When it arrived, ms since 1970.
    pub time: u64,
}

/// Figures of the stand-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LineStats {
    /// Calls.
    pub calls: u64,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Calls refused by the limit a second.
    pub refused: u64,
    /// The most calls of one channel and endpoint that arrived in any window.
    pub max_in_window: usize,
    /// Calls that a channel may make to an endpoint in a window.
    pub limit: usize,
    /// The window, ms.
    pub window_ms: u64,
    /// Message objects accepted.
    pub accepted: usize,
    /// Pushes answered 409 because their retry key was accepted before.
    pub repeated_keys: u64,
}

/// The stand-in of LINE.
pub struct Line {
    setup: LineSetup,
    clock: Clock,
    client: Client,
    ids: Ids,
    state: Mutex<State>,
    ledger: Ledger<Sent>,
    pub(crate) faults: Mutex<Board>,
}

#[derive(Default)]
struct State {
    logs: BTreeMap<(String, &'static str), SlidingLog>,
    keys: BTreeMap<(String, String), Accepted>,
    pushes: BTreeMap<String, u64>,
    webhook_urls: BTreeMap<String, String>,
    calls: u64,
    repeated_keys: u64,
    by_status: BTreeMap<u16, u64>,
}

/// What a retry key stands for.
struct Accepted {
    at_ms: u64,
    request_id: String,
    sent: Value,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("channels", &self.setup.channels).finish_non_exhaustive()
    }
}

impl Line {
    pub(crate) fn new(setup: LineSetup, clock: Clock) -> Self {
        let webhook_urls =
            setup.channels.iter().map(|c| (c.account.clone(), c.webhook_url.clone())).collect();
        Self {
            clock,
            client: Client::default(),
            ids: Ids::new(setup.seed, "line"),
            state: Mutex::new(State { webhook_urls, ..State::default() }),
            ledger: Ledger::new(),
            faults: Mutex::new(Board::default()),
            setup,
        }
    }

    /// Whether there is an account.
    pub(crate) fn is_set_up(&self) -> bool {
        !self.setup.channels.is_empty()
    }

    /// The accounts to which people can write: those whose webhooks go somewhere.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let state = self.state();
        let goes_somewhere =
            |account: &&String| state.webhook_urls.get(*account).is_some_and(|url| !url.is_empty());
        self.setup.channels.iter().map(|channel| &channel.account).filter(goes_somewhere).cloned().collect()
    }

    /// What was accepted, in order of arrival.
    pub fn received(&self) -> &Ledger<Sent> {
        &self.ledger
    }

    /// The figures so far.
    pub fn stats(&self) -> LineStats {
        let state = self.state();
        LineStats {
            calls: state.calls,
            by_status: state.by_status.clone(),
            refused: state.logs.values().map(SlidingLog::refused).sum(),
            max_in_window: state.logs.values().map(SlidingLog::most_in_a_window).max().unwrap_or(0),
            limit: self.setup.calls_per_second,
            window_ms: WINDOW_MS,
            accepted: self.ledger.len(),
            repeated_keys: state.repeated_keys,
        }
    }

    /// Replaces the faults that are switched on; an empty list switches all off.
    pub fn set_faults(&self, faults: Vec<crate::fault::Fault>) {
        self.faults.lock().expect("no code panics while it holds the faults").set(faults);
    }

    /// Calls that met a fault since the faults were last set.
    pub fn faults_hit(&self) -> u64 {
        self.faults.lock().expect("no code panics while it holds the faults").hits()
    }

    /// Points the webhook of an account elsewhere.
    pub fn set_webhook(&self, account: &str, url: &str) {
        self.state().webhook_urls.insert(account.to_owned(), url.to_owned());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the state")
    }

    /// Whether a path belongs to LINE.
    pub(crate) fn owns(path: &str) -> bool {
        path.starts_with("/v2/bot/")
    }

    /// Answers a call and counts it.
    pub(crate) fn answer(&self, call: &Call) -> Answer {
        let now = self.clock.now_ms();
        let request_id = ids::uuid(self.ids.next());
        let answer = self.route(call, now, &request_id).unwrap_or_else(|error| error.answer());
        self.counted(answer, request_id)
    }

    /// Answers a call with the error of a fault.
    pub(crate) fn fail(&self, status: u16, retry_after: Option<u64>, message: Option<String>) -> Answer {
        let mut answer = Error::of_status(status, message).answer();
        if let Some(seconds) = retry_after {
            answer = answer.with("retry-after", seconds.to_string());
        }
        self.counted(answer, ids::uuid(self.ids.next()))
    }

    fn counted(&self, answer: Answer, request_id: String) -> Answer {
        let mut state = self.state();
        state.calls += 1;
        *state.by_status.entry(answer.status).or_default() += 1;
        answer.with("x-line-request-id", request_id)
    }

    fn route(&self, call: &Call, now: u64, request_id: &str) -> Result<Answer, Error> {
        let endpoint = match (call.path.as_str(), &call.method) {
            ("/v2/bot/message/push", &Method::POST) => "push",
            ("/v2/bot/info", &Method::GET) => "info",
            (path, &Method::GET) if path.starts_with("/v2/bot/profile/") => "profile",
            ("/v2/bot/message/push" | "/v2/bot/info", _) => {
                return Err(Error::new(405, "Method not allowed"));
            }
            _ => return Err(Error::new(404, "Not found")),
        };
        // An account to which the bridge cannot push has no token, which must not pass for the token that it has.
        let token = call.bearer().filter(|token| !token.is_empty());
        let channel =
            token.and_then(|token| self.setup.channels.iter().find(|channel| channel.access_token == token));
        let channel = channel.ok_or_else(|| Error::of_status(401, None))?;
        let limit = self.setup.calls_per_second;
        let admitted = self
            .state()
            .logs
            .entry((channel.account.clone(), endpoint))
            .or_insert_with(|| SlidingLog::new(limit, WINDOW_MS))
            .admit(now);
        if let Admission::Refused { .. } = admitted {
            return Err(Error::of_status(429, None));
        }
        match endpoint {
            "push" => self.push(call, channel, now, request_id),
            "info" => Ok(Answer::json(
                200,
                &json!({
                    "userId": channel.bot_user_id, "basicId": format!("@{}", channel.account),
                    "displayName": channel.account, "chatMode": "bot", "markAsReadMode": "auto",
                }),
            )),
            _ => self.profile(call.path.trim_start_matches("/v2/bot/profile/")),
        }
    }

    fn profile(&self, user: &str) -> Result<Answer, Error> {
        if !user.starts_with('U') || !push::is_address(user) || self.setup.unknown_people.contains(user) {
            return Err(Error::new(404, "Not found"));
        }
        let name = format!("Person {}", &user[1..7]);
        Ok(Answer::json(200, &json!({"displayName": name, "userId": user, "language": "th"})))
    }

    fn push(&self, call: &Call, channel: &Channel, now: u64, request_id: &str) -> Result<Answer, Error> {
        if call.oversized || call.body.len() > self.setup.max_body {
            return Err(Error::of_status(413, None));
        }
        let retry_key = match call.header("x-line-retry-key") {
            Some(key) if !ids::is_uuid(key) => return Err(Error::new(400, "The retry key is invalid")),
            key => key.map(str::to_ascii_lowercase),
        };
        let memory_key = retry_key.clone().map(|key| (channel.account.clone(), key));
        let life = u64::try_from(self.setup.retry_key_life.as_millis()).unwrap_or(u64::MAX);
        // The lock is held to the end: two tries with one key at the same moment must not both pass.
        let mut state = self.state();
        if let Some(key) = &memory_key
            && let Some(accepted) =
                state.keys.get(key).filter(|accepted| now < accepted.at_ms.saturating_add(life))
        {
            let body = json!({"message": "The retry key is already accepted", "sentMessages": accepted.sent.clone()});
            let answer =
                Answer::json(409, &body).with("x-line-accepted-request-id", accepted.request_id.clone());
            state.repeated_keys += 1;
            return Ok(answer);
        }
        let push = Push::read(&call.body)?;
        if self.setup.unknown_people.contains(&push.to) {
            return Err(Error::new(400, "Failed to send messages"));
        }
        let pushes = state.pushes.entry(channel.account.clone()).or_default();
        if self.setup.quota.is_some_and(|quota| *pushes >= quota) {
            return Err(Error::new(429, "You have reached your monthly limit."));
        }
        *pushes += 1;
        let mut sent = Vec::with_capacity(push.texts.len());
        for (part, text) in push.texts.iter().enumerate() {
            let message_id = ids::line_message(self.ids.next());
            sent.push(json!({"id": message_id, "quoteToken": ids::hex(self.ids.next())}));
            self.ledger.record(|seq| Sent {
                seq,
                user: push.to.clone(),
                account: channel.account.clone(),
                text: text.clone(),
                message_id,
                part,
                retry_key: retry_key.clone(),
                request_id: request_id.to_owned(),
                time: now,
            });
        }
        let sent = Value::Array(sent);
        if let Some(key) = memory_key {
            let accepted = Accepted { at_ms: now, request_id: request_id.to_owned(), sent: sent.clone() };
            state.keys.insert(key, accepted);
        }
        Ok(Answer::json(200, &json!({"sentMessages": sent})))
    }
}
