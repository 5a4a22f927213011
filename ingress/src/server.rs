//! Accepts connections, no more at once than there are places, and ends them gracefully.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use runtime::{Shutdown, metrics};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{Edge, RawLog, conn};

/// Pause after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `edge` on `listener` until `shutdown`, then lets what runs finish, for no longer than the drain time-out.
/// With `tls`, connections are TLS.
pub async fn serve<L: RawLog>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    edge: Arc<Edge<L>>,
    shutdown: Shutdown,
) {
    let places = Arc::new(Semaphore::new(edge.settings.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.wait() => break,
        };
        let (tls, edge, places) = (tls.clone(), edge.clone(), places.clone());
        connections.spawn(connection(stream, peer, tls, edge, places, place, shutdown.clone()));
        while let Some(ended) = connections.try_join_next() {
            note(ended);
        }
    }
    // New connections are refused from here on, so that a balancer goes elsewhere at once.
    drop(listener);
    tracing::info!(connections = connections.len(), "no longer accepting, finishing what runs");
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    if tokio::time::timeout(edge.settings.drain_timeout, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections disconnected at the end");
        metrics::INGRESS_CONNECTIONS_CUT.add(["drain"], connections.len() as u64);
        connections.shutdown().await;
    }
}

/// A place, then a connection for it: while there is no place, connections wait in the listener's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    let place = match places.clone().try_acquire_owned() {
        Ok(place) => place,
        Err(_) => {
            metrics::INGRESS_CONNECTIONS_FULL.add(metrics::NONE, 1);
            places.clone().acquire_owned().await.expect("the semaphore is never closed")
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip(), place),
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<L: RawLog>(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<TlsAcceptor>,
    edge: Arc<Edge<L>>,
    places: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
    shutdown: Shutdown,
) {
    let _open = Open::new(place);
    // Answers are one small write, so there is nothing to wait for; without it they only leave later.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return conn::serve(stream, peer, edge, places, &shutdown).await };
    match tokio::time::timeout(edge.settings.header_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => conn::serve(stream, peer, edge, places, &shutdown).await,
        _ => metrics::INGRESS_CONNECTIONS_CUT.add(["tls_handshake"], 1),
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked, its request is unanswered");
    }
}

/// Counts a connection as open while it lives, and keeps its place.
struct Open(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Open {
    fn new(place: OwnedSemaphorePermit) -> Self {
        metrics::INGRESS_CONNECTIONS.of(metrics::NONE).increment(1.0);
        Self(place)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::INGRESS_CONNECTIONS.of(metrics::NONE).decrement(1.0);
    }
}
