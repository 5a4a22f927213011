//! Faults that can be switched on: what goes wrong, for which calls, how often.

use serde::{Deserialize, Serialize};

use crate::ids::mix;

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The call waits before anything is done.
    DelayMs {
        /// How long, ms.
        ms: u64,
    },
    /// The work is done, the answer waits.
    DelayAfterMs {
        /// How long, ms.
        ms: u64,
    },
    /// Nothing is done; the platform's error of this status is the answer.
    Status {
        /// HTTP status: 401, 429, 500 …
        status: u16,
        /// `Retry-After`, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// The error's message instead of the usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Nothing is done and the connection is cut without an answer.
    ResetBefore,
    /// The work is done, then the connection is cut without an answer.
    ResetAfter,
}

/// A fault and the calls that it meets: the next `next`, a `fraction`, or all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: Kind,
    /// Part of the path of the calls that it meets; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Meets this many calls more, then none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Meets this share of the calls, 0 to 1, the same ones for the same seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Seed of `fraction`.
    #[serde(default)]
    pub seed: u64,
}

impl Fault {
    /// A fault that meets the next `n` calls to paths that contain `path`.
    #[must_use]
    pub fn next(n: u64, path: &str, kind: Kind) -> Self {
        Self { kind, path: Some(path.to_owned()), next: Some(n), fraction: None, seed: 0 }
    }

    /// A fault that meets a share of the calls to paths that contain `path`.
    #[must_use]
    pub fn share(fraction: f64, seed: u64, path: &str, kind: Kind) -> Self {
        Self { kind, path: Some(path.to_owned()), next: None, fraction: Some(fraction), seed }
    }
}

/// What one call meets: the faults of all entries that hit it, together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) delay_before_ms: u64,
    pub(crate) delay_after_ms: u64,
    pub(crate) status: Option<(u16, Option<u64>, Option<String>)>,
    pub(crate) reset_before: bool,
    pub(crate) reset_after: bool,
}

/// The faults that are switched on now.
#[derive(Debug, Default)]
pub(crate) struct Board {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    fault: Fault,
    seen: u64,
    hits: u64,
}

/// A fault as `GET faults` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    fault: Fault,
    seen: u64,
    hits: u64,
}

impl Board {
    /// Replaces all faults; an empty list switches all off.
    pub(crate) fn set(&mut self, faults: Vec<Fault>) {
        self.entries = faults.into_iter().map(|fault| Entry { fault, seen: 0, hits: 0 }).collect();
    }

    /// The faults, with the calls that each has seen and hit.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.entries.iter().map(|e| Shown { fault: e.fault.clone(), seen: e.seen, hits: e.hits }).collect()
    }

    /// Calls that met a fault since the last `set`.
    pub(crate) fn hits(&self) -> u64 {
        self.entries.iter().map(|entry| entry.hits).sum()
    }

    /// Draws what the next call to `path` meets.
    pub(crate) fn draw(&mut self, path: &str) -> Drawn {
        let mut drawn = Drawn::default();
        for entry in &mut self.entries {
            if entry.fault.path.as_deref().is_some_and(|part| !path.contains(part)) {
                continue;
            }
            entry.seen += 1;
            let within_next = entry.fault.next.is_none_or(|n| entry.hits < n);
            let within_share = entry.fault.fraction.is_none_or(|f| share(entry.fault.seed, entry.seen) < f);
            if !(within_next && within_share) {
                continue;
            }
            entry.hits += 1;
            match &entry.fault.kind {
                Kind::DelayMs { ms } => drawn.delay_before_ms += ms,
                Kind::DelayAfterMs { ms } => drawn.delay_after_ms += ms,
                Kind::Status { status, retry_after, message } => {
                    drawn.status = Some((*status, *retry_after, message.clone()));
                }
                Kind::ResetBefore => drawn.reset_before = true,
                Kind::ResetAfter => drawn.reset_after = true,
            }
        }
        drawn
    }
}

/// A number in 0..1 for the nth call under a seed.
fn share(seed: u64, nth: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    let unit = (mix(seed, nth) >> 11) as f64 / (1_u64 << 53) as f64;
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(json: &str) -> Board {
        let mut board = Board::default();
        board.set(serde_json::from_str(json).unwrap());
        board
    }

    #[test]
    fn the_next_n_calls_of_a_path_are_met() {
        let mut board = board(
            r#"[{"kind": "status", "status": 429, "retry_after": 2, "path": "/push", "next": 2},
                {"kind": "delay_ms", "ms": 5, "path": "/push"}]"#,
        );
        assert_eq!(board.draw("/oauth/token"), Drawn::default());
        for hit in [true, true, false, false] {
            let drawn = board.draw("/v2/bot/message/push");
            assert_eq!(drawn.status.is_some(), hit);
            assert_eq!(drawn.delay_before_ms, 5);
        }
        assert_eq!((board.shown()[0].seen, board.shown()[0].hits), (4, 2));
    }

    #[test]
    fn a_fraction_is_the_same_for_the_same_seed() {
        let hits = |seed: u64| -> Vec<bool> {
            let mut board =
                board(&format!(r#"[{{"kind": "reset_after", "fraction": 0.25, "seed": {seed}}}]"#));
            (0..1_000).map(|_| board.draw("/x").reset_after).collect()
        };
        assert_eq!(hits(7), hits(7));
        assert_ne!(hits(7), hits(8));
        let count = hits(7).iter().filter(|hit| **hit).count();
        assert!((200..300).contains(&count), "{count}");
    }

    #[test]
    fn an_empty_list_switches_all_off() {
        let mut board = board(r#"[{"kind": "reset_before"}]"#);
        assert!(board.draw("/x").reset_before);
        board.set(Vec::new());
        assert_eq!(board.draw("/x"), Drawn::default());
    }
}
