//! How a platform sends a webhook: the tries it makes, and what became of each.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::Serialize;

use crate::clock::Clock;
use crate::http::{Client, NoAnswer};

/// When a webhook is given up and when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// For the whole answer to one try.
    pub timeout: Duration,
    /// Tries after the first.
    pub retries: u32,
    /// Between a try that failed and the next.
    pub gap: Duration,
}

/// One try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// When it began, ms since 1970.
    pub sent_ms: u64,
    /// When the answer, or the certainty that none comes, was there.
    pub ended_ms: u64,
    /// The status of the answer; none where there was no answer.
    pub status: Option<u16>,
}

impl Attempt {
    fn accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// All tries of one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// In order.
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// When the first try began, ms since 1970.
    #[must_use]
    pub fn first_sent_ms(&self) -> Option<u64> {
        self.attempts.first().map(|attempt| attempt.sent_ms)
    }

    /// When a 2xx was there, ms since 1970; none where there was never one.
    #[must_use]
    pub fn accepted_ms(&self) -> Option<u64> {
        self.attempts.iter().find(|attempt| attempt.accepted()).map(|attempt| attempt.ended_ms)
    }
}

/// One address and what is sent there at the nth try (0 for the first).
pub(crate) struct Post<'a, F> {
    pub(crate) url: &'a str,
    pub(crate) extra_headers: &'a [(String, String)],
    /// Body and signature headers of the nth try, which begins at that time, ms since 1970.
    pub(crate) request: F,
}

/// Sends until a 2xx comes, `again` says no, or the schedule is through.
pub(crate) async fn send<F: Fn(u32, u64) -> (Bytes, Vec<(&'static str, String)>)>(
    client: &Client,
    clock: &Clock,
    schedule: Schedule,
    post: Post<'_, F>,
    again: fn(Result<u16, NoAnswer>) -> bool,
) -> Delivery {
    let mut attempts = Vec::new();
    for nth in 0..=schedule.retries {
        if nth > 0 {
            tokio::time::sleep(schedule.gap).await;
        }
        let sent_ms = clock.now_ms();
        let (body, signature) = (post.request)(nth, sent_ms);
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signature.iter().map(|(name, value)| (*name, value.as_str())));
        headers.extend(post.extra_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let outcome = client.call(Method::POST, post.url, &headers, body, schedule.timeout).await;
        let outcome = outcome.map(|(status, _, _)| status);
        let attempt = Attempt { sent_ms, ended_ms: clock.now_ms(), status: outcome.ok() };
        attempts.push(attempt);
        if attempt.accepted() || !again(outcome) {
            break;
        }
    }
    Delivery { attempts }
}
