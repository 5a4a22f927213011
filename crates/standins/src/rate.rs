//! An exact sliding limit: at most N calls in any window, judged by the time of arrival.

use std::collections::VecDeque;

/// The calls of one key (a token, a channel) in the last window.
#[derive(Debug, Clone)]
pub struct SlidingLog {
    limit: usize,
    window_ms: u64,
    admitted: VecDeque<u64>,
    arrived: VecDeque<u64>,
    refused: u64,
    most: usize,
}

/// What the limit says to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may pass; `count` calls are in the window now, the oldest leaves it in `reset_ms`.
    Admitted {
        /// Calls in the window, this one included.
        count: usize,
        /// Until the oldest call leaves the window.
        reset_ms: u64,
    },
    /// The window is full; a place is free in `retry_ms`. A refused call takes no place.
    Refused {
        /// Until a call can pass.
        retry_ms: u64,
    },
}

impl SlidingLog {
    /// At most `limit` calls in any `window_ms`. A call leaves the window `window_ms` after it came.
    #[must_use]
    pub fn new(limit: usize, window_ms: u64) -> Self {
        Self { limit, window_ms, admitted: VecDeque::new(), arrived: VecDeque::new(), refused: 0, most: 0 }
    }

    /// Judges a call that arrives at `now` ms.
    pub fn admit(&mut self, now: u64) -> Admission {
        // A clock that is set back must not open the window twice.
        let now = now.max(self.arrived.back().copied().unwrap_or(0));
        let window = self.window_ms;
        for log in [&mut self.admitted, &mut self.arrived] {
            while log.front().is_some_and(|first| first + window <= now) {
                log.pop_front();
            }
        }
        self.arrived.push_back(now);
        self.most = self.most.max(self.arrived.len());
        if self.admitted.len() >= self.limit {
            self.refused += 1;
            let retry_ms = self.admitted.front().map_or(window, |first| first + window - now);
            return Admission::Refused { retry_ms };
        }
        self.admitted.push_back(now);
        let first = self.admitted.front().copied().unwrap_or(now);
        Admission::Admitted { count: self.admitted.len(), reset_ms: first + window - now }
    }

    /// Calls that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The most calls that arrived in any window, refused ones included.
    #[must_use]
    pub fn most_in_a_window(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges arrivals against a limit of 3 in 1,000 ms; `.` passes, a number is the wait of a refusal.
    fn timeline(arrivals: &[u64]) -> String {
        let mut log = SlidingLog::new(3, 1_000);
        let words: Vec<String> = arrivals
            .iter()
            .map(|at| match log.admit(*at) {
                Admission::Admitted { .. } => ".".to_owned(),
                Admission::Refused { retry_ms } => retry_ms.to_string(),
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn the_window_slides_exactly() {
        for (arrivals, expected) in [
            (&[0, 1, 2, 3][..], ". . . 997"),
            // One millisecond too early, then exactly one window after the first.
            (&[0, 10, 20, 999, 1_000], ". . . 1 ."),
            // No burst at the edge of a fixed window: the two late ones of the first still count.
            (&[0, 999, 999, 1_000, 1_001, 1_998, 1_999], ". . . . 998 1 ."),
            // A refused call takes no place.
            (&[0, 0, 0, 500, 600, 700, 1_000, 1_000, 1_000, 1_001], ". . . 500 400 300 . . . 999"),
            // A clock that goes back opens nothing.
            (&[500, 500, 500, 100, 1_499, 1_500], ". . . 1000 1 ."),
        ] {
            assert_eq!(timeline(arrivals), expected, "{arrivals:?}");
        }
    }

    #[test]
    fn never_more_than_the_limit_in_any_window() {
        let mut log = SlidingLog::new(300, 60_000);
        let mut passed = Vec::new();
        for at in (0..400_000).step_by(37) {
            if let Admission::Admitted { count, reset_ms } = log.admit(at) {
                assert!(count <= 300 && reset_ms <= 60_000);
                passed.push(at);
            }
        }
        for (index, first) in passed.iter().enumerate() {
            let inside = passed[index..].iter().take_while(|at| **at < first + 60_000).count();
            assert!(inside <= 300, "{inside} calls from {first}");
        }
        // And as many as the limit allows.
        assert_eq!(passed.len(), 7 * 300);
        assert_eq!(log.refused(), 400_000_u64.div_ceil(37) - 2_100);
        assert_eq!(log.most_in_a_window(), 60_000_usize.div_ceil(37));
    }
}
