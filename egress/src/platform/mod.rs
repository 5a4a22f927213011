//! What both platforms share: a request to make, the outcome of a call, and the verdict on it.

pub mod genesys;
pub mod line;

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// A call to make. Base address and authorisation are added where it is made. It holds personal data: no `Debug`.
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, from the first `/`.
    pub path: String,
    /// Headers besides `Authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

impl Request {
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
    /// The body, cut at a bound.
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

    /// The platform's id of this call, for logs and the delivery record.
    #[must_use]
    pub fn correlation_id(&self) -> Option<String> {
        let value =
            self.headers.get("inin-correlation-id").or_else(|| self.headers.get("x-line-request-id"))?;
        code(value.to_str().ok()?)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// No connection: the platform cannot have seen the call.
    NotSent,
    /// Cut or timed out later: the platform may have done the work.
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
    /// The platform does not have it: the token is not, or no longer, good.
    Reauthorise,
    /// The platform does not want it, now or ever. The text names codes and fields, never contents.
    Refused(String),
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
            Verdict::InDoubt(_) => "in_doubt",
        }
    }
}

/// Longest code of a platform that we repeat, in bytes.
const LONGEST_CODE: usize = 100;

/// A platform's code, field name or id, if it looks like one: what looks like prose may repeat a customer's words and
/// must not reach a log or a header.
fn code(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:[]".contains(&b);
    let fits = !text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}

/// A string at `pointer` that looks like a code.
fn code_at(body: &Value, pointer: &str) -> Option<String> {
    code(body.pointer(pointer)?.as_str()?)
}

/// One segment of a path: everything but unreserved characters is percent-encoded.
fn segment(text: &str) -> String {
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
pub(crate) mod tests {
    use super::*;

    /// An answer as a table row writes it.
    pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Outcome {
        let headers = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        Ok(Answer { status, headers, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn only_codes_are_repeated() {
        assert_eq!(code("bad.request").as_deref(), Some("bad.request"));
        assert_eq!(code("messages[0].text").as_deref(), Some("messages[0].text"));
        assert_eq!(code("call me at 010 1234"), None);
        assert_eq!(code(&"a".repeat(101)), None);
        assert_eq!(code(""), None);
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("a2171742-7359"), "a2171742-7359");
        assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
    }

    #[test]
    fn a_retry_after_that_is_no_number_is_none() {
        let read = |v: &str| answer(429, &[("retry-after", v)], "").ok().and_then(|a| a.retry_after());
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(read("-1"), None);
    }
}
