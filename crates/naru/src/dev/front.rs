//! The one address of `naru dev`: webhooks go to ingress, `/_standins/…` to the stand-ins.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ingress::{Edge, KafkaLog};
use runtime::Shutdown;
use standins::Standins;
use tokio::net::TcpListener;

/// Where the stand-ins' ledgers and faults are.
const STANDINS: &str = "/_standins/";

/// Serves until `shutdown`. Connections that are open then are cut: there is nothing to lose here.
pub(crate) async fn serve(
    listener: TcpListener,
    edge: Arc<Edge<Arc<KafkaLog>>>,
    standins: Standins,
    shutdown: Shutdown,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => return,
        };
        let Ok((stream, peer)) = stream else { continue };
        // Answers are one small write, so there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let (edge, standins) = (edge.clone(), standins.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (edge, standins) = (edge.clone(), standins.clone());
                async move {
                    if !request.uri().path().starts_with(STANDINS) {
                        return Ok::<_, Infallible>(edge.respond(request, peer.ip()).await);
                    }
                    Ok(standins.handle(request).await.expect("the stand-ins own this prefix"))
                }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}
