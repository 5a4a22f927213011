//! The token of an OAuth client: one request at a time, renewed before it expires and once after a refusal.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platforms::{Call, ClientCredentials, Outcome};
use reqwest::Method;
use runtime::{Secret, metrics};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::http::Http;
use crate::retry::Schedule;

/// A token that is refused within this time of its issue does not prove that the next one will work: the renewal
/// after it waits as a failed one does.
const EARLY: Duration = Duration::from_secs(60);

/// A token to use for a call.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Value of the `Authorization` header.
    pub authorization: Secret,
    /// Which token this is, counted from 1.
    pub generation: u64,
}

/// Why no token was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The client is not known or its secret is wrong: a person must act.
    Refused(u16),
    /// The login service cannot be reached, or is busy until then.
    Unavailable(Option<Duration>),
}

/// The call for a token, apart from its `Authorization`.
#[must_use]
pub fn call(path: &str) -> Call {
    Call {
        method: Method::POST,
        path: path.into(),
        headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
        body: Some(b"grant_type=client_credentials".to_vec()),
    }
}

/// The token and its life, out of the answer; an answer that names no life means `shortest_life`.
///
/// # Errors
/// If the answer has none.
pub fn read(outcome: &Outcome, shortest_life: Duration) -> Result<(Secret, Duration), TokenError> {
    let answer = outcome.as_ref().map_err(|_| TokenError::Unavailable(None))?;
    match answer.status {
        200..=299 => {
            let body = answer.json();
            let token = body["access_token"].as_str().ok_or(TokenError::Unavailable(None))?;
            let life = body["expires_in"].as_u64().map_or(shortest_life, Duration::from_secs);
            Ok((Secret::new(format!("Bearer {token}")), life))
        }
        408 | 429 | 500..=599 => Err(TokenError::Unavailable(answer.retry_after())),
        status => Err(TokenError::Refused(status)),
    }
}

/// When a token is renewed: at 5/6 of its life, so that a login service that is down for a while is not noticed.
#[must_use]
pub fn renew_after(life: Duration) -> Duration {
    life / 6 * 5
}

/// `Basic …` of a client.
#[must_use]
pub fn basic(id: &str, secret: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{id}:{}", secret.reveal()))))
}

/// Where and as whom to ask for tokens.
pub struct Client {
    /// Name in the configuration.
    pub name: String,
    /// Login service, id and secret.
    pub credentials: ClientCredentials,
    /// Delays between failed requests.
    pub schedule: Schedule,
    /// A number from 0 to 1, another one each time.
    pub chance: fn() -> f64,
}

#[derive(Debug, Clone, Default)]
struct State {
    wanted: bool,
    generation: u64,
    current: Option<Secret>,
}

/// The tokens of one client. A task of its own asks for them, so that there is never more than one request; the first
/// one when somebody wants a token.
#[derive(Debug)]
pub struct Tokens {
    state: Arc<watch::Sender<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Tokens {
    /// Starts the task; it ends when this is dropped.
    #[must_use]
    pub fn start(client: Client, http: Http) -> Self {
        let state = Arc::new(watch::Sender::new(State::default()));
        let task = tokio::spawn(keep(state.clone(), client, http));
        Self { state, task }
    }

    /// The token; waits until there is one. Safe to cancel.
    pub async fn grant(&self) -> Grant {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.wanted, true));
        let mut seen = self.state.subscribe();
        loop {
            let (generation, current) = {
                let state = seen.borrow_and_update();
                (state.generation, state.current.clone())
            };
            if let Some(authorization) = current {
                return Grant { authorization, generation };
            }
            // The sender lives in `self`, so the channel cannot close under the wait.
            let _ = seen.changed().await;
        }
    }

    /// The platform refused this token. However many lanes say so, it is renewed once.
    pub fn refused(&self, generation: u64) {
        self.state.send_if_modified(|state| {
            let is_current = state.generation == generation && state.current.is_some();
            if is_current {
                state.current = None;
            }
            is_current
        });
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps a token in `state` from the first time that one is wanted.
async fn keep(state: Arc<watch::Sender<State>>, client: Client, http: Http) {
    let mut seen = state.subscribe();
    let _ = seen.wait_for(|state| state.wanted).await;
    let mut refused_early = 0;
    loop {
        if refused_early > 1 {
            tracing::error!(
                client = client.name,
                "fresh tokens are refused; check the client's roles and allowed addresses"
            );
            sleep(client.schedule.delay(refused_early - 2, (client.chance)(), None)).await;
        }
        let (token, life) = fetch(&client, &http).await;
        metrics::EGRESS_TOKEN_FAILING.set([client.name.clone()], if refused_early > 1 { 1.0 } else { 0.0 });
        let issued = Instant::now();
        state.send_modify(|state| {
            state.generation += 1;
            state.current = Some(token);
        });
        tokio::select! {
            () = sleep_until(issued + renew_after(life)) => refused_early = 0,
            _ = seen.wait_for(|state| state.current.is_none()) => {
                tracing::info!(client = client.name, age_s = issued.elapsed().as_secs(), "token refused, asking for another");
                refused_early = if issued.elapsed() < EARLY { refused_early + 1 } else { 1 };
            }
        }
    }
}

/// Asks until there is a token. Meanwhile the old one, if it is still good, stays in use.
async fn fetch(client: &Client, http: &Http) -> (Secret, Duration) {
    let failing = metrics::EGRESS_TOKEN_FAILING.of([client.name.clone()]);
    let ClientCredentials { login_url, token_path, id, secret, shortest_life } = &client.credentials;
    let (call, authorization) = (call(token_path), basic(id, secret));
    for retry in 0.. {
        let outcome = http.call(login_url, &call, Some(&authorization)).await;
        let result = read(&outcome, *shortest_life);
        let label = match &result {
            Ok(_) => "ok",
            Err(TokenError::Refused(_)) => "refused",
            Err(TokenError::Unavailable(_)) => "unavailable",
        };
        metrics::EGRESS_TOKEN_REQUESTS.add([client.name.clone(), label.to_owned()], 1);
        let retry_after = match result {
            Ok(fetched) => return fetched,
            Err(TokenError::Refused(status)) => {
                failing.set(1.0);
                tracing::error!(
                    client = client.name,
                    status,
                    "the login service refuses this client; check id and secret"
                );
                None
            }
            Err(TokenError::Unavailable(retry_after)) => {
                failing.set(1.0);
                tracing::warn!(client = client.name, retry, "no token from the login service");
                retry_after
            }
        };
        sleep(client.schedule.delay(retry, (client.chance)(), retry_after)).await;
    }
    unreachable!("the loop has no end")
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
