//! Sealed records: opened with the key ring, dead letters as they are without it.

use std::sync::Arc;

use keys::{KeyRing, Nonce, Secret};
use processors::Settings;
use schemas::{Reason, header};

use crate::driver::{Direction, EVENT_TIME, Raw, Table, run, run_with, settings};

const KEY: &str = "line-th:U11111111111111111111111111111111";
const EVENT: &str = r#"{"type":"message","mode":"active","webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","source":{"type":"user","userId":"U11111111111111111111111111111111"},"message":{"type":"text","id":"1","text":"카드 4532-0151-1283-0366"}}"#;

fn ring(byte: u8) -> Arc<KeyRing> {
    Arc::new(KeyRing::of("a", Secret([byte; 32])))
}

fn with_ring(byte: u8) -> Settings {
    Settings { keys: Some(ring(byte)), ..settings(Direction::LineToGenesys) }
}

fn sealed(key: &str) -> Raw {
    let mut raw = Raw::new(Direction::LineToGenesys, key, EVENT.as_bytes());
    let sealed = ring(1).seal(EVENT_TIME, &Nonce([3; 12]), KEY.as_bytes(), EVENT.as_bytes());
    raw.headers.insert(header::KEY.to_owned(), sealed.key);
    raw.value = sealed.value;
    raw
}

#[test]
fn a_sealed_record_becomes_what_it_would_unsealed() {
    let plain = Raw::new(Direction::LineToGenesys, KEY, EVENT.as_bytes());
    let (unsealed, _) = run(Direction::LineToGenesys, Table::default(), &[plain]);
    let (opened, counts) = run_with(&with_ring(1), Table::default(), &[sealed(KEY)]);
    assert_eq!((counts.released, counts.dead), (1, 0));
    let values = |effects: &streams::Effects| -> Vec<Vec<u8>> {
        effects.outputs.iter().map(|output| output.value.clone()).collect()
    };
    assert_eq!(values(&opened), values(&unsealed));
    assert!(!values(&opened).iter().any(|value| String::from_utf8_lossy(value).contains("4532")));
}

#[test]
fn what_does_not_open_is_a_dead_letter_as_it_is() {
    let elsewhere = "line-th:U22222222222222222222222222222222";
    for (settings, key, detail) in [
        (settings(Direction::LineToGenesys), KEY, "sealed with the key a/20717, and `keys.file` is not set"),
        (with_ring(2), KEY, "the sealed value was changed, or its key is another one"),
        (with_ring(1), elsewhere, "the sealed value was changed, or its key is another one"),
    ] {
        let raw = sealed(key);
        let value = raw.value.clone();
        let (effects, counts) = run_with(&settings, Table::default(), &[raw]);
        assert_eq!((counts.dead, counts.released), (1, 0));
        let [dead] = &effects.dead[..] else { panic!("one dead letter") };
        assert_eq!((dead.reason, dead.detail.as_str()), (Reason::Sealed.code(), detail));
        assert_eq!(dead.record.value, value);
    }
}
