//! Tokens: client credentials, their life, and the calls that each may make.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde_json::json;

use super::OAuthClient;
use super::error::Error;
use crate::http::{Answer, Call};
use crate::rate::{Admission, SlidingLog};

/// The tokens that were given out. It has no `Debug`: they are secrets.
pub(crate) struct Tokens {
    limit: usize,
    window_ms: u64,
    live: BTreeMap<String, Token>,
    issued: u64,
}

struct Token {
    ends_ms: u64,
    log: SlidingLog,
}

impl Tokens {
    pub(crate) fn new(limit: usize, window_ms: u64) -> Self {
        Self { limit, window_ms, live: BTreeMap::new(), issued: 0 }
    }

    pub(crate) fn issue(&mut self, token: String, ends_ms: u64) {
        self.issued += 1;
        self.live.insert(token, Token { ends_ms, log: SlidingLog::new(self.limit, self.window_ms) });
    }

    /// Ended tokens stay, for their figures.
    pub(crate) fn revoke_all(&mut self) {
        for token in self.live.values_mut() {
            token.ends_ms = 0;
        }
    }

    pub(crate) fn admit(&mut self, token: &str, now: u64) -> Result<Admission, Error> {
        match self.live.get_mut(token).filter(|token| now < token.ends_ms) {
            Some(token) => Ok(token.log.admit(now)),
            None => Err(Error::of_status(401, None)),
        }
    }

    pub(crate) fn issued(&self) -> u64 {
        self.issued
    }

    pub(crate) fn refused(&self) -> u64 {
        self.live.values().map(|token| token.log.refused()).sum()
    }

    pub(crate) fn most_in_a_window(&self) -> usize {
        self.live.values().map(|token| token.log.most_in_a_window()).max().unwrap_or(0)
    }
}

/// The headers that report the limit, and the refusal where the window is full.
pub(crate) fn limit_headers(
    admission: Admission,
    limit: usize,
) -> (Option<Error>, Vec<(&'static str, String)>) {
    let (count, wait_ms) = match admission {
        Admission::Admitted { count, reset_ms } => (count, reset_ms),
        Admission::Refused { retry_ms } => (limit, retry_ms),
    };
    // A second that has begun is reported as a whole one, so that who waits that long is never early.
    let seconds = wait_ms.div_ceil(1_000).max(1);
    let mut headers = vec![
        ("inin-ratelimit-allowed", limit.to_string()),
        ("inin-ratelimit-count", count.to_string()),
        ("inin-ratelimit-reset", seconds.to_string()),
    ];
    if matches!(admission, Admission::Admitted { .. }) {
        return (None, headers);
    }
    headers.push(("retry-after", seconds.to_string()));
    let message =
        format!("Rate limit of {limit} requests a minute exceeded. Try again in {seconds} seconds.");
    (Some(Error::new(429, "too.many.requests.retry.after", message)), headers)
}

/// Judges a call to the token endpoint.
pub(crate) fn check(call: &Call, clients: &[OAuthClient]) -> Result<(), Answer> {
    if call.method != Method::POST {
        return Err(refused(405, "invalid_request", "the method is not allowed"));
    }
    let form = form(&call.body);
    if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
        return Err(refused(400, "unsupported_grant_type", "grant type is not supported"));
    }
    let (given, status) = match call.header("authorization") {
        Some(header) => (basic(header), 401),
        None => (form.get("client_id").cloned().zip(form.get("client_secret").cloned()), 400),
    };
    match given {
        Some((id, secret)) if clients.iter().any(|client| client.id == id && client.secret == secret) => {
            Ok(())
        }
        _ => Err(refused(status, "invalid_client", "authentication failed")),
    }
}

/// The answer that carries a token.
pub(crate) fn granted(token: &str, expires_in: u64) -> Answer {
    Answer::json(200, &json!({"access_token": token, "token_type": "bearer", "expires_in": expires_in}))
}

fn refused(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(
        status,
        &json!({"error": error, "description": description, "error_description": description}),
    )
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, value) = header.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (id.to_owned(), secret.to_owned()))
}

/// Reads `application/x-www-form-urlencoded`.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    String::from_utf8_lossy(body)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (unescape(key), unescape(value)))
        .collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_unescaped() {
        let form = form(b"grant_type=client_credentials&client_id=a%2Bb&client_secret=x+y%3D%zz&z=%E0%B8%AA");
        assert_eq!(form["client_id"], "a+b");
        assert_eq!(form["client_secret"], "x y=%zz");
        assert_eq!(form["z"], "ส");
    }

    #[test]
    fn a_token_ends_and_has_a_window_of_its_own() {
        let mut tokens = Tokens::new(1, 60_000);
        tokens.issue("a".into(), 1_000);
        tokens.issue("b".into(), 90_000);
        assert!(matches!(tokens.admit("a", 999), Ok(Admission::Admitted { .. })));
        assert_eq!(tokens.admit("a", 1_000).unwrap_err().code, "bad.credentials");
        assert!(matches!(tokens.admit("b", 1_000), Ok(Admission::Admitted { .. })));
        assert_eq!(tokens.admit("b", 1_500), Ok(Admission::Refused { retry_ms: 59_500 }));
        tokens.revoke_all();
        assert!(tokens.admit("b", 80_000).is_err());
        assert_eq!((tokens.issued(), tokens.refused(), tokens.most_in_a_window()), (2, 1, 2));
    }

    #[test]
    fn the_wait_is_reported_in_whole_seconds_and_never_too_short() {
        for (retry_ms, told) in [(1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
            let (error, headers) = limit_headers(Admission::Refused { retry_ms }, 300);
            assert_eq!(error.unwrap().status, 429);
            assert!(headers.contains(&("retry-after", told.to_owned())), "{headers:?}");
        }
    }
}
