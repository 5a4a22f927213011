//! HTTP as the stand-ins see it: a call read whole, an answer, and a small client for the webhook senders.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;

/// More of a body than this is not read, whatever a platform's own limit is.
const BODY_CAP: usize = 8 << 20;
/// More of an answer to a webhook than this is not read: platforms ignore the body.
const ANSWER_CAP: usize = 8 << 20;

/// A request, read whole. It carries tokens and texts, so it has no `Debug`.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body went beyond `BODY_CAP`; `body` is empty.
    pub(crate) oversized: bool,
}

/// The caller went away before its request was whole.
#[derive(Debug)]
pub(crate) struct Gone;

impl Call {
    pub(crate) async fn read(request: Request<Incoming>) -> Result<Self, Gone> {
        let (head, body) = request.into_parts();
        // What is declared too long is not read at all.
        let declared = body.size_hint().lower();
        let (body, oversized) = if declared > BODY_CAP as u64 {
            (Bytes::new(), true)
        } else {
            match Limited::new(body, BODY_CAP).collect().await {
                Ok(body) => (body.to_bytes(), false),
                Err(error) if error.is::<LengthLimitError>() => (Bytes::new(), true),
                Err(_) => return Err(Gone),
            }
        };
        Ok(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            oversized,
        })
    }

    /// A header as text; `None` where it is absent or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A query parameter, undecoded.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    /// The token of `Authorization: Bearer`, the scheme in any case.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Whether the body claims to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| {
            kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"))
        })
    }
}

/// An answer with a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("what the stand-ins write is plain JSON data");
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// Why a webhook got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// None in time; the other side may have received it all the same.
    Timeout,
    /// No connection, or it ended without an answer.
    Connection,
    /// The address is not a URL.
    BadUrl,
}

/// A client with kept-alive connections.
#[derive(Debug, Clone)]
pub struct Client(hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>);

impl Default for Client {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector))
    }
}

impl Client {
    /// One call over plain HTTP; the whole of it, the body of the answer included, within `timeout`.
    ///
    /// # Errors
    /// [`NoAnswer`] says why there is no whole answer.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        timeout: Duration,
    ) -> Result<(u16, HeaderMap, Bytes), NoAnswer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|_| NoAnswer::BadUrl)?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|_| NoAnswer::Connection)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_CAP).collect().await.map_err(|_| NoAnswer::Connection)?;
            Ok((head.status.as_u16(), head.headers, body.to_bytes()))
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(NoAnswer::Timeout))
    }
}
