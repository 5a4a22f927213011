//! What is found, what is left alone, and what must hold for any text.

use proptest::prelude::*;

use super::*;

fn masker() -> &'static Masker {
    static MASKER: std::sync::LazyLock<Masker> = std::sync::LazyLock::new(Masker::built_in);
    &MASKER
}

/// The kinds that are found in a text, and the text with its masks.
fn told(text: &str) -> (Vec<&'static str>, String) {
    let kinds = masker().find(text).iter().map(|found| found.kind).collect();
    (kinds, masker().mask(text).into_owned())
}

#[track_caller]
fn finds(cases: &[(&str, &str, &str)]) {
    for (text, kind, masked) in cases {
        assert_eq!(told(text), (vec![*kind], (*masked).to_owned()), "{text}");
    }
}

#[track_caller]
fn leaves(texts: &[&str]) {
    for text in texts {
        assert_eq!(told(text), (vec![], (*text).to_owned()), "{text}");
    }
}

#[test]
fn korea() {
    finds(&[
        ("900101-1234568", "kr_rrn", "******-*******"),
        ("주민번호9001011234568입니다", "kr_rrn", "주민번호******-*******입니다"),
        ("201105-3482913", "kr_rrn", "******-*******"),
        ("900101-1234569", "kr_rrn", "******-*******"),
        ("850505-5123456", "kr_frn", "******-*******"),
        ("전화010-1234-5678로", "phone", "전화***-****-5678로"),
        ("01012345678", "phone", "***-****-5678"),
        ("+82 10-1234-5678", "phone", "***-****-5678"),
        ("+82-(0)10-1234-5678", "phone", "***-****-5678"),
        ("82-2-345-6789", "phone", "***-****-6789"),
        ("02-345-6789", "phone", "***-****-6789"),
        ("031-1234-5678", "phone", "***-****-5678"),
        ("070-1234-5678", "phone", "***-****-5678"),
        ("0504-123-4567", "phone", "***-****-4567"),
        ("11-22-123456-78", "kr_driver_licence", "**-**-******-**"),
        ("면허 112212345678", "kr_driver_licence", "면허 **-**-******-**"),
        ("여권M12345678요", "kr_passport", "여권M********요"),
        ("M123A4567", "kr_passport", "M********"),
        ("통관부호 P123456789012", "kr_customs_code", "통관부호 P************"),
        ("국민은행 123456-01-123456", "bank_account", "국민은행 ***-***-3456"),
        ("카카오뱅크 3333-01-1234567", "bank_account", "카카오뱅크 ***-***-4567"),
        (
            "3333011234567 카카오뱅크로 입금해 주세요",
            "bank_account",
            "***-***-4567 카카오뱅크로 입금해 주세요",
        ),
        ("인증번호 482913 입력", "secret", "인증번호 ****** 입력"),
    ]);
    leaves(&[
        "1588-1234로 전화",
        "123-45-67891",
        "주문번호 202602031234567",
        "2026-02-03 13:05:06",
        "1,234,567원",
        "운송장 6012-3456-7890",
        "010 번 버스",
    ]);
}

#[test]
fn japan() {
    finds(&[
        ("090-1234-5678です", "phone", "***-****-5678です"),
        ("電話は０３ー１２３４ー５６７８", "phone", "電話は***-****-5678"),
        ("+81 90 1234 5678", "phone", "***-****-5678"),
        ("マイナンバーは1234 5678 9018", "jp_my_number", "マイナンバーは****-****-****"),
        ("旅券番号TR1234567", "jp_passport", "旅券番号T********"),
        ("普通口座 1234567", "bank_account", "普通口座 ***4567"),
    ]);
    leaves(&["〒123-4567", "0120-123-456", "追跡番号 1234-5678-9018", "令和8年2月3日"]);
}

#[test]
fn taiwan() {
    finds(&[
        ("身分證A123456789號", "tw_national_id", "身分證**********號"),
        ("居留證 AC01234567", "tw_resident_certificate", "居留證 **********"),
        ("A800000014", "tw_resident_certificate", "**********"),
        ("手機0912-345-678", "phone", "手機***-****-5678"),
        ("(02)2345-6789", "phone", "(***-****-6789"),
    ]);
    leaves(&["A123456788", "訂單 2026020312345"]);
}

#[test]
fn thailand() {
    finds(&[
        ("บัตร1-1017-00230-70-8ครับ", "th_national_id", "บัตร*-****-*****-**-*ครับ"),
        ("โทร๐๘๑-๒๓๔-๕๖๗๘", "phone", "โทร***-****-5678"),
        ("02-123-4567", "phone", "***-****-4567"),
        ("พาสปอร์ต AA1234567", "th_passport", "พาสปอร์ต A********"),
        ("บัญชี 123-4-56789-0", "bank_account", "บัญชี ***-***-7890"),
    ]);
}

#[test]
fn everywhere() {
    finds(&[
        ("카드4532-0151-1283-0366요", "payment_card", "카드****-****-****-0366요"),
        ("3782-822463-10005", "payment_card", "****-****-****-0005"),
        ("mail a.b+c@example.co.jp!", "email", "mail a***@example.co.jp!"),
        ("메일ｕｓｅｒ＠ｅｘａｍｐｌｅ．ｃｏｍ로", "email", "메일u***@example.com로"),
        ("GB29 NWBK 6016 1331 9268 19", "iban", "****6819"),
        ("+1 (415) 555-0132", "phone", "+***0132"),
        ("Bearer abcDEF0123456789abcdef==", "secret", "[secret]"),
        ("Bearer abcdef\u{200B}ghijkl", "secret", "[secret]"),
        ("key sk-live-0123456789abcdef0123!", "secret", "key [secret]!"),
        ("your OTP is 123456.", "secret", "your OTP is ******."),
        ("OTP123456", "secret", "OTP******"),
        ("CVC 123", "secret", "CVC ***"),
        ("AKIAABCDEFGHIJKLMNOP", "secret", "[secret]"),
        // The last of it would be an account together with what follows.
        ("ghp_OMyImhabHxuT0Ro4lL844yTqVgs0yHvnpuGB OK", "secret", "[secret] OK"),
        (
            "that is the Thai passport on file, B2061994",
            "th_passport",
            "that is the Thai passport on file, B********",
        ),
    ]);
    leaves(&[
        "a@b",
        "@user 12",
        "v1.2.3",
        "3.14159265358979",
        "192.168.100.200",
        "10:30 - 11:45",
        "https://example.com/a?b=1",
        "IMEI 355079010809387",
        "OTP: 2026/02/09",
        "no OTP since 20260203",
        "no OTP for order N54846467",
        "CVC, total 1,234",
        "bank, 2026-02-03 13:05",
        "EE033977141KR",
    ]);
}

#[test]
fn what_is_masked_already_is_no_part_of_a_number() {
    leaves(&["****-****-****-0366 1234 5678 9012", "***-****-5678-1234", "a***@example.com"]);
}

#[test]
fn what_a_mask_stands_beside_is_found_at_once_or_never() {
    let long = "0".repeat(49);
    for text in [
        "OTP 123456Bearer abcdefghijkl0123".to_owned(),
        "계좌 123-456-789012๔900101-1234568010-1234-5678010-1234-5678010-1234-5678a.b@example.com".to_owned(),
        format!("OTP 1234565133055000000000000{long}a.b@example.com"),
    ] {
        let once = masker().mask(&text).into_owned();
        assert_eq!(masker().mask(&once), once, "{text}");
    }
}

#[test]
fn a_number_is_found_once_and_the_longest_wins() {
    assert_eq!(
        told("010-1234-5678, 4532015112830366 / 900101-1234568"),
        (
            vec!["phone", "payment_card", "kr_rrn"],
            "***-****-5678, ****-****-****-0366 / ******-*******".to_owned()
        )
    );
}

/// With Luhn's check digit behind it.
fn card(prefix: &str, length: usize) -> String {
    let mut number = prefix.to_owned();
    while number.len() < length - 1 {
        number.push(char::from(b'0' + u8::try_from(number.len() * 7 % 10).unwrap()));
    }
    let with = |check: u8| format!("{number}{check}");
    (0..10).map(with).find(|number| check::Check::Card.passes(number.as_bytes())).expect("one of ten")
}

#[test]
fn every_card_is_found_whatever_it_touches_and_however_it_is_written() {
    let networks: [(&str, &[usize]); 20] = [
        ("4", &[13, 14, 15, 16, 17, 18, 19]),
        ("51", &[16]),
        ("55", &[16]),
        ("2221", &[16]),
        ("2720", &[16]),
        ("34", &[15]),
        ("37", &[15]),
        ("300", &[14]),
        ("36", &[14, 15, 16, 17, 18, 19]),
        ("38", &[14, 16]),
        ("6011", &[16, 17, 18, 19]),
        ("644", &[16, 19]),
        ("65", &[16, 19]),
        ("3528", &[16, 17, 18, 19]),
        ("3589", &[16]),
        ("62", &[16, 17, 18, 19]),
        ("50", &[13, 14, 15, 16, 17, 18, 19]),
        ("67", &[13, 16, 19]),
        ("2200", &[16]),
        ("9", &[16]),
    ];
    let glues = ["", "카드", "は", "カ", "號", "ที่", "x", "🙏"];
    let separators = ["", "-", " ", ".", " - ", "–", "－", "\u{3000}", "・"];
    let zeros = [0x30_u32, 0xFF10, 0x0E50];
    let mut tried = 0;
    for (prefix, lengths) in networks {
        for length in lengths {
            let number = card(prefix, *length);
            let groups: Vec<&[u8]> = match number.len() {
                14 | 15 if prefix.starts_with('3') => {
                    let (a, rest) = number.as_bytes().split_at(4);
                    let (b, c) = rest.split_at(6);
                    vec![a, b, c]
                }
                _ => number.as_bytes().chunks(4).collect(),
            };
            for (before, behind) in glues.iter().flat_map(|a| glues.iter().map(move |b| (a, b))) {
                for separator in separators {
                    for zero in zeros {
                        for hidden in ["", "\u{200B}"] {
                            let digit = |byte: &u8| {
                                let digit = char::from_u32(zero + u32::from(byte - b'0')).unwrap();
                                format!("{digit}{hidden}")
                            };
                            let group = |group: &&[u8]| group.iter().map(digit).collect::<String>();
                            let written = groups.iter().map(group).collect::<Vec<_>>().join(separator);
                            let text = format!("{before}{written}{behind}");
                            let last4 = &number[number.len() - 4..];
                            let hidden = hidden.to_owned();
                            let expected = [
                                format!("{before}****-****-****-{last4}{behind}"),
                                format!("{before}****-****-****-{last4}{hidden}{behind}"),
                            ];
                            assert!(
                                expected.contains(&masker().mask(&text).into_owned()),
                                "{text}: {}",
                                masker().mask(&text)
                            );
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{tried} texts with a card");
}

#[test]
fn every_resident_number_is_found() {
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for _ in 0..1_000_000 {
        let month = next(12);
        let day = 1 + next(days[usize::try_from(month).unwrap()]);
        let (born, rest) = (
            format!("{:02}{:02}{day:02}", next(100), month + 1),
            format!("{}{:06}", next(10), next(1_000_000)),
        );
        for number in [format!("{born}{rest}"), format!("{born}-{rest}")] {
            assert_eq!(masker().mask(&number), "******-*******", "{number}");
        }
    }
}

/// Pieces that make numbers, and parts of some.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,20}",
        "[ .()+*@-]{1,3}",
        "[A-Za-z]{1,4}",
        "[０-９๐-๙]{1,6}",
        "[가-힣ぁ-んก-ฮ一-龠🙏]{1,3}",
        Just("010-1234-5678".to_owned()),
        Just("900101-1234568".to_owned()),
        Just("4532 0151 1283 0366".to_owned()),
        Just("a.b@example.com".to_owned()),
        Just("계좌 123-456-789012".to_owned()),
        Just("OTP 123456".to_owned()),
        Just("\u{200B}".to_owned()),
        Just("Bearer abcdefghijkl0123".to_owned()),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn masking_twice_is_masking_once(pieces in prop::collection::vec(piece(), 0..9)) {
        let once = masker().mask(&pieces.concat()).into_owned();
        let twice = masker().mask(&once).into_owned();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_is_not_found_stays_as_it_is(pieces in prop::collection::vec(piece(), 0..9)) {
        let text = pieces.concat();
        let found = masker().find(&text);
        let masked = masker().mask(&text).into_owned();
        let mut at = 0;
        let mut rest = masked.as_str();
        for Found { start, end, .. } in &found {
            prop_assert!(at <= *start && start < end && text.is_char_boundary(*start) && text.is_char_boundary(*end));
            let kept = &text[at..*start];
            let begins = rest.find(kept);
            prop_assert!(begins.is_some());
            rest = &rest[begins.unwrap() + kept.len()..];
            at = *end;
        }
        prop_assert!(rest.ends_with(&text[at..]));
    }
}

#[test]
fn a_shape_that_cannot_be_used_is_told_with_its_rule() {
    let rule = |id: &str, shape: &str| {
        format!("[[rule]]\nid = \"{id}\"\nkind = \"k\"\nshapes = ['{shape}']\nmask = \"*\"\nkeep = true\n")
    };
    let own = [rule("open", "(#"), rule("empty", "#*"), rule("good", "Z###")].concat();
    let Err(RulesError(mistakes)) = Masker::with_rules(&own) else { panic!("two shapes are wrong") };
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].starts_with("rule open: shape \"(#\": "), "{mistakes:?}");
    assert_eq!(mistakes[1], "rule empty: shape \"#*\": it fits where nothing is");
    assert_eq!(Masker::with_rules(&rule("good", "Z###")).unwrap().mask("Z123 A"), "* A");
}

#[test]
fn a_number_with_its_word_does_not_lose_its_end_to_another_rule() {
    for (text, kind, masked) in [
        ("マイナンバー7545 - 0059 - 2049", "jp_my_number", "マイナンバー****-****-****"),
        ("운전면허 26 04 53216428", "kr_driver_licence", "운전면허 **-**-******-**"),
        ("국민은행 3333 - 02 - 7983636", "bank_account", "국민은행 ***-***-3636"),
    ] {
        finds(&[(text, kind, masked)]);
        leaves(&[masked]);
    }
}
