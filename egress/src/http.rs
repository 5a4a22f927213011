//! The one HTTP client: time-outs, bounds, and what a transport error says about the call.

use std::time::Duration;

use platforms::{Answer, Call, Outcome, Transport};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use runtime::Secret;

/// Largest body that is read of an answer, in bytes. What is beyond is not read; the verdict then rests on the status.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// For a connection, TLS included. Below the time for the whole call, so that "no connection" differs from "no answer".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: less than what load balancers usually allow, so that they do not close it
/// under a call.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// The client. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client whose calls take `call_timeout` at most.
    ///
    /// # Errors
    /// If TLS cannot be set up. The process must have installed a crypto provider.
    pub fn new(call_timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(call_timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(call_timeout))
            .pool_idle_timeout(POOL_IDLE)
            .redirect(Policy::none())
            // The retries of a message are counted and timed in one place, and that is not here.
            .retry(reqwest::retry::never())
            // The environment is read in one place, and that is not here either.
            .no_proxy()
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// Makes a call. `authorization` is the whole value of that header, if there is to be one.
    pub async fn call(&self, base: &str, call: &Call, authorization: Option<&Secret>) -> Outcome {
        let mut request = self.client.request(call.method.clone(), url(base, &call.path));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = authorization {
            let Ok(mut value) = HeaderValue::from_str(authorization.reveal()) else {
                tracing::error!("a token or secret has characters that no header can carry");
                return Err(Transport::NotSent);
            };
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        match request.send().await {
            Ok(response) => Ok(read(response).await),
            Err(error) => Err(transport(&error)),
        }
    }
}

/// The address of a call; without a path it is the endpoint's own, as it is written.
fn url(base: &str, path: &str) -> String {
    if path.is_empty() { base.to_owned() } else { format!("{}{path}", base.trim_end_matches('/')) }
}

/// Reads an answer. Once the status is there, the platform has spoken: a body that breaks off changes nothing.
async fn read(mut response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > BODY_LIMIT {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Answer { status, headers, body }
}

fn transport(error: &reqwest::Error) -> Transport {
    if error.is_connect() || error.is_builder() { Transport::NotSent } else { Transport::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_slash_and_an_empty_one_changes_nothing() {
        for (base, path, expected) in [
            ("https://a.example", "/v1/x?y=1", "https://a.example/v1/x?y=1"),
            ("https://a.example/", "/v1/x", "https://a.example/v1/x"),
            ("https://a.example/hook/", "", "https://a.example/hook/"),
            ("https://a.example/hook?key=1", "", "https://a.example/hook?key=1"),
        ] {
            assert_eq!(url(base, path), expected);
        }
    }
}
