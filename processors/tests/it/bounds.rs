//! What is too long for one object, one push or one record.

use platforms::line::{MESSAGE_OBJECTS, TEXT_UNITS};
use processors::{derived_identity, identity_text};
use schemas::{Codec, Content, Framing, MAX_MESSAGE_BYTES, Outbox, Reason, WEBHOOK_BODY_LIMIT};

use crate::driver::{Direction, Raw, Table, run, text_of};

const GUID: &str = "6f4a0c1e-0000-8000-8000-000000000001";
/// What a record has beside its text: ids, attributes, headers, in bytes.
const BESIDE: usize = 4 * 1024;

fn agent(text: &str) -> Raw {
    let value = serde_json::json!({"id": "36e4", "type": "Text", "direction": "Outbound", "text": text});
    Raw::new(Direction::GenesysToLine, GUID, value.to_string().as_bytes())
}

/// The texts of a record.
fn texts(record: &Outbox) -> impl Iterator<Item = &str> {
    record.contents.iter().map(|content| match content {
        Content::Text { text } => text.as_str(),
        _ => panic!("not a text"),
    })
}

#[test]
fn a_long_text_goes_out_in_several_pushes_in_order_and_whole() {
    let family = "👨\u{200D}👩\u{200D}👧\u{200D}👦";
    let text = format!("{} end", family.repeat(3_000)); // 33,004 units: 7 objects
    let (effects, _) = run(Direction::GenesysToLine, Table::default(), &[agent(&text)]);
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    let records: Vec<Outbox> = effects.outputs.iter().map(|o| codec.decode(&o.value).unwrap()).collect();
    assert_eq!(records.iter().map(|r| r.contents.len()).collect::<Vec<_>>(), [MESSAGE_OBJECTS, 2]);
    assert_eq!(records.iter().flat_map(texts).collect::<String>(), text);
    for piece in records.iter().flat_map(texts) {
        assert!(piece.encode_utf16().count() <= TEXT_UNITS);
        assert!(piece.starts_with('👨'), "no cluster is torn");
    }
    let event = u128::from_str_radix(&records[0].identity, 16).unwrap();
    assert_eq!(records[1].identity, identity_text(derived_identity(event, 1)));
    assert!(records.iter().all(|r| r.message_id == "36e4" && r.person == GUID));
}

#[test]
fn blank_objects_are_left_out() {
    let text = format!("{}{}b", "a".repeat(TEXT_UNITS), " ".repeat(TEXT_UNITS));
    let (effects, _) = run(Direction::GenesysToLine, Table::default(), &[agent(&text)]);
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    let record = codec.decode(&effects.outputs[0].value).unwrap();
    assert_eq!(texts(&record).collect::<Vec<_>>(), ["a".repeat(TEXT_UNITS), "b".to_owned()]);
}

/// A LINE message of the given type and fields, padded to `size` bytes by repeating `unit` where `fill` stands.
fn padded(event: &str, unit: &str, size: usize) -> Raw {
    let times = (size - (event.len() - "fill".len())) / unit.len();
    let value = event.replace("fill", &unit.repeat(times));
    Raw::new(Direction::LineToGenesys, "line-th:U1", value.as_bytes())
}

#[test]
fn an_event_that_ingress_takes_fits_its_outbox_record_whatever_it_holds() {
    let cases = [
        (r#"{"type":"message","message":{"id":"1","type":"text","text":"fill"}}"#, "a"),
        (r#"{"type":"message","message":{"id":"1","type":"text","text":"fill"}}"#, "ส"),
        (r#"{"type":"message","message":{"id":"1","type":"text","text":"fill"}}"#, r"\ud800"),
        (r#"{"type":"message","message":{"id":"1","type":"text","text":"fill"}}"#, r"\u0e2a"),
        (r#"{"type":"message","message":{"id":"1","type":"sticker","keywords":[fill1]}}"#, "1,"),
        (r#"{"type":"message","message":{"id":"1","type":"file","fileName":"fill"}}"#, "f"),
        (r#"{"type":"message","message":{"id":"1","type":"location","title":"fill"}}"#, "t"),
        (r#"{"type":"message","message":{"id":"1","type":"fill"}}"#, "t"),
        (r#"{"type":"message","message":{"id":"fill","type":"text","text":"a"}}"#, "1"),
    ];
    for (event, unit) in cases {
        let raw = padded(event, unit, WEBHOOK_BODY_LIMIT);
        assert!(raw.value.len() > WEBHOOK_BODY_LIMIT - 10);
        let (effects, counts) = run(Direction::LineToGenesys, Table::default(), &[raw]);
        assert_eq!(counts.released, 1, "{event}");
        for output in &effects.outputs {
            assert!(output.value.len() + BESIDE <= MAX_MESSAGE_BYTES, "{event}: {}", output.value.len());
        }
    }
}

#[test]
fn one_byte_more_is_dead() {
    let event = r#"{"type":"message","message":{"id":"1","type":"text","text":"fill"}}"#;
    let (effects, counts) =
        run(Direction::LineToGenesys, Table::default(), &[padded(event, "a", WEBHOOK_BODY_LIMIT + 1)]);
    assert_eq!((counts.dead, effects.dead[0].reason), (1, Reason::TooLarge.code()));
    assert!(effects.outputs.is_empty());
}

#[test]
fn a_long_line_text_stays_one_message() {
    let event = r#"{"type":"message","message":{"id":"1","type":"text","text":"fill"}}"#;
    let (effects, _) = run(Direction::LineToGenesys, Table::default(), &[padded(event, "ส", 60_000)]);
    let outbox = effects.outputs.iter().find(|o| o.topic == "outbox.genesys").unwrap();
    let record = Codec::<Outbox>::new(&Framing::single_object()).decode(&outbox.value).unwrap();
    assert!(text_of(&record).len() > 59_900);
}
