//! What has digits and is nobody's: orders, dates, prices, parcels, codes of goods.

use super::numbers::{digits, luhn, satisfies_a_check};
use super::random::Random;

/// What a placeholder names. `None` if it names none.
pub(crate) fn lookalike(name: &str, random: &mut Random) -> Option<String> {
    let forms: &[&str] = match name {
        "order" => &[
            "DATE########",
            "DATE-#######",
            "ORD-DATE-#####",
            "%############",
            "%#########",
            "DAY@@@@###@@",
            "N%#######",
            "%#####-####",
            "%##############",
            "@@######",
        ],
        "date" => &["Y-M-D", "Y.M.D", "Y/M/D", "DATE", "DAY", "M/D", "Y. M. D.", "M-D"],
        "stamp" => &["Y-M-D h:m:m", "Y/M/D h:m", "DATEhmm", "Y-M-DTh:m:mZ", "Y.M.D h:m", "M/D h:m"],
        "time" => &["h:m", "h:m-h:m", "h:m ~ h:m", "h:m:m"],
        "price" => &["%,###", "%#,###", "%##,###", "%,###,###", "%####", "%######", "%,###.##", "%##.##"],
        "track" => &[
            "%###########",
            "%###-####-####",
            "%#########",
            "%############",
            "%##-####-####",
            "EE#########KR",
            "RR#########TH",
            "1Z999AA10########%",
            "%###########",
            "TH##############",
        ],
        "post_kr" => &["0%###", "%##-###", "1%###"],
        "post_jp" => &["%##-####", "〒%##-####", "%######"],
        "post_tw" => &["%####", "%##", "%#####"],
        "post_th" => &["1%###", "%0###", "%#%##"],
        "model" => &[
            "SM-G%##N",
            "WH-1000XM%",
            "A%###",
            "RTX%0%0",
            "@@-%###@",
            "MQ%N%KH/A",
            "@##@####",
            "DSC-RX%00M#",
            "@%%####@@",
            "NP-@@###",
        ],
        // Written like a passport: only the word beside it tells.
        "model_number" => &["M%#######", "S%#######", "G%#######"],
        "version" => &["v%.#.#", "%#.#.#", "%.##.#.####", "%.#.##", "%#.#"],
        "short_kr" => &["1588-####", "1544-####", "1644-####", "1577 ####", "1599####", "114"],
        "free_jp" => &["0120-###-###", "0570-###-###", "0800-###-####", "0120######", "0570######"],
        "free_tw" => &["0800-###-###", "0809-###-###", "412-####"],
        "free_th" => &["1800-###-###", "1%##", "1800######"],
        "coupon" => &["WELCOME20##", "@@##-@@##-@@##", "SAVE%0", "@#@#@#@#", "LINE%0%0", "@@@@-####-@@@@"],
        "count" => &["%", "%#", "%##"],
        "ip" => &["192.168.%#.%#", "10.%#.%.%##", "203.0.113.%#", "172.16.%#.%##"],
        "place" => {
            &["3%.####, 12%.####", "13.7#####, 100.5#####", "25.0####,121.5####", "35.6####, 139.7####"]
        }
        "barcode" => &["880##########", "490##########", "471##########", "885##########", "##############"],
        "isbn" => &["978-89-%###-%##-#", "979-11-%#-%####-#", "978-4-%###-%###-#"],
        "imei" => &["35############", "86############"],
        "business" => &["%##-##-#####", "%##-8%-#####"],
        "business_tw" => &["%#######"],
        "flight" => &["KE%##", "JL%##", "TG%##", "CI%##", "OZ%##"],
        "size" => &["%##mm", "%#cm", "%##x%##", "%#0-%0-%#", "1920x1080"],
        "last4" => &["####"],
        "masked" => &["****-****-****-####", "***-****-####", "%%*****-*******"],
        "link" => &["https://shop.example.com/items/%#######?ref=%###", "https://example.com/o/DATE%####"],
        "uuid" => &["%f3a##c1-4b##-4%%%-a###-%#e#b#######"],
        "serial" => &["SN%@#@######@#", "%@%@-%@%@-####", "C02@@###@@@#"],
        "long" => &["%#########################", "%######################"],
        "room" => &["%0%-%#0%", "%##", "B%##"],
        // As good as a person's number of Japan: only the word beside it tells.
        "my_number_of_a_parcel" => return Some(parcel(random)),
        _ => return None,
    };
    let form = random.pick(forms);
    let mut text = filled(form, random);
    while satisfies_a_check(&text) && name != "imei" {
        let form = random.pick(forms);
        text = filled(form, random);
    }
    Some(if name == "imei" { with_luhn(&text) } else { text })
}

fn filled(form: &str, random: &mut Random) -> String {
    let (year, month, day) = (random.between(2024, 2026), random.between(1, 12), random.between(1, 28));
    let padded = random.chance(70);
    let two = |number: usize| if padded { format!("{number:02}") } else { number.to_string() };
    let mut text = form
        .replace("DATE", &format!("{year}{month:02}{day:02}"))
        .replace("DAY", &format!("{:02}{month:02}{day:02}", year % 100));
    let is_moment =
        form.contains('h') && !form.contains("http") || form.contains("M/D") || form.starts_with('Y');
    if is_moment || form == "M-D" {
        text = text
            .replace('Y', &year.to_string())
            .replace('M', &two(month))
            .replace('D', &two(day))
            .replace('h', &format!("{:02}", random.below(24)));
        while let Some(at) = text.find('m') {
            text.replace_range(at..=at, &format!("{:02}", random.below(60)));
        }
    }
    random.form(&text)
}

fn with_luhn(head: &str) -> String {
    let with = |digit: usize| format!("{head}{digit}");
    let is_right = |text: &String| luhn(&digits(text));
    (0..10).map(with).find(is_right).expect("one of ten is right")
}

fn parcel(random: &mut Random) -> String {
    loop {
        let text = random.form("%###-####-####");
        if satisfies_a_check(&text) {
            return text;
        }
    }
}
