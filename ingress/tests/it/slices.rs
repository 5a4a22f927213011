//! For any JSON body of events, the records' values are slices of it, in order, none missing.

use bytes::Bytes;
use ingress::records;
use platforms::line::PLATFORM;
use proptest::collection::vec;
use proptest::prelude::*;
use schemas::header;

/// Space as JSON allows it.
fn space() -> impl Strategy<Value = String> {
    vec(prop_oneof![Just(' '), Just('\t'), Just('\n'), Just('\r')], 0..3).prop_map(String::from_iter)
}

/// What stands between the quotes of a JSON string: any character, escapes, halves of surrogates.
fn inner() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(|c| match c {
            '"' | '\\' | '\0'..='\u{1f}' => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        }),
        1 => prop::sample::select(&["\\n", "\\\"", "\\\\", "\\/", "\\ud83d\\ude00", "\\udead", "\\u0000"][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["]", "}", ",", "{", "[", ":", "events"][..]).prop_map(str::to_owned),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn number() -> impl Strategy<Value = String> {
    let exponent = prop_oneof![Just(String::new()), (-400..400_i32).prop_map(|e| format!("E{e:+}"))];
    let fraction = prop_oneof![Just(String::new()), any::<u64>().prop_map(|f| format!(".{f}"))];
    (any::<i128>(), fraction, exponent).prop_map(|(n, fraction, exponent)| format!("{n}{fraction}{exponent}"))
}

/// The text of any JSON value.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number(),
        inner().prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, |element| {
        let spaced = (space(), element, space()).prop_map(|(a, v, b)| format!("{a}{v}{b}")).boxed();
        let field = (space(), inner(), space(), spaced.clone())
            .prop_map(|(a, name, b, value)| format!("{a}\"{name}\"{b}:{value}"));
        prop_oneof![
            vec(spaced, 1..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(field, 1..4).prop_map(|fields| format!("{{{}}}", fields.join(","))),
            space().prop_map(|s| format!("[{s}]")),
            space().prop_map(|s| format!("{{{s}}}")),
        ]
    })
}

/// A field that no reader of key and time asks for.
fn other_field() -> impl Strategy<Value = String> {
    (inner(), space(), value()).prop_map(|(name, s, value)| format!("\"x-{name}\"{s}:{s}{value}"))
}

/// An element of `events`: its text, and the key and time that it must get, if it is a well-formed event.
fn event() -> impl Strategy<Value = (String, Option<(String, i64)>)> {
    let id = prop::sample::select(&["userId", "roomId", "groupId"][..]);
    let well_formed = (id, "[A-Za-z0-9]{1,40}", 0..=i64::MAX, vec(other_field(), 0..4), space())
        .prop_flat_map(|(field, id, time, others, s)| {
            let mut fields = others;
            fields.push(format!("\"timestamp\":{s}{time}{s}"));
            fields.push(format!("\"type\"{s}:\"message\""));
            fields.push(format!("{s}\"source\":{{{s}\"{field}\":\"{id}\"{s}}}"));
            let key = format!("shop-th:{id}");
            Just(fields)
                .prop_shuffle()
                .prop_map(move |fields| (format!("{{{}}}", fields.join(",")), Some((key.clone(), time))))
        });
    prop_oneof![2 => well_formed, 1 => value().prop_map(|text| (text, None))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_one_record_and_a_slice_of_the_body(
        elements in vec((space(), event(), space()), 0..8),
        before in vec(other_field(), 0..3),
        after in vec(other_field(), 0..3),
        around in (space(), space(), space()),
    ) {
        let (first, second, third) = around;
        let mut text = format!("{first}{{");
        for field in &before {
            text += &format!("{field},");
        }
        text += &format!("{second}\"events\"{third}:{second}[");
        let mut places = Vec::new();
        for (i, (left, (event, _), right)) in elements.iter().enumerate() {
            text += if i == 0 { "" } else { "," };
            text += left;
            places.push(text.len()..text.len() + event.len());
            text += event;
            text += right;
        }
        text += if elements.is_empty() { &third } else { "" };
        text += &format!("]{first}");
        for field in &after {
            text += &format!(",{field}");
        }
        text += &format!("}}{third}");

        let body = Bytes::from(text);
        let records = records(&PLATFORM, "shop-th", &body, 7);
        prop_assert_eq!(records.len(), elements.len(), "{:?}", body);
        for (record, (place, (_, (_, expected), _))) in records.iter().zip(places.iter().zip(&elements)) {
            let begin = record.value.as_ptr() as usize - body.as_ptr() as usize;
            prop_assert_eq!(&(begin..begin + record.value.len()), place, "the very bytes of the body");
            if let Some((key, time)) = expected {
                prop_assert_eq!(record.topic, PLATFORM.source.webhooks);
                prop_assert_eq!(&record.key, key);
                let time = time.to_string();
                prop_assert_eq!(record.header(header::EVENT_TIME), Some(time.as_str()));
            }
        }
    }

    /// What is no webhook body at all is kept whole.
    #[test]
    fn any_other_bytes_are_kept(bytes in vec(any::<u8>(), 0..200), text in value()) {
        prop_assume!(!text.contains("events"));
        for body in [Bytes::from(bytes.clone()), Bytes::from(text.clone())] {
            let records = records(&PLATFORM, "shop-th", &body, 7);
            prop_assert_eq!(records.len(), 1);
            prop_assert_eq!(&records[0].value, &body);
            prop_assert!(records[0].dead().is_some());
        }
    }
}

/// Whoever reads them by place, or compares two records, finds the same order everywhere.
#[test]
fn headers_keep_their_order() {
    let names = |body: &'static [u8]| {
        let records = records(&PLATFORM, "shop-th", &Bytes::from_static(body), 7);
        records[0].headers.iter().map(|(name, _)| name.clone().into_owned()).collect::<Vec<_>>()
    };
    let raw = names(
        br#"{"events":[{"type":"message","timestamp":1,"source":{"userId":"U1"},"webhookEventId":"E1"}]}"#,
    );
    let rest = [header::REDELIVERY, header::ACCOUNT, header::RECEIVED];
    assert_eq!(raw, [&[header::EVENT_TIME, header::EVENT_ID, header::EVENT_TYPE][..], &rest].concat());
    let dead = [header::DEAD_REASON, header::DEAD_DETAIL, header::DEAD_STAGE, header::DEAD_TOPIC];
    assert_eq!(names(b"no"), [&dead[..], &[header::ACCOUNT, header::RECEIVED]].concat());
}
