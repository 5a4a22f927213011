//! The stand-in of Genesys Cloud: its state, its calls, and the agent who answers.
//!
//! It does what `genesys.md` describes of the public API and no more: above all it does not look at
//! `channel.messageId`, so a message that is sent twice is there twice.

mod agent;
mod analytics;
mod conversation;
mod error;
mod inbound;
mod oauth;
mod setup;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use hyper::Method;
use serde::Serialize;

pub use agent::{AgentMessage, Outbound, UnknownPerson};
use conversation::Conversations;
use error::Error;
use inbound::Inbound;
use oauth::Tokens;
pub use setup::{GenesysSetup, Integration, OAuthClient};

use crate::clock::{Clock, iso};
use crate::fault::Board;
use crate::http::{Answer, Call, Client};
use crate::ids::{self, Ids};
use crate::ledger::Ledger;

/// The window of the call limit.
const WINDOW_MS: u64 = 60_000;

/// A customer's message that the stand-in accepted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Received {
    /// Its place, 1 for the first.
    pub seq: usize,
    /// The person: `channel.from.id`.
    pub conversation: String,
    /// Genesys's own id of the conversation.
    pub conversation_id: String,
    /// Id of the integration.
    pub integration: String,
    /// `text`, empty where there is none.
    pub text: String,
    /// `channel.messageId`
    pub message_id: Option<String>,
    /// Genesys's own id of the message.
    pub id: String,
    /// `channel.time`
    pub event_time: String,
    /// `channel.from.nickname`
    pub nickname: Option<String>,
    /// `channel.metadata.customAttributes`
    pub attributes: serde_json::Value,
    /// The message's own `metadata`: flat texts.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// When it arrived, ms since 1970.
    pub time: u64,
}

/// Figures of the stand-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GenesysStats {
    /// Calls to the API, those to the token endpoint included.
    pub calls: u64,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Tokens given out.
    pub tokens: u64,
    /// Calls refused by the limit.
    pub refused: u64,
    /// The most calls of one token that arrived in any window.
    pub max_in_window: usize,
    /// Calls that one token may make in a window.
    pub limit: usize,
    /// The window, ms.
    pub window_ms: u64,
    /// Messages accepted.
    pub accepted: usize,
}

/// The stand-in of one Genesys Cloud organisation.
pub struct Genesys {
    setup: GenesysSetup,
    clock: Clock,
    client: Client,
    ids: Ids,
    state: Mutex<State>,
    ledger: Ledger<Received>,
    pub(crate) faults: Mutex<Board>,
}

struct State {
    tokens: Tokens,
    cut: Vec<String>,
    conversations: Conversations,
    webhook_urls: BTreeMap<String, String>,
    calls: u64,
    by_status: BTreeMap<u16, u64>,
}

impl fmt::Debug for Genesys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Genesys").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Genesys {
    pub(crate) fn new(setup: GenesysSetup, clock: Clock) -> Self {
        let state = State {
            tokens: Tokens::new(setup.calls_per_minute, WINDOW_MS),
            cut: Vec::new(),
            conversations: Conversations::default(),
            webhook_urls: setup.integrations.iter().map(|i| (i.id.clone(), i.webhook_url.clone())).collect(),
            calls: 0,
            by_status: BTreeMap::new(),
        };
        Self {
            clock,
            client: Client::default(),
            ids: Ids::new(setup.seed, "genesys"),
            state: Mutex::new(state),
            ledger: Ledger::new(),
            faults: Mutex::new(Board::default()),
            setup,
        }
    }

    /// Whether there is anything to call or to be called by.
    pub(crate) fn is_set_up(&self) -> bool {
        !self.setup.clients.is_empty() || !self.setup.integrations.is_empty()
    }

    /// What was accepted, in order of arrival.
    pub fn received(&self) -> &Ledger<Received> {
        &self.ledger
    }

    /// The figures so far.
    pub fn stats(&self) -> GenesysStats {
        let state = self.state();
        GenesysStats {
            calls: state.calls,
            by_status: state.by_status.clone(),
            tokens: state.tokens.issued(),
            refused: state.tokens.refused(),
            max_in_window: state.tokens.most_in_a_window(),
            limit: self.setup.calls_per_minute,
            window_ms: WINDOW_MS,
            accepted: self.ledger.len(),
        }
    }

    /// Ends the life of every token now.
    pub fn revoke_tokens(&self) {
        self.state().tokens.revoke_all();
    }

    /// Replaces the faults that are switched on; an empty list switches all off.
    pub fn set_faults(&self, faults: Vec<crate::fault::Fault>) {
        self.faults.lock().expect("no code panics while it holds the faults").set(faults);
    }

    /// Calls that met a fault since the faults were last set.
    pub fn faults_hit(&self) -> u64 {
        self.faults.lock().expect("no code panics while it holds the faults").hits()
    }

    /// `channel.messageId` of every message that was taken in while a fault cut its answer off.
    pub fn cut_answers(&self) -> Vec<String> {
        self.state().cut.clone()
    }

    /// A call whose work is done and whose answer is cut off.
    pub(crate) fn unanswered(&self, call: &Call) {
        let id = Inbound::read(&call.body).ok().and_then(|message| message.message_id);
        self.state().cut.extend(id);
    }

    /// Ends the conversation of a person, longer ago than messages would join it again: their next message begins
    /// another one. False if they have none.
    pub fn end_conversation(&self, integration: &str, person: &str) -> bool {
        let now = self.clock.now_ms();
        self.state().conversations.end(integration, person, now)
    }

    /// Points the webhook of an integration elsewhere.
    pub fn set_webhook(&self, integration: &str, url: &str) {
        self.state().webhook_urls.insert(integration.to_owned(), url.to_owned());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the state")
    }

    /// Whether a path belongs to Genesys.
    pub(crate) fn owns(path: &str) -> bool {
        path == "/oauth/token" || path.starts_with("/api/v2/")
    }

    /// Answers a call and counts it.
    pub(crate) fn answer(&self, call: &Call) -> Answer {
        let now = self.clock.now_ms();
        let answer = if call.path == "/oauth/token" { self.token(call, now) } else { self.api(call, now) };
        self.counted(answer)
    }

    /// Answers a call with the error of a fault.
    pub(crate) fn fail(&self, status: u16, retry_after: Option<u64>, message: Option<String>) -> Answer {
        let error = Error::of_status(status, message);
        let mut answer = error.answer(&ids::uuid(self.ids.next()));
        if let Some(seconds) = retry_after {
            answer = answer.with("retry-after", seconds.to_string());
        }
        self.counted(self.traced(answer))
    }

    fn counted(&self, answer: Answer) -> Answer {
        let mut state = self.state();
        state.calls += 1;
        *state.by_status.entry(answer.status).or_default() += 1;
        answer
    }

    fn traced(&self, answer: Answer) -> Answer {
        answer.with("inin-correlation-id", ids::uuid(self.ids.next()))
    }

    fn token(&self, call: &Call, now: u64) -> Answer {
        match oauth::check(call, &self.setup.clients) {
            Ok(()) => {
                let life = u64::try_from(self.setup.token_life.as_millis()).unwrap_or(u64::MAX);
                let token = format!("{}{}", ids::hex(self.ids.next()), ids::hex(self.ids.next()));
                self.state().tokens.issue(token.clone(), now.saturating_add(life));
                // A day is announced as 86,399 s: what is left when the answer arrives.
                oauth::granted(&token, life.saturating_sub(1) / 1_000)
            }
            Err(refusal) => refusal,
        }
    }

    fn api(&self, call: &Call, now: u64) -> Answer {
        let admitted = match call.bearer() {
            None => {
                Err(Error::new(401, "authentication.required", "No authentication bearer token specified."))
            }
            Some(token) => self.state().tokens.admit(token, now),
        };
        let (result, headers) = match admitted {
            Ok(admission) => match oauth::limit_headers(admission, self.setup.calls_per_minute) {
                (None, headers) => (self.route(call, now), headers),
                (Some(error), headers) => (Err(error), headers),
            },
            Err(error) => (Err(error), Vec::new()),
        };
        let mut answer = result.unwrap_or_else(|error| error.answer(&ids::uuid(self.ids.next())));
        answer.headers.extend(headers);
        self.traced(answer)
    }

    fn route(&self, call: &Call, now: u64) -> Result<Answer, Error> {
        if call.oversized || call.body.len() > self.setup.max_body {
            let message = format!("Maximum bytes: {}", self.setup.max_body);
            return Err(Error::new(413, "request.entity.too.large", message));
        }
        if call.path == "/api/v2/analytics/conversations/details/query" {
            return self.analytics(call, now);
        }
        let Some(path) = call.path.strip_prefix("/api/v2/conversations/messages/") else {
            return Err(Error::not_found());
        };
        let parts: Vec<&str> = path.split('/').collect();
        match (parts.as_slice(), &call.method) {
            ([integration, "inbound", "open", "message"], &Method::POST) => {
                self.inbound(call, integration, now)
            }
            ([conversation], &Method::GET) => {
                self.state().conversations.view(conversation).map(|view| Answer::json(200, &view))
            }
            ([conversation, "messages", "bulk"], &Method::POST) => {
                let ids: Vec<String> = serde_json::from_slice(&call.body)
                    .map_err(|_| Error::bad_request("The request body is not an array of ids."))?;
                self.state().conversations.bulk(conversation, &ids).map(|list| Answer::json(200, &list))
            }
            ([message, "details"], &Method::GET) => {
                self.state().conversations.details(message).map(|data| Answer::json(200, &data))
            }
            ([_, "inbound", "open", "message"] | [_] | [_, "messages", "bulk"] | [_, "details"], _) => {
                Err(Error::new(405, "method.not.allowed", "The method is not allowed for this path."))
            }
            _ => Err(Error::not_found()),
        }
    }

    fn analytics(&self, call: &Call, now: u64) -> Result<Answer, Error> {
        if call.method != Method::POST {
            return Err(Error::new(405, "method.not.allowed", "The method is not allowed for this path."));
        }
        if !call.is_json() {
            return Err(Error::new(415, "unsupported.media.type", "The body must be application/json."));
        }
        let lag = u64::try_from(self.setup.analytics_lag.as_millis()).unwrap_or(u64::MAX);
        let found = analytics::query(&call.body, &self.state().conversations, now, lag)?;
        Ok(Answer::json(200, &found))
    }

    fn inbound(&self, call: &Call, integration: &str, now: u64) -> Result<Answer, Error> {
        if !self.setup.integrations.iter().any(|known| known.id == integration) {
            return Err(Error::not_found());
        }
        if !call.is_json() {
            return Err(Error::new(415, "unsupported.media.type", "The body must be application/json."));
        }
        let message = Inbound::read(&call.body)?;
        let id = ids::hex(self.ids.next());
        // The lock is held over both, so that the ledger's order is the conversations' order.
        let mut state = self.state();
        let conversation_id = state.conversations.take_in(integration, &message, &id, now);
        self.ledger.record(|seq| Received {
            seq,
            conversation: message.from_id.clone(),
            conversation_id: conversation_id.clone(),
            integration: integration.to_owned(),
            text: message.text.clone().unwrap_or_default(),
            message_id: message.message_id.clone(),
            id: id.clone(),
            event_time: message.time.clone(),
            nickname: message.nickname.clone(),
            attributes: message.attributes.clone(),
            metadata: message.metadata.clone(),
            time: now,
        });
        drop(state);
        let prefetch = call.param("prefetchConversationId") == Some("true");
        let normalized = message.normalized(&id, integration, prefetch.then_some(conversation_id.as_str()));
        Ok(Answer::json(202, &normalized))
    }

    /// The time in Genesys's form.
    fn iso_now(&self) -> String {
        iso(self.clock.now_ms())
    }
}
