//! The admin port of each service: probes and metrics. Not for the internet: it knows no authentication.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::metrics;

/// Connections at once; more wait to be accepted. Probes and one or two scrapers need a handful.
const MAX_CONNECTIONS: usize = 64;

/// For a request head to arrive, and for an idle connection to be used again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Between emptyings of the exporter's buffers.
const UPKEEP: Duration = Duration::from_secs(5);

/// Pause after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What must hold before the service takes work: named conditions, each met or not. Clones share them.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, bool>>>);

/// One condition of a [`Readiness`]. Clones share it.
#[derive(Clone)]
pub struct Condition {
    readiness: Readiness,
    name: Arc<str>,
}

impl Readiness {
    /// Without any condition: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition that is not met yet. Its name is shown at `/health/ready`: lower case, such as `kafka`.
    #[must_use]
    pub fn condition(&self, name: &str) -> Condition {
        let condition = Condition { readiness: self.clone(), name: name.into() };
        condition.set(false);
        condition
    }

    /// Whether every condition is met.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|met| *met)
    }

    /// The conditions that are not met, by name.
    #[must_use]
    pub fn unmet(&self) -> Vec<String> {
        self.lock().iter().filter(|(_, met)| !**met).map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        // A map of flags cannot be half-written, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("unmet", &self.unmet()).finish()
    }
}

impl Condition {
    /// Says whether it is met. Any number of times, from any thread.
    pub fn set(&self, met: bool) {
        let before = self.readiness.lock().insert((*self.name).to_owned(), met);
        if before.is_some_and(|before| before != met) {
            tracing::info!(condition = &*self.name, met, "readiness changed");
        }
        metrics::READY.set(metrics::NONE, f64::from(u8::from(self.readiness.is_ready())));
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.name).finish()
    }
}

/// Serves the admin port for as long as the future lives: also while the service drains, so that probes still tell
/// what goes on. Drop it last.
pub async fn serve(listener: TcpListener, readiness: Readiness) -> Infallible {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = upkeep.tick() => {
                metrics::upkeep();
                continue;
            }
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "admin port cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let readiness = readiness.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let response = answer(request.method(), request.uri().path(), &readiness);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended");
            }
            drop(slot);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

fn answer(method: &Method, path: &str, readiness: &Readiness) -> Response<Full<Bytes>> {
    if !matches!(path, "/health/live" | "/health/ready" | "/metrics") {
        return text(StatusCode::NOT_FOUND, "not found\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/health/live" => text(StatusCode::OK, "live\n"),
        "/health/ready" => match readiness.unmet() {
            unmet if unmet.is_empty() => text(StatusCode::OK, "ready\n"),
            unmet => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", unmet.join(", "))),
        },
        _ => text(StatusCode::OK, metrics::render()),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    // The version is the one of Prometheus's text format, which plain text fits as well.
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
