//! One connection: HTTP/1.1 with keep-alive, bounded in every state, closed so that the last answer arrives.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::{Shutdown, metrics};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

use crate::{Edge, RawLog};

/// Largest head of a request, in bytes; more is answered 431. Platforms send less than 2 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// Read buffer of a connection, in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// After the last answer the peer's rest is read and thrown away for this long and this far: closing a socket with
/// unread bytes resets it, and the reset can overtake the answer (413, 401).
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: u64 = 4 * 1024 * 1024;

/// Serves requests of one connection until `peer`, a time-out or `shutdown` ends it. `places`: those that are left for
/// other connections.
pub(crate) async fn serve<S, L>(
    stream: S,
    peer: IpAddr,
    edge: Arc<Edge<L>>,
    places: Arc<Semaphore>,
    shutdown: &Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    L: RawLog,
{
    let phase = Arc::new(Phase::new());
    let (header_timeout, idle_timeout) = (edge.settings.header_timeout, edge.settings.idle_timeout);
    let io = TokioIo::new(Patient::new(stream, phase.clone(), header_timeout));
    let service = service_fn(|request| {
        phase.set(Phase::BUSY);
        let (edge, phase, places) = (edge.clone(), phase.clone(), places.clone());
        Box::pin(async move {
            let answer = edge.answer(request, peer).await;
            phase.set(Phase::IDLE);
            Ok::<_, Infallible>(answer.response(places.available_permits() == 0))
        })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(READ_BUFFER)
        .max_header_size(MAX_HEAD);
    let mut connection = http.serve_connection(io, service);

    let mut ending = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = shutdown.wait(), if !ending => {
                ending = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        let cause = match phase.get() {
            Phase::LATE => "slow_header",
            Phase::IDLE if error.is_timeout() => "idle",
            _ => "broken",
        };
        metrics::INGRESS_CONNECTIONS_CUT.add([cause], 1);
        tracing::debug!(cause, "connection ended");
        // Only a broken head has an answer of hyper's own (400, 431) on its way.
        if cause != "broken" {
            return;
        }
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// Says that we are done, and reads on until the peer is too.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let end = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whether the peer waits for our close makes no difference to it or to us.
    let _ = tokio::time::timeout(LINGER, end).await;
}

/// What a connection is doing.
struct Phase(AtomicU8);

impl Phase {
    /// A head has begun (or the connection has).
    const HEAD: u8 = 0;
    /// A request is being answered.
    const BUSY: u8 = 1;
    /// Between two requests.
    const IDLE: u8 = 2;
    /// A head was not complete in time.
    const LATE: u8 = 3;

    fn new() -> Self {
        Self(AtomicU8::new(Self::HEAD))
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// A stream whose reads fail once a head has taken too long. hyper has one time-out for heads and for idle
/// connections alike; a connection may be idle for long, but a head that has begun may not.
struct Patient<S> {
    stream: S,
    phase: Arc<Phase>,
    header_timeout: Duration,
    head_until: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    fn new(stream: S, phase: Arc<Phase>, header_timeout: Duration) -> Self {
        Self { stream, phase, header_timeout, head_until: Box::pin(tokio::time::sleep(header_timeout)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.phase.get() == Phase::HEAD && self.head_until.as_mut().poll(cx).is_ready() {
            self.phase.set(Phase::LATE);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.phase.get() == Phase::IDLE && buf.filled().len() > before {
            self.phase.set(Phase::HEAD);
            let until = Instant::now() + self.header_timeout;
            self.head_until.as_mut().reset(until);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
