//! Reads a body up to a limit and a deadline. No byte beyond the limit is kept.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::answer::Refusal;

/// What is reserved at first where the body comes in several pieces, in bytes: a peer that only announces a large
/// body gets no memory for it.
const FIRST_RESERVE: usize = 16 * 1024;

/// The whole body. A body whose announced length is over `limit` is refused before any of it is read.
pub(crate) async fn read<B>(body: B, limit: usize, timeout: Duration) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |length| length > limit) {
        return Err(Refusal::TooLarge);
    }
    tokio::time::timeout(timeout, collect(body, limit)).await.unwrap_or(Err(Refusal::SlowBody))
}

async fn collect<B: Body<Data = Bytes>>(body: B, limit: usize) -> Result<Bytes, Refusal> {
    let mut body = pin!(body);
    let mut whole = Bytes::new();
    // Most bodies arrive in one piece, which is then used as it is; only a second piece makes a buffer.
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // What the client library says of a broken body may quote it, so it goes no further.
        let Ok(frame) = frame else { return Err(Refusal::BrokenBody) };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + pieces.len() + data.len() > limit {
            return Err(Refusal::TooLarge);
        }
        if whole.is_empty() && pieces.is_empty() {
            whole = data;
            continue;
        }
        if pieces.is_empty() {
            pieces.reserve(FIRST_RESERVE.max(whole.len() + data.len()));
            pieces.extend_from_slice(&whole);
            whole = Bytes::new();
        }
        pieces.extend_from_slice(&data);
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}
