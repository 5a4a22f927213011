//! The limits of the edge, from the configuration, and those that nobody needs to set.

use std::time::Duration;

use runtime::config;

/// How long a connection may be idle between two requests. More than the 60 s of the usual load balancers, which
/// must be the ones to close: a request that meets our close would be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// At the end, what is still running has this long to finish; then it is disconnected, unanswered, and counted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The limits of the edge.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections at once; more wait in the listener's queue, counted.
    pub max_connections: usize,
    /// Largest body, in bytes; more is answered 413.
    pub body_limit: usize,
    /// For a TLS handshake, and for a request's head from its first byte (or, of the first request, from the
    /// connection's begin); then it is disconnected, counted.
    pub header_timeout: Duration,
    /// Between two requests; then the connection is closed, counted.
    pub idle_timeout: Duration,
    /// For a whole body; more is answered 408.
    pub body_timeout: Duration,
    /// For the broker's acknowledgement; what takes longer goes to the spool, or is answered 503 without one.
    pub ack_timeout: Duration,
    /// For what still runs when the end is asked for.
    pub drain_timeout: Duration,
}

impl From<&config::Ingress> for Settings {
    fn from(ingress: &config::Ingress) -> Self {
        Self {
            max_connections: ingress.max_connections,
            body_limit: ingress.body_limit,
            header_timeout: ingress.header_timeout,
            idle_timeout: IDLE_TIMEOUT,
            body_timeout: ingress.body_timeout,
            ack_timeout: ingress.ack_timeout,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}
