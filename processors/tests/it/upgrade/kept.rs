//! What is kept in topics: dedupe changelogs, texts committed with offsets, sealed values, the vault. Each is read as it
//! was meant, and written the same, so that the version before can read it too.

use keys::{KeyRing, Nonce, PersonKey, Secret, Wrapped};
use schemas::VaultKey;
use serde_json::Value;
use streams::changelog::{Item, decode, encode_barrier, encode_entries};
use streams::{CommitMetadata, Counts, Entry, Minute, Offset, position_key};

use super::{base64, bytes, hex, list, number, text, vectors};

#[test]
fn places_of_records_keep_their_keys() {
    for vector in list("position_keys", 4) {
        assert_eq!(position_key(Offset(number(&vector, "offset"))), hex(text(&vector, "key")), "{vector}");
    }
}

fn entry(value: &Value) -> Entry {
    let minute = Minute(u32::try_from(number(value, "minute")).unwrap());
    Entry { minute, key: hex(text(value, "key")), offset: Offset(number(value, "offset")) }
}

#[test]
fn changelogs_are_read_and_written_as_before() {
    let changelog = vectors("changelog");
    let recorded = |field: &str| changelog["entries"][field].as_array().unwrap();
    let mut entries: Vec<Entry> = recorded("entries").iter().map(entry).collect();
    let values: Vec<Vec<u8>> =
        recorded("values").iter().map(|value| base64(value.as_str().unwrap())).collect();
    assert_eq!((entries.len(), values.len()), (3, 1));
    assert_eq!(encode_entries(&entries), values);
    entries.sort_by_key(|entry| entry.minute);
    assert_eq!(decode(&values[0]), Ok(Item::Entries(entries)));

    let barrier = &changelog["barrier"];
    let (nonce, value) = (text(barrier, "nonce").as_bytes(), bytes(barrier, "value"));
    assert_eq!(encode_barrier(nonce), value);
    assert_eq!(decode(&value), Ok(Item::Barrier(nonce.to_vec())));
}

#[test]
fn committed_texts_are_read_and_written_as_before() {
    for vector in list("processors_commit_metadata", 2) {
        let count = |field: &str| u64::try_from(number(&vector["counts"], field)).unwrap();
        let counts = Counts {
            released: count("released"),
            late: count("late"),
            hold_cut: count("hold_cut"),
            duplicate: count("duplicate"),
            filtered: count("filtered"),
            dead: count("dead"),
        };
        let metadata = CommitMetadata { writer: text(&vector, "writer").to_owned(), counts };
        assert_eq!(metadata.encode(), text(&vector, "text"));
        assert_eq!(CommitMetadata::decode(text(&vector, "text")), Some(metadata));
    }
}

fn ring(vector: &Value) -> KeyRing {
    KeyRing::parse(text(vector, "ring")).unwrap()
}

fn nonce(vector: &Value) -> Nonce {
    Nonce(bytes(vector, "nonce").try_into().unwrap())
}

#[test]
fn sealed_values_are_opened_and_sealed_as_before() {
    for vector in list("sealed_values", 3) {
        let (ring, sealed) = (ring(&vector), bytes(&vector, "sealed"));
        let (key, belongs_to) = (text(&vector, "key"), text(&vector, "belongs_to").as_bytes());
        let value = text(&vector, "value").as_bytes();
        assert_eq!(ring.open(key, belongs_to, &sealed).as_deref(), Ok(value), "{vector}");
        let again = ring.seal(number(&vector, "now_ms"), &nonce(&vector), belongs_to, value);
        assert_eq!((again.key.as_str(), again.value), (key, sealed), "{vector}");
    }
}

#[test]
fn what_is_in_the_vault_is_revealed_as_before() {
    let vault = vectors("vault");
    let (ring, person, id) = (ring(&vault), text(&vault, "person"), text(&vault, "key_id"));
    let wrapped = &vault["wrapped"];
    let (ring_key, wrapped_key) = (text(wrapped, "ring_key").to_owned(), bytes(wrapped, "key"));
    let secret = Secret(bytes(&vault, "secret").try_into().unwrap());
    let again = PersonKey::new(person, id, secret).wrap(&ring, &nonce(wrapped));
    assert_eq!((&again.ring_key, &again.key), (&ring_key, &wrapped_key));

    let key = PersonKey::unwrap(&ring, person, id, &Wrapped { ring_key, key: wrapped_key }).unwrap();
    let tokens = vault["tokens"].as_array().unwrap();
    for token in tokens {
        assert_eq!(key.token(text(token, "kind"), text(token, "value")), text(token, "token"), "{token}");
    }
    let values = vault["sealed"].as_array().unwrap();
    for of in values {
        let (kind, value, sealed) = (text(of, "kind"), text(of, "value"), bytes(of, "sealed"));
        assert_eq!(key.open(kind, &sealed).as_deref(), Ok(value), "{of}");
        assert_eq!(key.seal(&nonce(of), kind, value), sealed, "{of}");
    }
    assert_eq!((tokens.len(), values.len()), (3, 1));

    let keys = &vault["record_keys"];
    for (field, of) in [
        ("data_key", VaultKey::DataKey(id)),
        ("value", VaultKey::Value("abcd")),
        ("forgotten", VaultKey::Forgotten),
    ] {
        assert_eq!(of.of(person), text(keys, field));
        assert_eq!(VaultKey::parse(text(keys, field)), Some((person, of)));
    }
}
