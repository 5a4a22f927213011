//! What egress asks a platform: the call that carries a message, and what its outcome means.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Method};
use schemas::{DecodeError, Framing, Outbox};
use serde_json::Value;

use crate::account::Authorization;
use crate::policy::Policy;
use crate::reconcile::{Reconcile, ReconcileTimes};

/// A message that is to be sent now.
pub struct Dispatch<'a> {
    /// The record.
    pub record: &'a Outbox,
    /// The person's address, where the policy asks for one.
    pub address: Option<&'a str>,
    /// What the endpoint signs with.
    pub authorization: &'a Authorization,
    /// ms since 1970 (UTC).
    pub now: i64,
}

/// A call to make. Base address and `Authorization` are added where it is made. It holds personal data: no `Debug`.
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query, from the first `/`; empty for the endpoint's own address.
    pub path: String,
    /// Headers besides `Authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

impl Call {
    /// A call with a JSON body.
    #[must_use]
    pub fn json(method: Method, path: String, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { method, path, headers, body: Some(body.to_string().into_bytes()) }
    }

    /// A call without a body.
    #[must_use]
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: None }
    }
}

/// A platform's answer. It may repeat the message: no `Debug`.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, up to a limit.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// `Retry-After` in seconds, the only form that the platforms use.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.number(RETRY_AFTER.as_str()).map(Duration::from_secs)
    }

    /// A header that holds a whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }

    /// A header that looks like a code, for logs and the delivery record.
    #[must_use]
    pub fn code(&self, name: &str) -> Option<String> {
        code(self.headers.get(name)?.to_str().ok()?)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// No connection: the platform cannot have seen the call.
    NotSent,
    /// Broken off or timed out later: the platform may have done the work.
    Unknown,
}

/// What came of a call.
pub type Outcome = Result<Answer, Transport>;

/// What an outcome means for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The platform has the message.
    Delivered {
        /// Its id there.
        platform_id: Option<String>,
        /// The conversation that it joined.
        conversation: Option<String>,
    },
    /// The platform does not have it; the same call may succeed later, not before the time it names.
    RetryAfter(Option<Duration>),
    /// The platform does not have it: the token or signature is not, or no longer, good.
    Reauthorise,
    /// The platform does not want it, now or ever. The text names codes and fields, never contents.
    Refused(String),
    /// The person can no longer be reached there. The text names codes, never contents.
    Gone(String),
    /// Nobody can say without asking whether the platform has it.
    InDoubt(Option<Duration>),
}

impl Verdict {
    /// The label of metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Verdict::Delivered { .. } => "delivered",
            Verdict::RetryAfter(_) => "retry",
            Verdict::Reauthorise => "reauthorise",
            Verdict::Refused(_) => "refused",
            Verdict::Gone(_) => "gone",
            Verdict::InDoubt(_) => "in_doubt",
        }
    }
}

/// Reads the bytes of an outbox record.
pub type ReadOutbox = Box<dyn Fn(&[u8]) -> Result<Outbox, DecodeError> + Send + Sync>;

/// Reads outbox records of a type that was released before there was one for all destinations.
pub struct Released {
    /// Their schemas, as JSON, oldest first: a schema registry may know them.
    pub schemas: &'static [&'static str],
    /// A reader for a framing.
    pub reader: fn(&Framing) -> ReadOutbox,
}

/// A platform's calls.
pub trait Api: Send + Sync {
    /// The rules of its calls.
    fn policy(&self) -> Policy;

    /// The call that carries a message. The same message gives the same call on every try, but for what names the time.
    fn call(&self, dispatch: &Dispatch<'_>) -> Call;

    /// What the outcome of that call means. `doubted` says that an earlier call of this message may have arrived.
    fn verdict(&self, outcome: &Outcome, doubted: bool) -> Verdict;

    /// How long the endpoint must rest after this answer, whatever message it was about.
    fn rest(&self, answer: &Answer) -> Option<Duration> {
        (answer.status == 429).then(|| answer.retry_after())?
    }

    /// The questions after an unknown outcome; `None` where the policy needs none. `conversation` is the person's, as far
    /// as it is known.
    fn reconcile(
        &self,
        record: &Outbox,
        conversation: Option<&str>,
        times: ReconcileTimes,
    ) -> Option<Box<dyn Reconcile>> {
        let _ = (record, conversation, times);
        None
    }

    /// How earlier versions wrote its outbox.
    fn released(&self) -> Option<Released> {
        None
    }
}

/// Longest code of a platform that we repeat, in bytes.
const LONGEST_CODE: usize = 100;

/// A platform's code, field name or id, if it looks like one: what looks like prose may repeat a customer's words and
/// must not reach a log or a header.
pub(crate) fn code(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:[]".contains(&b);
    let fits = !text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}

/// A string at `pointer` that looks like a code.
pub(crate) fn code_at(body: &Value, pointer: &str) -> Option<String> {
    code(body.pointer(pointer)?.as_str()?)
}

/// One segment of a path: everything but unreserved characters is percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
#[path = "api_tests.rs"]
pub(crate) mod tests;
