//! Reads the one form of time that Genesys writes: `yyyy-MM-ddTHH:mm:ss[.fraction]Z`.

/// ms since 1970 of an ISO 8601 time in UTC; digits beyond ms are cut off. `None` for any other form, for a day or
/// hour that does not exist, and for times before 1970. A leap second counts as the next one's begin.
pub(super) fn parse_utc(text: &str) -> Option<i64> {
    let (date_time, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((date_time, fraction)) => (date_time, millis(fraction)?),
        None => (text.strip_suffix('Z')?, 0),
    };
    let bytes: &[u8; 19] = date_time.as_bytes().try_into().ok()?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let [year, month, day] = [number(&bytes[0..4])?, number(&bytes[5..7])?, number(&bytes[8..10])?];
    let [hour, minute, second] = [number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?];
    let exists = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let seconds = || ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    exists.then(|| seconds() * 1000 + fraction)
}

fn number(digits: &[u8]) -> Option<i64> {
    let value = |value: i64, digit: &u8| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'));
    digits.iter().try_fold(0, value)
}

/// The ms of a fraction of a second.
fn millis(fraction: &str) -> Option<i64> {
    let digits = fraction.as_bytes();
    number(digits.get(..digits.len().min(3)).filter(|first| !first.is_empty())?)
        .filter(|_| digits.iter().all(u8::is_ascii_digit))
        .map(|value| value * [100, 10, 1][digits.len().min(3) - 1])
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let past = year - 1;
    let leap_days = (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    (year - 1970) * 365 + leap_days + (1..month).map(|m| days_of(year, m)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1)),
            ("2026-10-02T03:04:05.678Z", Some(1_790_910_245_678)),
            ("2026-10-02T03:04:05Z", Some(1_790_910_245_000)),
            ("2026-10-02T03:04:05.6Z", Some(1_790_910_245_600)),
            ("2026-10-02T03:04:05.67Z", Some(1_790_910_245_670)),
            ("2026-10-02T03:04:05.678999999Z", Some(1_790_910_245_678)),
            ("2000-02-29T12:00:00Z", Some(951_825_600_000)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2024-03-01T00:00:00Z", Some(1_709_251_200_000)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000)),
            ("9999-12-31T23:59:59.999Z", Some(253_402_300_799_999)),
            ("2100-02-29T00:00:00Z", None),
            ("2023-02-29T00:00:00Z", None),
            ("2023-04-31T00:00:00Z", None),
            ("2023-00-10T00:00:00Z", None),
            ("2023-13-10T00:00:00Z", None),
            ("2023-01-00T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T00:60:00Z", None),
            ("2023-01-01T00:00:61Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2026-10-02T03:04:05.Z", None),
            ("2026-10-02T03:04:05.67xZ", None),
            ("2026-10-02T03:04:05.6789xZ", None),
            ("2026-10-02T03:04:05", None),
            ("2026-10-02 03:04:05Z", None),
            ("2026-10-02T03:04:05+00:00", None),
            ("2026-10-02T03:04Z", None),
            ("+026-10-02T03:04:05Z", None),
            ("2026-10-02T03:04:0٥Z", None),
            ("", None),
            ("Z", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_utc(text), expected, "{text}");
        }
    }
}
