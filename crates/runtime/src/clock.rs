//! The one wall clock. Everything else gets the time as an argument.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, in ms since 1970 (UTC).
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place where the wall clock is read")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `yyyy-MM-ddTHH:mm:ss.mmmZ` of a time in ms since 1970 (UTC).
pub use platforms::time::iso;

/// A clock to pass as an argument: the wall clock, or one that a test sets.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The wall clock.
    #[must_use]
    pub fn wall() -> Self {
        Self(None)
    }

    /// A clock that stands at `ms` until [`Clock::set`] moves it; clones share it.
    #[must_use]
    pub fn manual(ms: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(ms))))
    }

    /// The time, in ms since 1970 (UTC).
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.0.as_ref().map_or_else(now_ms, |set| set.load(Ordering::Relaxed))
    }

    /// Sets a manual clock; the wall clock stays as it is.
    pub fn set(&self, ms: i64) {
        if let Some(set) = &self.0 {
            set.store(ms, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(manual)" } else { "Clock(wall)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_is_shared_by_its_clones() {
        let clock = Clock::manual(5);
        clock.clone().set(7);
        assert_eq!(clock.now_ms(), 7);
    }

    #[test]
    fn the_wall_clock_is_in_milliseconds_of_this_century() {
        let year_2020 = 1_577_836_800_000;
        let year_2100 = 4_102_444_800_000;
        assert!((year_2020..year_2100).contains(&Clock::wall().now_ms()));
    }
}
