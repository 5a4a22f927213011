//! The table of odd bodies (`tests/data/odd-bodies.json`), row by row through the port.
//!
//! A text is a string, or `parts`: strings, `repeat`ed strings and `base64` bytes. `records` are what must be written,
//! in order: raw ones with `key`, `time` and what else stands in their headers, `dead` ones with their reason. A
//! record's `value` is the whole body unless given.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ingress::NewRecord;
use platforms::Platform;
use schemas::{Topic, header};
use serde::Deserialize;

use crate::harness::{RECEIVED, Server, name};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    source: String,
    body: Text,
    status: Option<u16>,
    records: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    key: Option<Text>,
    time: Option<String>,
    id: Option<String>,
    r#type: Option<String>,
    redelivery: Option<String>,
    dead: Option<String>,
    value: Option<Text>,
    times: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Parts { parts: Vec<Part> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Plain(String),
    Repeat { repeat: String, times: usize },
    Base64 { base64: String },
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        let part = |part: &Part| match part {
            Part::Plain(text) => text.as_bytes().to_vec(),
            Part::Repeat { repeat, times } => repeat.repeat(*times).into_bytes(),
            Part::Base64 { base64 } => STANDARD.decode(base64).unwrap(),
        };
        match self {
            Text::Plain(text) => text.as_bytes().to_vec(),
            Text::Parts { parts } => parts.iter().flat_map(part).collect(),
        }
    }
}

#[tokio::test]
async fn table() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/odd-bodies.json")).unwrap();
    assert!(cases.len() > 100, "the table is there");
    let server = Server::start().await;
    for case in &cases {
        let platform = platforms::named(&case.source).unwrap();
        let body = case.body.bytes();
        let answer = server.post(platform, &body).await;
        assert_eq!(answer.status, case.status.unwrap_or(200), "{}", case.name);
        let written = server.log.take();
        let expected: Vec<_> = case
            .records
            .iter()
            .flat_map(|record| std::iter::repeat_n(record, record.times.unwrap_or(1)))
            .collect();
        assert_eq!(written.len(), expected.len(), "{}: {written:?}", case.name);
        for (record, expected) in written.iter().zip(expected) {
            check(case, platform, &body, record, expected);
        }
    }
}

fn check(case: &Case, platform: &'static Platform, body: &[u8], record: &NewRecord, expected: &Expected) {
    let (account, name) = (name(platform), &case.name);
    let key = match &expected.key {
        Some(key) => String::from_utf8(key.bytes()).unwrap(),
        None => format!("{account}:"),
    };
    assert_eq!(record.key, key, "{name}: key");
    let value = expected.value.as_ref().map_or(body.to_vec(), Text::bytes);
    assert!(record.value == value, "{name}: value");
    let redelivery = expected.redelivery.as_deref().unwrap_or("false");
    let received = RECEIVED.to_string();
    let mut headers = vec![(header::ACCOUNT, Some(account)), (header::RECEIVED, Some(received.as_str()))];
    let raw = platform.source.webhooks;
    let topic = format!("test.{}", raw.name());
    match &expected.dead {
        None => {
            assert_eq!((record.topic, record.dead()), (raw, None), "{name}");
            headers.extend([
                (header::EVENT_TIME, expected.time.as_deref()),
                (header::EVENT_ID, expected.id.as_deref()),
                (header::EVENT_TYPE, expected.r#type.as_deref()),
                (header::REDELIVERY, Some(redelivery)),
            ]);
        }
        Some(reason) => {
            assert_eq!((record.topic, record.dead().is_some()), (Topic::DEAD_LETTERS, true), "{name}");
            headers.extend([
                (header::DEAD_REASON, Some(reason.as_str())),
                (header::DEAD_STAGE, Some("ingress")),
                (header::DEAD_TOPIC, Some(topic.as_str())),
                (header::DEAD_DETAIL, record.header(header::DEAD_DETAIL).filter(|detail| !detail.is_empty())),
            ]);
        }
    }
    for (header, value) in &headers {
        assert_eq!(record.header(header), *value, "{name}: {header}");
    }
    let given = headers.iter().filter(|(_, value)| value.is_some()).count();
    assert_eq!(record.headers.len(), given, "{name}: no header beside these, none twice");
}
