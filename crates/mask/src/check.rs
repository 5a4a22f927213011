//! What the digits of a find must satisfy, beyond its shape.

use serde::Deserialize;

/// A check. A check digit that newer numbers lack is never asked for: see each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    /// The prefix of a network and Luhn's check digit (ISO/IEC 7812-1); domestic Korean cards begin with 9.
    Card,
    /// A date and the digit of a citizen's century. Numbers given out since October 2020 have no check digit.
    KrRrn,
    /// A date and the digit of a foreigner's century.
    KrFrn,
    /// The check digit of the Order of Enforcement of the My Number Act, art. 8.
    JpMyNumber,
    /// Not a free or shared-cost number of Japan, which are businesses'. Some have the form of a fixed line, there or
    /// in Taiwan.
    JpLandline,
    /// The check digit of Taiwan's national ids and of resident certificates, of both forms.
    TwId,
    /// The check digit of Thailand's national ids.
    ThId,
    /// ISO 13616: mod 97.
    Iban,
    /// 8 to 15 digits, as ITU-T E.164 has them.
    International,
    /// No day of the last or this century, as YYYYMMDD.
    Code,
    /// Not the like in parts, which looks like an account with the hour behind it.
    Account,
}

impl Check {
    /// Whether `found`, as the rules see it, passes.
    pub(super) fn passes(self, found: &[u8]) -> bool {
        match self {
            Check::Iban => return iban(found),
            Check::TwId => return tw_id(found),
            Check::Account => return !begins_with_day(found),
            _ => {}
        }
        let mut digits = [0; 24];
        let mut count = 0;
        for byte in found.iter().filter(|byte| byte.is_ascii_digit()) {
            let Some(slot) = digits.get_mut(count) else { return false };
            *slot = u32::from(byte - b'0');
            count += 1;
        }
        let digits = &digits[..count];
        match self {
            Check::Card => card(digits),
            Check::KrRrn => is_date(digits) && matches!(digits[6], 0..=4 | 9),
            Check::KrFrn => is_date(digits) && matches!(digits[6], 5..=8),
            Check::JpMyNumber => jp_my_number(digits),
            Check::JpLandline => !matches!(digits, [0, 1, 2, 0, ..] | [0, 5, 7, 0, ..] | [0, 8, 0, 0, ..]),
            Check::ThId => th_id(digits),
            Check::Code => {
                !matches!(digits, [1, 9, day @ ..] | [2, 0, day @ ..] if day.len() == 6 && is_date(day))
            }
            Check::International => (8..=15).contains(&digits.len()),
            Check::Iban | Check::TwId | Check::Account => unreachable!("answered above"),
        }
    }
}

fn card(digits: &[u32]) -> bool {
    let number = |count: usize| digits[..count].iter().fold(0, |sum, digit| sum * 10 + digit);
    let is_network = match digits {
        // JCB's range, in which the numbers of telephones are (IMEI), with 15 digits and Luhn's check digit too.
        [3, 5, ..] => (16..=19).contains(&digits.len()),
        [3..=6, ..] => (13..=19).contains(&digits.len()),
        // Mir and Mastercard's second range.
        [2, 2..=7, ..] => digits.len() == 16 && matches!(number(4), 2200..=2204 | 2221..=2720),
        // JCB's old range.
        [1 | 2, ..] => digits.len() == 15 && matches!(number(4), 1800 | 2131),
        // RuPay and UnionPay.
        [8, 1 | 2, ..] | [9, ..] => digits.len() == 16,
        _ => false,
    };
    let is_blank = digits.iter().all(|digit| *digit == digits[0]);
    is_network && !is_blank && luhn(digits)
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit < 5 { digit * 2 } else { digit * 2 - 9 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| if i % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    sum.is_multiple_of(10)
}

/// YYMMDD: the year's century is in another digit, so the 29th of February passes in every year.
fn is_date(digits: &[u32]) -> bool {
    let [_, _, m1, m2, d1, d2, ..] = *digits else { return false };
    let last = match m1 * 10 + m2 {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&(d1 * 10 + d2))
}

/// YYYY-MM-DD, whatever follows and whatever stands between.
fn begins_with_day(found: &[u8]) -> bool {
    let mut parts = found.split(|byte| !byte.is_ascii_digit()).filter(|part| !part.is_empty());
    let (Some([b'1', b'9', _, _] | [b'2', b'0', _, _]), Some(month), Some(day)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let date: Vec<u32> = [b"00", month, day].concat().iter().map(|byte| u32::from(byte - b'0')).collect();
    month.len() == 2 && day.len() == 2 && is_date(&date)
}

fn jp_my_number(digits: &[u32]) -> bool {
    let Some((check, digits)) = digits.split_last().filter(|(_, rest)| rest.len() == 11) else {
        return false;
    };
    let weighted = |(n, digit): (u32, &u32)| digit * if n <= 6 { n + 1 } else { n - 5 };
    let rest = (1..).zip(digits.iter().rev()).map(weighted).sum::<u32>() % 11;
    *check == if rest <= 1 { 0 } else { 11 - rest }
}

fn th_id(digits: &[u32]) -> bool {
    let Some((check, digits)) = digits.split_last().filter(|(_, rest)| rest.len() == 12) else {
        return false;
    };
    let sum: u32 = (2..).zip(digits.iter().rev()).map(|(weight, digit)| weight * digit).sum();
    (1..=8).contains(&digits[0]) && *check == (11 - sum % 11) % 10
}

/// A letter and nine digits, or two letters and eight.
fn tw_id(found: &[u8]) -> bool {
    /// What the letters A to Z stand for.
    const LETTERS: [u32; 26] = [
        10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31,
        33,
    ];
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        _ => LETTERS[usize::from(byte.to_ascii_uppercase() - b'A') % 26] % 10,
    };
    let mut marks = found.iter().copied().filter(u8::is_ascii_alphanumeric);
    let Some(first) = marks.next().filter(u8::is_ascii_alphabetic) else { return false };
    let region = LETTERS[usize::from(first.to_ascii_uppercase() - b'A')];
    let mut sum = region / 10 + region % 10 * 9;
    let mut count = 0;
    for (mark, weight) in marks.zip([8, 7, 6, 5, 4, 3, 2, 1, 1]) {
        sum += value(mark) * weight;
        count += 1;
    }
    count == 9 && sum.is_multiple_of(10)
}

fn iban(found: &[u8]) -> bool {
    let marks: Vec<u8> = found.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    if !(15..=34).contains(&marks.len()) {
        return false;
    }
    let rest = marks[4..].iter().chain(&marks[..4]).fold(0, |rest, mark| match mark {
        b'0'..=b'9' => (rest * 10 + u32::from(mark - b'0')) % 97,
        _ => (rest * 100 + u32::from(mark.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(check: Check, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(check.passes(text.as_bytes()), "{check:?}: {text}");
        }
        for text in bad {
            assert!(!check.passes(text.as_bytes()), "{check:?}: {text}");
        }
    }

    #[test]
    fn cards() {
        let good = [
            "4532-0151-1283-0366",
            "378282246310005",
            "30569309025904",
            "6011111111111117",
            "2223003122003222",
        ];
        each(
            Check::Card,
            &good,
            &[
                "4532015112830367",
                "355079010809387",
                "0000000000000000",
                "202602031234567",
                "1234567890123452",
            ],
        );
    }

    #[test]
    fn korean_numbers() {
        each(
            Check::KrRrn,
            &["9001011234568", "201105-3482913", "000229-3000000"],
            &["9013011234568", "9002301234568", "9001015234568"],
        );
        each(Check::Code, &["4829", "482913", "20261332"], &["20260203", "19991231"]);
        each(Check::Account, &["2024-04-1234567", "2024-13-04 06"], &["2024-04-04 06", "1999 12 31 10"]);
        each(Check::KrFrn, &["850505-5123456"], &["850505-1123456", "850532-5123456"]);
    }

    /// The examples of the authorities, or computed by hand from their rule.
    #[test]
    fn check_digits() {
        each(Check::JpMyNumber, &["123456789018"], &["123456789012", "12345678901"]);
        each(Check::ThId, &["1-1017-00230-70-8", "3100602345671"], &["1101700230709", "9101700230708"]);
        each(
            Check::TwId,
            &["A123456789", "F131104093", "a800000014", "AC01234567"],
            &["A123456788", "1123456789", "A12345678"],
        );
        each(
            Check::Iban,
            &["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000"],
            &["GB28NWBK60161331926819"],
        );
    }
}
