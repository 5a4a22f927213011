//! What is handed to the vault, and the tokens that go with a message.

use processors::Settings;
use schemas::{Codec, Framing, Outbox, header};

use crate::driver::{Direction, EVENT_TIME, Raw, Table, run_with, settings, text_of};

const KEY: &str = "line-th:U11111111111111111111111111111111";

/// Texts of one person, a second apart.
fn said(texts: &[&str]) -> Vec<Raw> {
    let event = |(n, text): (usize, &&str)| {
        let event = serde_json::json!({
            "type": "message", "mode": "active", "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XKC3{n:02}"),
            "source": {"type": "user", "userId": "U11111111111111111111111111111111"},
            "message": {"type": "text", "id": n.to_string(), "text": text},
        });
        let mut raw = Raw::new(Direction::LineToGenesys, KEY, event.to_string().as_bytes());
        let time = EVENT_TIME + i64::try_from(n).unwrap();
        raw.headers.insert(header::EVENT_TIME.to_owned(), time.to_string());
        raw
    };
    texts.iter().enumerate().map(event).collect()
}

/// Texts and tokens as they leave.
fn left(settings: &Settings, texts: &[&str]) -> Vec<(String, Vec<(String, String)>)> {
    let (effects, _) = run_with(settings, Table::default(), &said(texts));
    let outbox =
        effects.outputs.iter().filter(|output| output.topic == platforms::genesys::DESTINATION.outbox.name());
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    outbox
        .map(|output| {
            let record = codec.decode(&output.value).unwrap();
            let tokens = record.tokens.iter().map(|token| (token.kind.to_string(), token.token.clone()));
            (text_of(&record).to_owned(), tokens.collect())
        })
        .collect()
}

fn token(kind: &str, token: &str) -> (String, String) {
    (kind.to_owned(), token.to_owned())
}

#[test]
fn the_token_is_that_of_the_value_however_it_is_written() {
    let phone = token("phone", "ABABCDEFGHI");
    for text in ["010-1234-5678", "０１０ １２３４ ５６７８", "전화01012345678요"] {
        let [(_, tokens)] = &left(&settings(Direction::LineToGenesys), &[text])[..] else {
            panic!("one message")
        };
        assert_eq!(tokens, std::slice::from_ref(&phone), "{text}");
    }
    let [(text, tokens)] =
        &left(&settings(Direction::LineToGenesys), &["a.B@x.kr 010-1234-5678 a.b@x.kr"])[..]
    else {
        panic!("one")
    };
    assert!(!text.contains("1234"), "{text}");
    assert_eq!(tokens, &[token("email", "a.b@x.kr"), phone], "each once, in the order of the text");
}

#[test]
fn what_the_law_forbids_to_keep_has_no_token() {
    let [(text, tokens)] = &left(&settings(Direction::LineToGenesys), &["900101-1234568"])[..] else {
        panic!("one message")
    };
    assert_eq!((text.as_str(), tokens.len()), ("******-*******", 0));
}

#[test]
fn a_number_over_messages_has_one_token_that_goes_with_each() {
    let card = token("payment_card", "EFDCABFBBCIDADGG");
    let left = left(&settings(Direction::LineToGenesys), &["카드 4532 0151", "1283 0366요"]);
    assert_eq!(
        left,
        [("카드 **** ****".to_owned(), vec![card.clone()]), ("**** 0366요".to_owned(), vec![card])]
    );
}
