//! Personal data that nobody has, of every kind that the masker knows: with the check digits that each must have, in
//! every form that it knows. What has a `|` in it has parts there.

/// splitmix64: the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // The remainder is smaller than what it is taken of.
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// One of the forms: `#` is a digit, `%` one that is not zero, `@` a capital letter, `&` a letter or digit, `$` a
    /// month and a day.
    fn form(&mut self, forms: &[&str]) -> String {
        let form = self.pick(forms);
        let mut all = String::with_capacity(form.len());
        for sign in form.chars() {
            let signs: &[u8] = match sign {
                '#' => b"0123456789",
                '%' => b"123456789",
                '@' => b"ABCDEFGHJKLMNPQRSTUVWXYZ",
                '&' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                '$' => {
                    let (month, day) = (1 + self.below(12), 1 + self.below(28));
                    all.push_str(&format!("{month:02}{day:02}"));
                    continue;
                }
                other => {
                    all.push(other);
                    continue;
                }
            };
            all.push(char::from(self.pick(signs)));
        }
        all
    }
}

/// Digits, letters as numbers from 10 on.
fn values(text: &str) -> Vec<u32> {
    text.chars().filter_map(|sign| sign.to_digit(36)).collect()
}

/// The form with another last digit, of which one makes the number right.
fn right(random: &mut Random, forms: &[&str], is_right: impl Fn(&[u32]) -> bool) -> String {
    let mut number = random.form(forms);
    for _ in 0..10 {
        if is_right(&values(&number)) {
            return number;
        }
        let last = number.pop().and_then(|digit| digit.to_digit(10)).expect("a form ends with a digit");
        number.push(char::from_digit((last + 1) % 10, 10).expect("a digit"));
    }
    unreachable!("one of ten is right")
}

fn weighted(digits: &[u32], weights: impl IntoIterator<Item = u32>) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

pub(super) fn card(random: &mut Random) -> String {
    const FORMS: [&str; 10] = [
        "4###|####|####|####",
        "51##|####|####|####",
        "54##|####|####|####",
        "2222|####|####|####",
        "37##|######|#####",
        "356#|####|####|####",
        "62##|####|####|####|###",
        "36##|######|####",
        "9###|####|####|####",
        "6011|####|####|####",
    ];
    right(random, &FORMS, |digits| {
        let each = digits.iter().rev().zip([1, 2].into_iter().cycle()).map(|(digit, by)| digit * by);
        each.map(|sum| sum / 10 + sum % 10).sum::<u32>().is_multiple_of(10)
    })
}

pub(super) fn resident(random: &mut Random) -> String {
    // Since October 2020 they have no check digit.
    if random.chance(20) {
        return random.form(&["2#$|3######", "2#$|4######"]);
    }
    resident_of(random, &["7#$|1######", "8#$|2######", "9#$|2######", "0#$|3######"], 11)
}

pub(super) fn foreigner(random: &mut Random) -> String {
    resident_of(random, &["7#$|5######", "8#$|6######", "0#$|7######"], 13)
}

fn resident_of(random: &mut Random, forms: &[&str], from: u32) -> String {
    right(random, forms, |digits| {
        digits[12] == (from - weighted(&digits[..12], [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10
    })
}

pub(super) fn licence(random: &mut Random) -> String {
    random.form(&["11|##|######|##", "15|##|######|##", "26|##|######|##", "28|##|######|##"])
}

pub(super) fn korean_passport(random: &mut Random) -> String {
    random.form(&["M########", "S########", "M###@####", "R###@####"])
}

pub(super) fn korean_passport_named(random: &mut Random) -> String {
    random.form(&["PM#######", "JR#######", "G########"])
}

pub(super) fn customs(random: &mut Random) -> String {
    random.form(&["P############"])
}

pub(super) fn my_number(random: &mut Random) -> String {
    right(random, &["%###|####|####"], |digits| {
        let rest = weighted(&digits[..11], [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        digits[11] == if rest <= 1 { 0 } else { 11 - rest }
    })
}

pub(super) fn japanese_passport(random: &mut Random) -> String {
    random.form(&["TK|#######", "TR|#######", "MU|#######", "NH|#######"])
}

pub(super) fn taiwanese(random: &mut Random) -> String {
    right(random, &["@|1########", "@|2########"], is_taiwanese)
}

pub(super) fn taiwanese_resident(random: &mut Random) -> String {
    right(random, &["@A|########", "@C|########", "@|8########", "@|9########"], is_taiwanese)
}

fn is_taiwanese(values: &[u32]) -> bool {
    // The letters in the order of what they stand for, from 10 on; `values` has A as 10.
    let letter = |value: u32| {
        let order =
            "ABCDEFGHJKLMNPQRSTUVXYWZIO".bytes().position(|other| u32::from(other - b'A') + 10 == value);
        u32::try_from(order.expect("a capital letter")).expect("of 26") + 10
    };
    let first = letter(values[0]);
    let rest = values[1..].iter().map(|value| if *value < 10 { *value } else { letter(*value) % 10 });
    let rest = weighted(&rest.collect::<Vec<_>>(), [8, 7, 6, 5, 4, 3, 2, 1, 1]);
    (first / 10 + first % 10 * 9 + rest).is_multiple_of(10)
}

pub(super) fn thai(random: &mut Random) -> String {
    right(random, &["1|####|#####|##|#", "3|####|#####|##|#", "5|####|#####|##|#"], |digits| {
        digits[12] == (11 - weighted(&digits[..12], (2..=13).rev()) % 11) % 10
    })
}

pub(super) fn thai_passport(random: &mut Random) -> String {
    random.form(&["PA|#######", "KN|#######"])
}

pub(super) fn korean_phone(random: &mut Random) -> String {
    random.form(&[
        "010|%###|####",
        "02|%###|####",
        "031|%##|####",
        "070|%###|####",
        "0504|###|####",
        "+82|10|%###|####",
    ])
}

pub(super) fn japanese_phone(random: &mut Random) -> String {
    random.form(&[
        "090|%###|####",
        "080|%###|####",
        "03|3###|####",
        "045|%##|####",
        "0467|%#|####",
        "+81|90|%###|####",
    ])
}

pub(super) fn taiwanese_phone(random: &mut Random) -> String {
    random.form(&["09##|###|###", "02|2###|####", "04|2###|####", "+886|9##|###|###"])
}

pub(super) fn thai_phone(random: &mut Random) -> String {
    random.form(&["08#|###|####", "09#|###|####", "06#|###|####", "02|%##|####", "+66|8#|###|####"])
}

pub(super) fn phone_abroad(random: &mut Random) -> String {
    random.form(&["+1|415|###|####", "+44|20|7###|####", "+65|6###|####", "+852|9###|####", "+49|30|#######"])
}

pub(super) fn address_name(random: &mut Random) -> String {
    random.form(&["minji.kim######", "taro_yamada####", "somchai-######", "&&&&&&&&&&+##", "######chen"])
}

pub(super) fn account_in_parts(random: &mut Random) -> String {
    random.form(&["1002|%##|######", "%##|######|0#|###", "3333|0#|%######"])
}

pub(super) fn account(random: &mut Random) -> String {
    random.form(&["1#############", "%###########"])
}

pub(super) fn japanese_account(random: &mut Random) -> String {
    random.form(&["%######"])
}

pub(super) fn thai_account(random: &mut Random) -> String {
    random.form(&["%##|#|#####|#"])
}

pub(super) fn iban(random: &mut Random) -> String {
    let country = random.pick(&["DE", "GB", "FR", "NL"]);
    let account = random.form(match country {
        "DE" => &["##################"],
        "GB" => &["@@@@##############"],
        "FR" => &["#######################"],
        _ => &["@@@@##########"],
    });
    let rest = values(&format!("{account}{country}00")).into_iter().fold(0, |rest, value| match value {
        digit @ 0..10 => (rest * 10 + digit) % 97,
        letter => (rest * 100 + letter) % 97,
    });
    let whole = format!("{country}{:02}{account}", 98 - rest);
    let parts: Vec<&str> =
        (0..whole.len()).step_by(4).map(|at| &whole[at..whole.len().min(at + 4)]).collect();
    parts.join("|")
}

pub(super) fn token(random: &mut Random) -> String {
    random.form(&[
        "Bearer &&&&&&&&&&&&&&&&&&&&&&&&",
        "eyJ&&&&&&&&&&&&&&&&.&&&&&&&&&&&&&&&&&&&&.&&&&&&&&&&&&&",
        "sk_live_&&&&&&&&&&&&&&&&",
        "ghp_&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&",
        "AKIA@@@@@@@@@@@@@@@@",
    ])
}

pub(super) fn one_time_code(random: &mut Random) -> String {
    random.form(&["3#######"])
}

pub(super) fn security_code(random: &mut Random) -> String {
    random.form(&["####"])
}
