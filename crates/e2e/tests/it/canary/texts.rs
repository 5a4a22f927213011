//! Texts that each hold a number of every kind, which no other text holds.

use std::collections::HashSet;
use std::ops::Range;

use e2e::search::{DASHES, DOTS, HIDDEN, SCATTERED, SPACES, ZEROS, wide};

use super::numbers::{self, Random};

/// Between two numbers: more letters than a word near a number may be away, so that each has its own words only.
pub(super) const BETWEEN: &str = "thank you so much for all of it, ";
/// Right behind a number.
const BEHIND: [&str; 7] = ["요 ", "입니다 ", "です。", "でお願いします ", "，謝謝 ", "ครับ ", "ค่ะ "];

/// A text.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

/// Something personal in a text.
pub(super) struct Value {
    pub(super) kind: &'static str,
    /// Where it stands.
    pub(super) place: Range<usize>,
    /// What is searched for: of a short number also the word before it, of an address what is masked of it.
    pub(super) needle: Range<usize>,
}

/// A way to write a kind of number.
struct Form {
    kind: &'static str,
    /// Right before it.
    before: &'static [&'static str],
    make: fn(&mut Random) -> String,
    joints: Joints,
    /// What else is searched for, or not.
    needle: Needle,
}

/// What may stand between the parts of a number.
#[derive(Clone, Copy)]
enum Joints {
    /// Any separator, or none.
    Any,
    /// Any separator.
    Marked,
    /// A dash or a space.
    Dashed,
    /// A space, or none.
    Spaced,
}

#[derive(Clone, Copy)]
enum Needle {
    Value,
    /// With the word before it: alone it is met by chance.
    WithWord,
    /// It is the part of an address before the `@`.
    Local,
}

#[rustfmt::skip]
const FORMS: [Form; 29] = [
    form("payment_card", &["카드", "カード", "卡號", "บัตร"], numbers::card, Joints::Any, Needle::Value),
    form("kr_rrn", &["주민번호 ", "주민"], numbers::resident, Joints::Any, Needle::Value),
    form("kr_frn", &["외국인번호 ", "登錄"], numbers::foreigner, Joints::Any, Needle::Value),
    form("kr_driver_licence", &["번호", "제 번호는 "], numbers::licence, Joints::Marked, Needle::Value),
    form("kr_driver_licence", &["면허", "운전면허 "], numbers::licence, Joints::Any, Needle::Value),
    form("kr_passport", &["신분증", "번호: "], numbers::korean_passport, Joints::Any, Needle::Value),
    form("kr_passport", &["여권", "여권번호 "], numbers::korean_passport_named, Joints::Any, Needle::Value),
    form("kr_customs_code", &["통관부호", "통관번호 "], numbers::customs, Joints::Any, Needle::Value),
    form("jp_my_number", &["マイナンバー", "個人番号は"], numbers::my_number, Joints::Any, Needle::Value),
    form("jp_my_number", &["番号", "私の"], numbers::my_number, Joints::Any, Needle::Value),
    form("jp_passport", &["パスポート", "旅券番号"], numbers::japanese_passport, Joints::Any, Needle::Value),
    form("tw_national_id", &["身分證", "字號："], numbers::taiwanese, Joints::Any, Needle::Value),
    form("tw_resident_certificate", &["居留證", "統一證號 "], numbers::taiwanese_resident, Joints::Any, Needle::Value),
    form("th_national_id", &["เลขบัตร", "ประชาชน "], numbers::thai, Joints::Any, Needle::Value),
    form("th_passport", &["พาสปอร์ต", "護照"], numbers::thai_passport, Joints::Any, Needle::Value),
    form("phone", &["연락처", "전화 "], numbers::korean_phone, Joints::Any, Needle::Value),
    form("phone", &["電話", "携帯は"], numbers::japanese_phone, Joints::Any, Needle::Value),
    form("phone", &["手機", "電話："], numbers::taiwanese_phone, Joints::Any, Needle::Value),
    form("phone", &["โทร", "เบอร์ "], numbers::thai_phone, Joints::Any, Needle::Value),
    form("phone", &["해외", "海外の"], numbers::phone_abroad, Joints::Any, Needle::Value),
    form("email", &["메일", "メール", "อีเมล "], numbers::address_name, Joints::Any, Needle::Local),
    form("bank_account", &["계좌번호", "국민은행 ", "帳號"], numbers::account_in_parts, Joints::Dashed, Needle::Value),
    form("bank_account", &["입금", "銀行", "帳戶"], numbers::account, Joints::Any, Needle::Value),
    form("bank_account", &["口座", "普通"], numbers::japanese_account, Joints::Spaced, Needle::WithWord),
    form("bank_account", &["บัญชี", "กสิกร "], numbers::thai_account, Joints::Any, Needle::Value),
    form("iban", &["유럽 번호", "番号"], numbers::iban, Joints::Spaced, Needle::Value),
    form("secret", &["토큰 ", "鍵"], numbers::token, Joints::Any, Needle::Value),
    form("secret", &["인증번호 ", "認証コード", "驗證碼", "รหัสผ่าน"], numbers::one_time_code, Joints::Any, Needle::WithWord),
    form("secret", &["카드 보안코드 ", "セキュリティコード", "安全碼", "末三碼"], numbers::security_code, Joints::Any, Needle::WithWord),
];

const fn form(
    kind: &'static str,
    before: &'static [&'static str],
    make: fn(&mut Random) -> String,
    joints: Joints,
    needle: Needle,
) -> Form {
    Form { kind, before, make, joints, needle }
}

/// So many texts of messages, and behind them those of dead letters; the same in every run.
pub(super) fn texts(messages: usize, dead: usize) -> Vec<Text> {
    let mut random = Random(0x0ca7_a91e5);
    let mut seen = HashSet::new();
    (0..messages + dead).map(|_| text(&mut random, &mut seen)).collect()
}

fn text(random: &mut Random, seen: &mut HashSet<Vec<u8>>) -> Text {
    let (mut text, mut values) = (String::new(), Vec::new());
    for form in &FORMS {
        loop {
            let (begin, word) = (text.len(), random.pick(form.before));
            text.push_str(word);
            let start = text.len();
            text.push_str(&form.write(random));
            let value = form.value(&text, begin, start);
            if seen.insert(e2e::search::plain(&text[value.needle.clone()])) {
                values.push(value);
                break;
            }
            text.truncate(begin);
        }
        text.push_str(random.pick(&BEHIND));
        text.push_str(BETWEEN);
    }
    text.truncate(text.trim_end_matches([',', ' ']).len());
    Text { text, values }
}

impl Form {
    fn value(&self, text: &str, begin: usize, start: usize) -> Value {
        let place = start..text.len();
        let needle = match self.needle {
            Needle::Value => place.clone(),
            Needle::WithWord => begin..text.len(),
            Needle::Local => start..start + text[start..].find(['@', wide('@')]).expect("an address has one"),
        };
        Value { kind: self.kind, place, needle }
    }

    /// One of its kind, as somebody may write it.
    fn write(&self, random: &mut Random) -> String {
        let mut parts = (self.make)(random);
        if matches!(self.needle, Needle::Local) {
            parts.push_str(random.pick(&["@example.com", "@mail.example.jp", "@example.co.th"]));
        }
        let is_even = random.chance(80);
        let even = self.joints.pick(random);
        let mut text = String::new();
        for part in parts.split_inclusive('|') {
            text.push_str(part.trim_end_matches('|'));
            if part.ends_with('|') {
                text.push_str(&if is_even { even.clone() } else { self.joints.pick(random) });
            }
        }
        let text = in_script(&text, random);
        if random.chance(15) { with_hidden(&text, random) } else { text }
    }
}

impl Joints {
    fn pick(self, random: &mut Random) -> String {
        let is_plain = random.chance(50);
        let spaces = if is_plain { &SPACES[..1] } else { &SPACES };
        let mut dashes = if is_plain { DASHES[..1].to_vec() } else { DASHES.to_vec() };
        if !is_plain && matches!(self, Joints::Any | Joints::Marked) {
            dashes.extend(DOTS);
        }
        let space = random.pick(spaces);
        let dash = random.pick(&dashes);
        let all = [space.to_string(), dash.to_string(), format!("{space}{dash}{space}"), String::new()];
        let picked = match self {
            Joints::Any => random.below(4),
            Joints::Marked | Joints::Dashed => random.below(3),
            Joints::Spaced => 3 * random.below(2),
        };
        all[picked].clone()
    }
}

/// The same in digits of another script, or all of it in full-width forms.
fn in_script(text: &str, random: &mut Random) -> String {
    let digits: Vec<char> = match random.below(100) {
        0..50 => return text.to_owned(),
        50..70 => return text.chars().map(wide).collect(),
        70..80 => ('๐'..='๙').collect(),
        80..97 => {
            let zero = random.pick(&ZEROS);
            (zero..).take(10).collect()
        }
        _ => random.pick(&SCATTERED).to_vec(),
    };
    let sign = |sign: char| sign.to_digit(10).map_or(sign, |digit| digits[digit as usize]);
    text.chars().map(sign).collect()
}

/// The same with something without width somewhere within.
fn with_hidden(text: &str, random: &mut Random) -> String {
    let range: Vec<char> = HIDDEN[random.below(HIDDEN.len())].clone().collect();
    let within: Vec<usize> = text.char_indices().skip(1).map(|(at, _)| at).collect();
    let (before, behind) = text.split_at(random.pick(&within));
    format!("{before}{}{behind}", random.pick(&range))
}
