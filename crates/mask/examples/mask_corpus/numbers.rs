//! Personal data that nobody has: of each kind, with the check digits that it must have, and written as people write it.

use super::Language;
use super::random::Random;

/// What may stand between the parts of a number. The first three are what most people write.
const ANY: &[&str] = &["-", "", " ", ".", "–", "－", "\u{3000}", "・", " - ", "−", "\u{A0}"];
const DASHES: &[&str] = &["-", "-", " ", "–", "－", " - "];
const DASHES_OR_NONE: &[&str] = &["-", "", " ", "–", "－"];
const MARKED: &[&str] = &["-", "-", " ", ".", "–", "－"];
const SPACES_OR_NONE: &[&str] = &[" ", ""];
const NONE: &[&str] = &[""];

/// A piece of personal data: its kind, its parts with a `|` between, and what may stand there.
struct Value {
    kind: &'static str,
    parts: String,
    joints: &'static [&'static str],
}

/// Personal data of the sort that a placeholder names: its kind and how it is written. `None` if it names none.
pub(crate) fn personal(
    name: &str,
    language: Language,
    random: &mut Random,
) -> Option<(&'static str, String)> {
    let Value { kind, parts, joints } = loop {
        let value = value(name, random)?;
        // An account that is as good as a card, say, is not told from one.
        if value.kind != "bank_account" || !satisfies_a_check(&value.parts) {
            break value;
        }
    };
    let joint =
        if random.chance(75) { joints[random.below(joints.len().min(3))] } else { random.pick(joints) };
    let text = parts.replace('|', joint);
    let text = match kind {
        "secret" if text.contains(|sign: char| sign.is_ascii_alphabetic()) => text,
        "email" if language != Language::Japanese => text,
        _ => in_script(&text, language, random),
    };
    let is_hidden = !matches!(kind, "secret" | "email") && random.chance(8);
    Some((kind, if is_hidden { with_hidden(&text, random) } else { text }))
}

fn value(name: &str, random: &mut Random) -> Option<Value> {
    let of = |kind, joints, parts: String| Some(Value { kind, parts, joints });
    match name {
        "card" => of("payment_card", ANY, card(random)),
        "rrn" => of("kr_rrn", ANY, resident_number(random, false)),
        "frn" => of("kr_frn", ANY, resident_number(random, true)),
        "licence" => {
            let region = *random.pick(&["11", "12", "13", "15", "18", "21", "24", "26", "28"]);
            of("kr_driver_licence", MARKED, random.form(&format!("{region}|##|######|##")))
        }
        "licence_named" => of("kr_driver_licence", ANY, random.form("1%|##|######|##")),
        "kr_passport" => {
            let letter = *random.pick(&["M", "S", "R", "O", "D", "G"]);
            let form = if random.chance(50) { "########" } else { "###@####" };
            of("kr_passport", NONE, format!("{letter}{}", random.form(form)))
        }
        "customs" => of("kr_customs_code", NONE, random.form("P############")),
        "my_number" => of("jp_my_number", ANY, my_number(random)),
        "jp_passport" => {
            let letters = *random.pick(&["TR", "TK", "MU", "TZ", "NH"]);
            of("jp_passport", NONE, format!("{letters}{}", random.form("#######")))
        }
        "tw_id" => of("tw_national_id", NONE, taiwanese(random, &["1", "2"])),
        "tw_certificate" => {
            of("tw_resident_certificate", NONE, taiwanese(random, &["A", "B", "C", "D", "8", "9"]))
        }
        "th_id" => of("th_national_id", ANY, thai(random)),
        "th_passport" => {
            let letters = *random.pick(&["AA", "AB", "AC", "A", "B"]);
            of("th_passport", NONE, format!("{letters}{}", random.form("%######")))
        }
        "phone_kr" => of("phone", ANY, phone(random, KOREAN)),
        "phone_jp" => of("phone", ANY, phone(random, JAPANESE)),
        "phone_tw" => of("phone", ANY, phone(random, TAIWANESE)),
        "phone_th" => of("phone", ANY, phone(random, THAI)),
        "phone_abroad" => of("phone", &["-", " ", " "], phone(random, ABROAD)),
        "email" => of("email", NONE, address(random)),
        "account_kr" => of("bank_account", DASHES, account(random)),
        "account_kr_plain" => of("bank_account", NONE, account(random).replace('|', "")),
        "account_jp" => {
            let form = *random.pick(&["#######", "#######", "###|#######"]);
            of("bank_account", SPACES_OR_NONE, random.form(form))
        }
        "account_th" => of("bank_account", DASHES_OR_NONE, random.form("%##|#|#####|#")),
        "account_tw" => {
            let form = *random.pick(&["%###########", "%#############", "%###|###|######"]);
            of("bank_account", DASHES, random.form(form))
        }
        "account_en" => of("bank_account", NONE, random.form("%###########")),
        "iban" => of("iban", SPACES_OR_NONE, iban(random)),
        "code" => {
            let form = *random.pick(&["######", "######", "####", "########", "###-###"]);
            of("secret", NONE, random.form(form))
        }
        "cvc" => {
            let form = *random.pick(&["###", "###", "####"]);
            of("secret", NONE, random.form(form))
        }
        "token" => of("secret", NONE, token(random)),
        _ => None,
    }
}

const KOREAN: &[&str] = &[
    "010|%###|####",
    "010|%###|####",
    "010|%###|####",
    "011|%##|####",
    "02|%##|####",
    "02|%###|####",
    "031|%##|####",
    "051|%##|####",
    "064|7##|####",
    "070|%###|####",
    "0504|###|####",
    "+82|10|%###|####",
    "+82|2|%###|####",
];
const JAPANESE: &[&str] = &[
    "090|%###|####",
    "080|%###|####",
    "070|%###|####",
    "03|3###|####",
    "06|6###|####",
    "045|%##|####",
    "0467|%#|####",
    "050|%###|####",
    "+81|90|%###|####",
    "+81|3|3###|####",
];
const TAIWANESE: &[&str] =
    &["09##|###|###", "09##|###|###", "02|2###|####", "04|2###|####", "07|%##|####", "+886|9##|###|###"];
const THAI: &[&str] = &[
    "08#|###|####",
    "09#|###|####",
    "06#|###|####",
    "02|%##|####",
    "053|%##|###",
    "+66|8#|###|####",
    "+66|2|%##|####",
];
const ABROAD: &[&str] = &[
    "+1|415|555|01##",
    "+44|20|7946|0###",
    "+65|6###|####",
    "+61|4##|###|###",
    "+852|9###|####",
    "+49|30|#######",
    "+84|9#|###|####",
];

fn phone(random: &mut Random, forms: &[&str]) -> String {
    let form = random.pick(forms);
    random.form(form)
}

/// Forms of the banks: how many digits each part has.
fn account(random: &mut Random) -> String {
    let form = random.pick(&[
        "%#####|0#|######",
        "1##|%##|######",
        "1002|%##|######",
        "3333|##|%######",
        "30#|####|####|#1",
        "1000|%###|####",
        "%##|91####|#####",
        "%##|######|0#|###",
        "100|1##|######",
    ]);
    random.form(form)
}

pub(crate) fn digits(text: &str) -> Vec<usize> {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| usize::from(byte - b'0')).collect()
}

pub(crate) fn luhn(digits: &[usize]) -> bool {
    let each = digits.iter().rev().enumerate().map(|(place, digit)| match digit * (1 + place % 2) {
        doubled @ 10.. => doubled - 9,
        digit => digit,
    });
    each.sum::<usize>().is_multiple_of(10)
}

fn my_number_check(digits: &[usize]) -> usize {
    let weights = [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    match digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum::<usize>() % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

fn thai_check(digits: &[usize]) -> usize {
    (11 - digits.iter().zip((2..=13).rev()).map(|(digit, weight)| digit * weight).sum::<usize>() % 11) % 10
}

/// The last digit of a form, of ten the one that is right.
fn right(text: &str, is_right: impl Fn(&[usize]) -> bool) -> String {
    let with = |digit: usize| format!("{text}{digit}");
    (0..10).map(with).find(|text| is_right(&digits(text))).expect("one of ten is right")
}

fn card(random: &mut Random) -> String {
    let form = random.pick(&[
        "4###|####|####|###",
        "4###|####|####|###",
        "5%5#|####|####|###",
        "2222|####|####|###",
        "37##|######|####",
        "356#|####|####|###",
        "62##|####|####|###",
        "62##|####|####|####|##",
        "36##|######|###",
        "9###|####|####|###",
        "6011|####|####|###",
    ]);
    let mastercard = random.pick(&["51", "52", "53", "54", "55"]);
    let form = form.replace("5%", mastercard);
    let number = random.form(&form);
    right(&number, luhn)
}

fn resident_number(random: &mut Random, is_foreign: bool) -> String {
    let is_young = random.chance(30);
    let year = if is_young { random.between(0, 24) } else { random.between(45, 99) };
    let (month, day) = (random.between(1, 12), random.between(1, 28));
    let sex = 1 + random.below(2) + if is_young { 2 } else { 0 } + if is_foreign { 4 } else { 0 };
    let head = format!("{year:02}{month:02}{day:02}|{sex}{}", random.form("#####"));
    if year >= 20 && is_young {
        return format!("{head}{}", random.below(10));
    }
    let weights = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    right(&head, |digits| {
        let sum: usize = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        digits[12] == (if is_foreign { 13 } else { 11 } - sum % 11) % 10
    })
}

fn my_number(random: &mut Random) -> String {
    right(&random.form("%###|####|###"), |digits| digits[11] == my_number_check(&digits[..11]))
}

fn thai(random: &mut Random) -> String {
    let first = random.between(1, 8);
    right(&random.form(&format!("{first}|####|#####|##|")), |digits| digits[12] == thai_check(&digits[..12]))
}

/// What a letter stands for in Taiwan's numbers.
fn letter(letter: u8) -> usize {
    10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".bytes().position(|other| other == letter).expect("a capital letter")
}

fn is_taiwanese(text: &str) -> bool {
    let marks: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let [first @ b'A'..=b'Z', rest @ ..] = marks.as_slice() else { return false };
    let values = rest.iter().map(|mark| match mark {
        b'0'..=b'9' => usize::from(mark - b'0'),
        mark => letter(mark.to_ascii_uppercase()) % 10,
    });
    let weighted = values.zip([8, 7, 6, 5, 4, 3, 2, 1, 1]).map(|(value, weight)| value * weight);
    let region = letter(*first);
    rest.len() == 9 && (region / 10 + region % 10 * 9 + weighted.sum::<usize>()).is_multiple_of(10)
}

fn taiwanese(random: &mut Random, second: &[&str]) -> String {
    let second = random.pick(second);
    let number = random.form(&format!("@{second}#######"));
    (0..10)
        .map(|digit| format!("{number}{digit}"))
        .find(|text| is_taiwanese(text))
        .expect("one of ten is right")
}

fn iban(random: &mut Random) -> String {
    let (country, form) = *random.pick(&[
        ("DE", "##################"),
        ("GB", "@@@@##############"),
        ("FR", "#######################"),
        ("NL", "@@@@##########"),
        ("AT", "################"),
    ]);
    let account = random.form(form);
    let rest = format!("{account}{country}00").bytes().fold(0, |rest, mark| match mark {
        b'0'..=b'9' => (rest * 10 + u64::from(mark - b'0')) % 97,
        mark => (rest * 100 + u64::from(mark - b'A') + 10) % 97,
    });
    let whole = format!("{country}{:02}{account}", 98 - rest);
    let groups: Vec<&str> =
        (0..whole.len()).step_by(4).map(|at| &whole[at..whole.len().min(at + 4)]).collect();
    groups.join("|")
}

fn address(random: &mut Random) -> String {
    let name =
        *random.pick(&["minji.kim", "taro_yamada", "somchai", "chen.yj", "j.doe", "HONG", "k", "user-01"]);
    let domain = *random.pick(&[
        "example.com",
        "example.co.kr",
        "mail.example.jp",
        "example.com.tw",
        "example.co.th",
        "my-shop.example.org",
    ]);
    match random.below(4) {
        0 => format!("{name}@{domain}"),
        1 => format!("{name}{}@{domain}", random.form("%##")),
        2 => format!("{name}+{}@{domain}", random.form("##")),
        _ => format!("{}{name}@{domain}", random.form("%#")),
    }
}

fn token(random: &mut Random) -> String {
    const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    match random.below(5) {
        0 => format!("Bearer {}", random.signs(WORD, 32)),
        1 => {
            format!("eyJ{}.{}.{}", random.signs(WORD, 20), random.signs(WORD, 30), random.signs(WORD, 22))
        }
        2 => format!("sk-live-{}", random.signs(WORD, 24)),
        3 => format!("ghp_{}", random.signs(WORD, 36)),
        _ => format!("AKIA{}", random.signs("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
    }
}

/// Whether a number that is meant for something else would be as good as a personal one: nobody could tell it, so it
/// tells nothing about the rules. It is found by the arithmetic of this file, not by that which is tried.
pub(crate) fn satisfies_a_check(text: &str) -> bool {
    let digits = digits(text);
    let is_date = |digits: &[usize]| {
        (1..=12).contains(&(digits[2] * 10 + digits[3])) && (1..=31).contains(&(digits[4] * 10 + digits[5]))
    };
    match digits.len() {
        9 | 8 if text.starts_with(|sign: char| sign.is_ascii_alphabetic()) => is_taiwanese(text),
        12 => digits[11] == my_number_check(&digits[..11]),
        13 => is_date(&digits) || luhn(&digits) || digits[12] == thai_check(&digits[..12]),
        14..=19 => luhn(&digits),
        _ => false,
    }
}

/// The same in the digits that are used beside ASCII's: full-width ones, and Thai ones.
pub(crate) fn in_script(text: &str, language: Language, random: &mut Random) -> String {
    let (zero, is_wide) = match language {
        Language::Japanese if random.chance(20) => (0xFF10, true),
        Language::Chinese | Language::Korean if random.chance(6) => (0xFF10, true),
        Language::Thai if random.chance(12) => (0x0E50, false),
        Language::Mixed if random.chance(6) => (0x0E50, false),
        _ => return text.to_owned(),
    };
    let sign = |sign: char| match sign {
        '0'..='9' => char::from_u32(zero + u32::from(sign) - 0x30).unwrap_or(sign),
        '!'..='~' if is_wide => char::from_u32(0xFEE0 + u32::from(sign)).unwrap_or(sign),
        other => other,
    };
    text.chars().map(sign).collect()
}

/// The same with a character without width somewhere within.
fn with_hidden(text: &str, random: &mut Random) -> String {
    let hidden = *random.pick(&['\u{200B}', '\u{2060}', '\u{FEFF}', '\u{AD}', '\u{200D}']);
    let at = random.between(1, text.chars().count() - 1);
    let place = text.char_indices().nth(at).map_or(text.len(), |(place, _)| place);
    let (before, behind) = text.split_at(place);
    format!("{before}{hidden}{behind}")
}
