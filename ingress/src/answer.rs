//! What a request is answered: a status, and whether the connection may be used again.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use platforms::{Accepted, Denied};

/// `Retry-After` of a 503, in seconds. Genesys comes again after 5 s whatever it says; LINE does not tell.
const RETRY_AFTER_SECONDS: &str = "5";

/// Why a request is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such path, or no such account.
    NotFound,
    /// Not one of these methods.
    MethodNotAllowed(&'static [Method]),
    /// It comes from an address that is not in the account's list.
    Forbidden,
    /// The body is over the limit.
    TooLarge,
    /// The body was not complete in time.
    SlowBody,
    /// The body ended early, or its framing is wrong.
    BrokenBody,
    /// The request has not the form that its platform gives it.
    Malformed,
    /// The signature is absent, malformed, there twice, or not the body's.
    BadSignature,
    /// Whether the sender is who it says cannot be told now.
    Undecided,
    /// Neither the broker nor the spool has all records.
    NotWritten,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Denied => Refusal::BadSignature,
            Denied::Malformed => Refusal::Malformed,
            Denied::Undecided => Refusal::Undecided,
        }
    }
}

/// The status of what a platform wants to hear; 200 where that is no status.
pub(crate) fn status_of(accepted: Accepted) -> StatusCode {
    StatusCode::from_u16(accepted.status).unwrap_or(StatusCode::OK)
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer(Result<Accepted, Refusal>);

impl From<Result<Accepted, Refusal>> for Answer {
    fn from(result: Result<Accepted, Refusal>) -> Self {
        Self(result)
    }
}

impl Answer {
    /// Whether all of the request is kept.
    pub(crate) fn is_accepted(self) -> bool {
        self.0.is_ok()
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        match self.0 {
            Ok(accepted) => status_of(accepted),
            Err(Refusal::NotFound) => StatusCode::NOT_FOUND,
            Err(Refusal::MethodNotAllowed(_)) => StatusCode::METHOD_NOT_ALLOWED,
            Err(Refusal::Forbidden) => StatusCode::FORBIDDEN,
            Err(Refusal::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(Refusal::SlowBody) => StatusCode::REQUEST_TIMEOUT,
            Err(Refusal::BrokenBody | Refusal::Malformed) => StatusCode::BAD_REQUEST,
            Err(Refusal::BadSignature) => StatusCode::UNAUTHORIZED,
            Err(Refusal::Undecided | Refusal::NotWritten) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the sender has shown that it is who it says. Only such connections may stay open when idle.
    fn authenticated(self) -> bool {
        matches!(self.0, Ok(_) | Err(Refusal::NotWritten))
    }

    /// What the platform wants to hear, or a fixed text for a person who tries by hand; nothing of the request is in it.
    fn text(self) -> &'static str {
        match self.0 {
            Ok(accepted) => accepted.body,
            Err(Refusal::NotFound) => "no such webhook\n",
            Err(Refusal::MethodNotAllowed(_)) => "method not allowed\n",
            Err(Refusal::Forbidden) => "forbidden\n",
            Err(Refusal::TooLarge) => "body over the limit\n",
            Err(Refusal::SlowBody) => "body not complete in time\n",
            Err(Refusal::BrokenBody) => "body broken off\n",
            Err(Refusal::Malformed) => "malformed\n",
            Err(Refusal::BadSignature) => "signature missing or wrong\n",
            Err(Refusal::Undecided) => "cannot be authenticated now, come again\n",
            Err(Refusal::NotWritten) => "not stored, come again\n",
        }
    }

    /// As HTTP. `crowded`: other connections wait for this one's place, so it is given up after the answer.
    pub(crate) fn response(self, crowded: bool) -> Response<Full<Bytes>> {
        let text = self.text();
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if !text.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        match self.0 {
            Err(Refusal::MethodNotAllowed(methods)) => {
                let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
                let names = HeaderValue::from_str(&names.join(", "));
                headers.insert(ALLOW, names.expect("the name of a method is a token"));
            }
            Err(Refusal::Undecided | Refusal::NotWritten) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        if crowded || !self.authenticated() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
