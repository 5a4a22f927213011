//! Waiting for a condition, never for a time.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Looks until `look` gives a value.
///
/// # Errors
/// If it has given none when `deadline` is over; the text names `what`.
pub async fn until<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> Outcome<T>
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = look().await {
            return Ok(value);
        }
        if Instant::now() >= end {
            return Err(format!("{what}: not within {} s", deadline.as_secs_f32()));
        }
        tokio::time::sleep(STEP).await;
    }
}

/// As [`until`], for a look that blocks.
///
/// # Errors
/// If it has given none when `deadline` is over; the text names `what`.
pub fn until_blocking<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Outcome<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = look() {
            return Ok(value);
        }
        if Instant::now() >= end {
            return Err(format!("{what}: not within {} s", deadline.as_secs_f32()));
        }
        std::thread::sleep(STEP);
    }
}
