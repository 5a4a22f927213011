//! The one form of time that platforms write and read as text: `yyyy-MM-ddTHH:mm:ss[.fraction]Z`.

/// ms since 1970 of an ISO 8601 time in UTC; digits beyond ms are left off. `None` for any other form, for a day or
/// hour that does not exist, and for times before 1970. A leap second counts as the next one's begin.
#[must_use]
pub fn parse_utc(text: &str) -> Option<i64> {
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
