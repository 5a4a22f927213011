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

/// `yyyy-MM-ddTHH:mm:ss.mmmZ` of a time in ms since 1970 (UTC), as platforms write it.
#[must_use]
pub fn iso(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let (day, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, date) = civil(day);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month and day of month of a day counted from 1970-01-01. Years are counted from March, so that the leap day
/// is the last of its year; 400 of them have 146,097 days.
fn civil(day: i64) -> (i64, i64, i64) {
    /// From 0000-03-01 to 1970-01-01, in days.
    const TO_1970: i64 = 719_468;
    let day = day + TO_1970;
    let (era, in_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let date = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, date)
}

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

    #[test]
    fn times_are_iso() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_790_000_000_000, "2026-09-21T14:13:20.000Z"),
        ] {
            assert_eq!(iso(ms), text);
        }
    }
}
