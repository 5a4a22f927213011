//! What the bridge posts for a person: who may, how often, and each `webhook-id` once.

use hyper::Method;
use serde_json::json;

use super::{Custom, CustomAccount, CustomReceived, Event, WINDOW_MS};
use crate::http::{Answer, Call};
use crate::rate::{Admission, SlidingLog};
use crate::standard_webhooks::{self, Secret};

/// One refusal: its status, what to say, and when to come again.
struct Refusal {
    status: u16,
    message: String,
    retry_after_s: Option<u64>,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after_s: None }
    }

    fn answer(self) -> Answer {
        let answer = Answer::json(self.status, &json!({"message": self.message}));
        match self.retry_after_s {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

impl Custom {
    /// Answers a call and counts it.
    pub(crate) fn answer(&self, call: &Call) -> Answer {
        let answer = match self.route(call, self.clock.now_ms()) {
            Ok(()) => Answer::json(200, &json!({})),
            Err(refusal) => refusal.answer(),
        };
        self.counted(answer)
    }

    /// Answers a call with the error of a fault.
    pub(crate) fn fail(&self, status: u16, retry_after: Option<u64>, message: Option<String>) -> Answer {
        let message = message.unwrap_or_else(|| format!("a fault answers {status}"));
        self.counted(Refusal { status, message, retry_after_s: retry_after }.answer())
    }

    fn counted(&self, answer: Answer) -> Answer {
        let mut state = self.state();
        state.calls += 1;
        *state.by_status.entry(answer.status).or_default() += 1;
        answer
    }

    fn route(&self, call: &Call, now: u64) -> Result<(), Refusal> {
        let name = call.path.strip_prefix("/custom/").and_then(|rest| rest.strip_suffix("/messages"));
        let account = name.and_then(|name| self.account(name));
        let account = account.ok_or_else(|| Refusal::new(404, "no such account"))?;
        if call.method != Method::POST {
            return Err(Refusal::new(405, "the method is not allowed"));
        }
        if call.oversized || call.body.len() > self.setup.max_body {
            return Err(Refusal::new(413, "the body is too large"));
        }
        let secrets: Vec<Secret> =
            account.endpoint_secrets.iter().filter_map(|text| Secret::parse(text)).collect();
        let secret = standard_webhooks::verify(&secrets, &call.headers, &call.body, now)
            .map_err(|reason| Refusal::new(401, reason))?;
        self.admit(&account.account, now)?;
        if self.setup.gone_accounts.contains(&account.account) {
            return Err(Refusal::new(410, "the account is gone"));
        }
        if !call.is_json() {
            return Err(Refusal::new(415, "the body must be application/json"));
        }
        self.take_in(call, account, secret, now)
    }

    fn admit(&self, account: &str, now: u64) -> Result<(), Refusal> {
        let limit = self.setup.calls_per_second;
        let admission = self
            .state()
            .logs
            .entry(account.to_owned())
            .or_insert_with(|| SlidingLog::new(limit, WINDOW_MS))
            .admit(now);
        match admission {
            Admission::Admitted { .. } => Ok(()),
            Admission::Refused { retry_ms } => {
                let retry_after_s = Some(retry_ms.div_ceil(1_000).max(1));
                Err(Refusal { retry_after_s, ..Refusal::new(429, "too many calls") })
            }
        }
    }

    fn take_in(&self, call: &Call, account: &CustomAccount, secret: usize, now: u64) -> Result<(), Refusal> {
        let webhook_id = call.header(standard_webhooks::ID).unwrap_or_default();
        let key = (account.account.clone(), webhook_id.to_owned());
        // The lock is held to the end: two tries with one id at the same moment must not both pass.
        let mut state = self.state();
        if state.accepted.contains(&key) {
            state.repeated += 1;
            return Ok(());
        }
        let event = Event::read(&call.body).map_err(|reason| Refusal::new(400, reason))?;
        if self.setup.gone_people.contains(event.person()) {
            return Err(Refusal::new(410, "the person is gone"));
        }
        self.ledger.record(|seq| CustomReceived {
            seq,
            account: account.account.clone(),
            person: event.person().to_owned(),
            text: event.message().map(|message| message.content.words().to_owned()).unwrap_or_default(),
            webhook_id: webhook_id.to_owned(),
            event,
            secret,
            time: now,
        });
        state.accepted.insert(key);
        Ok(())
    }
}
