//! Time for the stand-ins: a clock that is handed in, and the ISO-8601 form that Genesys writes.

use std::fmt;
use std::sync::Arc;

const MS_PER_DAY: u64 = 86_400_000;

/// Milliseconds since 1970, from whoever starts the stand-ins.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that shows `epoch_ms` now and goes on with tokio's time, so that a paused runtime pauses it too.
    #[must_use]
    pub fn starting_at(epoch_ms: u64) -> Self {
        let start = tokio::time::Instant::now();
        Self::new(move || {
            epoch_ms + u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX - epoch_ms)
        })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// `yyyy-MM-ddTHH:mm:ss.mmmZ`
#[must_use]
pub fn iso(ms: u64) -> String {
    let (year, month, day) = civil(ms / MS_PER_DAY);
    let rest = ms % MS_PER_DAY;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1_000 % 60,
        rest % 1_000
    )
}

/// Reads `yyyy-MM-ddTHH:mm:ss[.mmm]Z` into ms since 1970; `None` for any other form and for days that do not exist.
#[must_use]
pub fn parse_iso(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.last() != Some(&b'Z') || !marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark)) {
        return None;
    }
    let ms = match bytes.len() {
        20 => 0,
        24 if bytes[19] == b'.' => digits(&bytes[20..23])?,
        _ => return None,
    };
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?);
    let (hour, minute, second) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?, digits(&bytes[17..19])?);
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day)?;
    Some(days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms)
}

fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || day == 0 || day > 31 {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let since_march = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + since_march - 719_468;
    // A day that does not exist (30 February) comes back as another one.
    (civil(days).2 == day).then_some(days)
}

/// Year, month and day of a count of days since 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_times_go_both_ways() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_790_910_245_678, "2026-10-02T03:04:05.678Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(iso(ms), text);
            assert_eq!(parse_iso(text), Some(ms), "{text}");
        }
        assert_eq!(parse_iso("2026-10-02T03:04:05Z"), Some(1_790_910_245_000));
    }

    #[test]
    fn other_forms_are_not_times() {
        for text in [
            "",
            "Z",
            "2026-10-02",
            "2026-10-02T03:04:05.678",
            "2026-10-02T03:04:05.678+07:00",
            "2026-10-02 03:04:05Z",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2100-02-29T03:04:05Z",
            "2026-10-02T24:04:05Z",
            "2026-10-02T03:04:05.67Z",
            "2026-1x-02T03:04:05Z",
            "1790910245678",
        ] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }
}
