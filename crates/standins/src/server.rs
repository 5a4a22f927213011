//! One server for all stand-ins: on a listener of its own, or mounted inside another server.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::control;
use crate::custom::Custom;
use crate::fault::Drawn;
use crate::genesys::Genesys;
use crate::http::{Answer, Call};
use crate::line::Line;
use crate::platform::Platform;
use crate::setup::Setup;

/// How long an accept error (no file descriptors left) pauses the listener.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the calls under way have to finish after the shutdown; a fault may hold one for longer.
const GRACE: Duration = Duration::from_secs(2);

/// All stand-ins. Cloning gives another handle to the same ones.
#[derive(Clone)]
pub struct Standins(Arc<Inner>);

struct Inner {
    clock: Clock,
    genesys: Genesys,
    line: Line,
    custom: Custom,
}

impl fmt::Debug for Standins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standins")
            .field("genesys", &self.0.genesys)
            .field("line", &self.0.line)
            .field("custom", &self.0.custom)
            .finish()
    }
}

/// Marks an answer that must not be sent: the connection ends without one.
///
/// [`Standins::serve`] does so. A server that mounts the platforms' own paths looks for it in the extensions of
/// the response and lets its service fail, which makes hyper close the connection.
#[derive(Debug, Clone, Copy)]
pub struct Cut;

/// The service fails with this to cut a connection.
#[derive(Debug)]
struct Severed;

impl fmt::Display for Severed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection cut by a fault")
    }
}

impl std::error::Error for Severed {}

impl Standins {
    /// The stand-ins of a setup, with nothing received yet.
    #[must_use]
    pub fn new(setup: Setup, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            genesys: Genesys::new(setup.genesys, clock.clone()),
            line: Line::new(setup.line, clock.clone()),
            custom: Custom::new(setup.custom, clock.clone()),
            clock,
        }))
    }

    /// The clock that was handed in.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The stand-in of Genesys Cloud.
    #[must_use]
    pub fn genesys(&self) -> &Genesys {
        &self.0.genesys
    }

    /// The stand-in of LINE.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.0.line
    }

    /// The stand-in of a custom channel.
    #[must_use]
    pub fn custom(&self) -> &Custom {
        &self.0.custom
    }

    /// Whether the path belongs to the stand-ins: `/_standins/…`, or a call of a platform.
    #[must_use]
    pub fn owns(path: &str) -> bool {
        control::owns(path) || Platform::of_path(path).is_some()
    }

    /// Answers a request; `None` where the path is not the stand-ins'.
    ///
    /// What a call does is done even if the caller goes away before the answer, as on a real platform.
    pub async fn handle(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        if !Self::owns(request.uri().path()) {
            return None;
        }
        let standins = self.clone();
        let work = tokio::spawn(async move { standins.work(request).await });
        let answer = work.await.unwrap_or_else(|_| Some(Answer::json(500, &"the stand-in failed")));
        Some(answer.map_or_else(cut, Answer::into_response))
    }

    /// The answer, or `None` for a connection that is to be cut.
    async fn work(self, request: Request<Incoming>) -> Option<Answer> {
        let call = Call::read(request).await.ok()?;
        if control::owns(&call.path) {
            return Some(control::answer(&self, &call).await);
        }
        let platform = Platform::of_path(&call.path)?;
        let drawn = self.faults(platform).draw(&call.path);
        let Drawn { delay_before_ms, delay_after_ms, status, reset_before, reset_after } = drawn;
        pause(delay_before_ms).await;
        if reset_before {
            return None;
        }
        let answer = match status {
            Some((status, retry_after, message)) => self.fail(platform, status, retry_after, message),
            None => self.answer(platform, &call),
        };
        pause(delay_after_ms).await;
        if reset_after && platform == Platform::Genesys && answer.status < 300 {
            self.genesys().unanswered(&call);
        }
        (!reset_after).then_some(answer)
    }

    /// Serves all stand-ins until `shutdown` is ready; calls under way then have two seconds to finish.
    ///
    /// # Errors
    /// None while it runs; the result is there for the listener's address.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        listener.local_addr()?;
        let (ending, end) = watch::channel(false);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        tokio::spawn(self.clone().connection(stream, end.clone()));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(end);
        ending.send_replace(true);
        let _ = tokio::time::timeout(GRACE, ending.closed()).await;
        Ok(())
    }

    async fn connection(self, stream: TcpStream, mut end: watch::Receiver<bool>) {
        // Answers are small; without this they wait for the other side's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| {
            let standins = self.clone();
            async move {
                let response = standins.handle(request).await.unwrap_or_else(not_found);
                if response.extensions().get::<Cut>().is_some() { Err(Severed) } else { Ok(response) }
            }
        });
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            _ = connection.as_mut() => true,
            _ = end.wait_for(|end| *end) => false,
        };
        if !ended {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

fn cut() -> Response<Full<Bytes>> {
    let mut response = Answer::json(500, &"the connection should have been cut").into_response();
    response.extensions_mut().insert(Cut);
    response
}

fn not_found() -> Response<Full<Bytes>> {
    Answer::json(404, &"no such path at the stand-ins").into_response()
}
