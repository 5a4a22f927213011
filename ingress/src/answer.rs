//! What a request is answered: a status, and whether the connection may be used again.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

/// `Retry-After` of a 503, in seconds. Genesys comes again after 5 s whatever it says; LINE does not tell.
const RETRY_AFTER_SECONDS: &str = "5";

/// Why a request is not answered 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such path, or no such account.
    NotFound,
    /// Not a POST.
    MethodNotAllowed,
    /// The body is over the limit.
    TooLarge,
    /// The body was not complete in time.
    SlowBody,
    /// The body ended early, or its framing is wrong.
    BrokenBody,
    /// The signature is absent, malformed, there twice, or not the body's.
    BadSignature,
    /// Neither the broker nor the spool has all records.
    NotWritten,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer(Result<(), Refusal>);

impl From<Result<(), Refusal>> for Answer {
    fn from(result: Result<(), Refusal>) -> Self {
        Self(result)
    }
}

impl Answer {
    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        match self.0 {
            Ok(()) => StatusCode::OK,
            Err(Refusal::NotFound) => StatusCode::NOT_FOUND,
            Err(Refusal::MethodNotAllowed) => StatusCode::METHOD_NOT_ALLOWED,
            Err(Refusal::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(Refusal::SlowBody) => StatusCode::REQUEST_TIMEOUT,
            Err(Refusal::BrokenBody) => StatusCode::BAD_REQUEST,
            Err(Refusal::BadSignature) => StatusCode::UNAUTHORIZED,
            Err(Refusal::NotWritten) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the sender has shown that it is who it says. Only such connections may stay open when idle.
    fn verified(self) -> bool {
        matches!(self.0, Ok(()) | Err(Refusal::NotWritten))
    }

    /// A fixed text for a person who tries by hand; nothing of the request is in it.
    fn text(self) -> &'static str {
        match self.0 {
            Ok(()) => "",
            Err(Refusal::NotFound) => "no such webhook\n",
            Err(Refusal::MethodNotAllowed) => "only POST\n",
            Err(Refusal::TooLarge) => "body over the limit\n",
            Err(Refusal::SlowBody) => "body not complete in time\n",
            Err(Refusal::BrokenBody) => "body broken off\n",
            Err(Refusal::BadSignature) => "signature missing or wrong\n",
            Err(Refusal::NotWritten) => "not stored, come again\n",
        }
    }

    /// As HTTP. `crowded`: other connections wait for this one's place, so it is given up after the answer.
    pub(crate) fn response(self, crowded: bool) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_static(self.text().as_bytes())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if self.0.is_err() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        match self.0 {
            Err(Refusal::MethodNotAllowed) => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Err(Refusal::NotWritten) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        if crowded || !self.verified() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
