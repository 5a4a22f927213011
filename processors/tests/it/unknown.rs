//! Unknown fields: ignored, told on `audit.unknown-fields`, masked.

use schemas::{Codec, Framing, Topic, UnknownField, header};
use serde_json::{Value, json};

use crate::driver::{Direction, EVENT_TIME, Raw, Table, run};

const KEY: &str = "line-th:U11111111111111111111111111111111";
const HOUR: i64 = 60 * 60 * 1000;

/// A LINE text with these fields besides its own, in the event and in its message, received `after` ms later than usual.
fn text(number: u32, after: i64, event: &[(&str, Value)], message: &[(&str, Value)]) -> Raw {
    let mut value = json!({
        "type": "message", "mode": "active", "timestamp": EVENT_TIME, "replyToken": "r",
        "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XKC{number:03}"),
        "deliveryContext": {"isRedelivery": false},
        "source": {"type": "user", "userId": "U11111111111111111111111111111111"},
        "message": {"type": "text", "id": number.to_string(), "text": "hello", "quoteToken": "q", "emojis": []},
    });
    for (name, field) in event {
        value[name] = field.clone();
    }
    for (name, field) in message {
        value["message"][name] = field.clone();
    }
    let mut raw = Raw::new(Direction::LineToGenesys, KEY, value.to_string().as_bytes());
    for name in [header::RECEIVED, header::EVENT_TIME] {
        let time: i64 = raw.headers[name].parse().unwrap();
        raw.headers.insert(name.to_owned(), (time + after).to_string());
    }
    raw
}

/// What is told of records, and how many messages went on.
fn told(records: &[Raw]) -> (Vec<(String, String)>, usize) {
    let (effects, counts) = run(Direction::LineToGenesys, Table::default(), records);
    assert_eq!(counts.dead, 0);
    let codec = Codec::<UnknownField>::new(&Framing::single_object());
    let records = effects.outputs.iter().filter(|output| output.topic == Topic::UNKNOWN_FIELDS.name());
    let told = records.map(|output| {
        let UnknownField { source, account, field, value, received } = codec.decode(&output.value).unwrap();
        assert_eq!((source.as_str(), account.as_str()), ("webhooks.line", "line-th"));
        assert!(received >= EVENT_TIME);
        (field, value)
    });
    let gone =
        effects.outputs.iter().filter(|output| output.topic == platforms::genesys::DESTINATION.outbox.name());
    (told.collect(), gone.count())
}

fn pair(field: &str, value: &str) -> (String, String) {
    (field.to_owned(), value.to_owned())
}

#[test]
fn what_a_platform_adds_is_told_and_the_message_goes_on() {
    let source = json!({"type": "user", "userId": "U11111111111111111111111111111111", "place": "home"});
    let event = [("mood", json!({"is": ["good", 7]})), ("source", source)];
    let (told, gone) = told(&[text(1, 0, &event, &[("tone", json!("warm"))])]);
    let expected = [
        pair("mood", r#"{"is":["good",7]}"#),
        pair("source.place", r#""home""#),
        pair("message.tone", r#""warm""#),
    ];
    assert_eq!(told, expected);
    assert_eq!(gone, 1);
}

#[test]
fn what_is_known_is_not_told() {
    assert_eq!(told(&[text(1, 0, &[], &[])]), (vec![], 1));
}

#[test]
fn what_is_told_is_masked_also_in_its_name_and_by_the_words_of_its_name() {
    let fields = [
        ("call 010-1234-5678", json!(null)),
        ("raw", json!("카드 4532-0151-1283-0366")),
        ("escaped", json!({"deep": ["010-@234-5678"], "9001011234567": 1})),
        ("number", json!(4532015112830366_u64)),
        ("계좌번호", json!("110-123-456789")),
    ];
    let mut record = text(1, 0, &[], &fields);
    // A digit as an escape: it is masked as whoever reads the JSON sees it.
    record.value = String::from_utf8(record.value).unwrap().replace('@', "\\u0031").into_bytes();
    let (told, gone) = told(&[record]);
    let all: String = told.iter().map(|(field, value)| format!("{field} {value}\n")).collect();
    assert_eq!((told.len(), gone), (5, 1), "{all}");
    for secret in ["1234-5678", "0151", "1234567", "456789", "12830366"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(all.contains("message.call ***-****-5678 null"), "{all}");
}

#[test]
fn a_field_is_told_once_an_hour() {
    let new = |number, after| text(number, after, &[("mood", json!(number))], &[]);
    let records = [new(1, 0), new(2, HOUR - 1), new(3, HOUR), new(4, HOUR + 1)];
    let (told, gone) = told(&records);
    assert_eq!(told, [pair("mood", "1"), pair("mood", "3")]);
    assert_eq!(gone, 4);
}

#[test]
fn a_duplicate_tells_nothing() {
    let record = text(1, 0, &[("mood", json!(1))], &[]);
    let mut again = record.clone();
    again.headers.insert(header::RECEIVED.to_owned(), (EVENT_TIME + 2 * HOUR).to_string());
    assert_eq!(told(&[record, again]).0.len(), 1);
}

#[test]
fn odd_and_many_fields_cost_no_message() {
    let names: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, Value)> =
        names.iter().map(|name| (name.as_str(), json!("ส".repeat(1_000)))).collect();
    let (told, gone) = told(&[text(1, 0, &many, &[])]);
    assert_eq!((told.len(), gone), (16, 1));
    assert!(told.iter().all(|(_, value)| value.len() <= 1_024 && value.starts_with("\"ส")));

    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for odd in [r#""\ud83d""#, &deep, "1e999"] {
        let mut record = text(1, 0, &[("odd", json!("@"))], &[]);
        record.value = String::from_utf8(record.value).unwrap().replace("\"@\"", odd).into_bytes();
        let (told, gone) = self::told(&[record]);
        assert_eq!((told, gone), (vec![pair("odd", "(not readable)")], 1), "{}", &odd[..8.min(odd.len())]);
    }
}
