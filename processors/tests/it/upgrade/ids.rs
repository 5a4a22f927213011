//! Ids and places: persons, members of groups, events, parts of events, retry keys, partitions.

use std::sync::Arc;

use platforms::EventKey;
use processors::{Route, Settings, derived_identity, event_hash, identity_text, person_guid};
use schemas::{AccountRef, Codec, Framing, Outbox, header, partition_for};
use serde_json::{Value, json};

use super::{hex, list, number, text};
use crate::driver::{Direction, Raw, Table, run_with, settings, text_of};

#[test]
fn persons_keep_their_guids() {
    for vector in list("person_guids", 25) {
        let account = AccountRef::new(text(&vector, "channel"), text(&vector, "account"));
        let guid = person_guid(text(&vector, "key").as_bytes(), &account, text(&vector, "address"));
        assert_eq!(guid, text(&vector, "guid"), "{vector}");
    }
}

/// The chain's settings with the identity key of a vector, for an account of its name.
fn settings_of(vector: &Value) -> Settings {
    let mut settings = settings(Direction::LineToGenesys);
    let account = AccountRef::new(text(vector, "channel"), text(vector, "account"));
    let route = Route { account, ..(*settings.routes["line-th"]).clone() };
    settings.routes = [(text(vector, "account").to_owned(), Arc::new(route))].into();
    settings.identity_key = text(vector, "key").into();
    settings
}

/// A text of the member in the group, or room.
fn group_text(vector: &Value) -> Raw {
    let (account, group) = (text(vector, "account"), text(vector, "group"));
    let (kind, id) = if group.starts_with('R') { ("room", "roomId") } else { ("group", "groupId") };
    let event = json!({
        "type": "message", "mode": "active", "webhookEventId": "01FZ74A0TDDPYRVKNK77XKC3ZR",
        "source": {"type": kind, id: group, "userId": text(vector, "user")},
        "message": {"type": "text", "id": "1", "text": "hello"},
    });
    let key = format!("{account}:{group}");
    let mut raw = Raw::new(Direction::LineToGenesys, &key, event.to_string().as_bytes());
    raw.headers.insert(header::ACCOUNT.to_owned(), account.to_owned());
    raw
}

#[test]
fn members_of_groups_keep_their_tags() {
    let codec = Codec::<Outbox>::new(&Framing::single_object());
    for vector in list("member_tags", 12) {
        let (shown, tag) = (text(&vector, "shown"), text(&vector, "tag"));
        assert_eq!(shown, format!("[member {tag}] "));
        let settings = settings_of(&vector);
        let (effects, _) = run_with(&settings, Table::default(), &[group_text(&vector)]);
        let outbox = effects.outputs.iter().find(|output| output.topic == "outbox.genesys").unwrap();
        let record = codec.decode(&outbox.value).unwrap();
        assert_eq!(text_of(&record), format!("{shown}hello"), "{vector}");
        let account = AccountRef::new(text(&vector, "channel"), text(&vector, "account"));
        assert_eq!(record.person, person_guid(&settings.identity_key, &account, text(&vector, "group")));
    }
}

/// `{"<kind>": <its texts>}`.
fn event_key(key: &Value) -> EventKey<'_> {
    let (kind, of) = key.as_object().unwrap().iter().next().unwrap();
    let part = |at: usize| of[at].as_str().unwrap();
    match kind.as_str() {
        "Id" => EventKey::Id(of.as_str().unwrap()),
        "MessageId" => EventKey::MessageId(part(0).into(), part(1).into()),
        "Content" => EventKey::Content { kind: part(0).into(), json: part(1), without: "deliveryContext" },
        other => panic!("no such key: {other}"),
    }
}

#[test]
fn events_keep_their_hashes() {
    for vector in list("event_hashes", 19) {
        let conversation = text(&vector, "conversation").as_bytes();
        let hash = event_hash(conversation, number(&vector, "timestamp"), &event_key(&vector["key"]));
        assert_eq!(hash, hex(text(&vector, "hash")), "{vector}");
    }
}

#[test]
fn parts_of_events_keep_their_identities() {
    for vector in list("derived_identities", 19) {
        let event = hex(text(&vector, "event"));
        let parts: Vec<String> = (0..4).map(|part| identity_text(derived_identity(event, part))).collect();
        assert_eq!(json!(parts), vector["parts"], "{event:032x}");
    }
}

#[test]
fn identities_are_written_as_before() {
    for vector in list("identity_texts", 5) {
        let identity = text(&vector, "decimal").parse().unwrap();
        assert_eq!(identity_text(identity), text(&vector, "text"));
    }
}

#[test]
fn pushes_to_line_keep_their_retry_keys() {
    let vectors = list("line_retry_keys", 85);
    for vector in &vectors {
        let key =
            platforms::line::retry_key(text(vector, "identity")).map(|key| key.hyphenated().to_string());
        assert_eq!(json!(key), vector["retry_key"], "{vector}");
    }
    assert_eq!(vectors.iter().filter(|vector| vector["retry_key"].is_null()).count(), 5);
}

#[test]
fn keys_keep_their_partitions() {
    for vector in list("partitions", 30) {
        let partitions = i32::try_from(number(&vector, "partitions")).unwrap();
        let partition = partition_for(text(&vector, "key").as_bytes(), partitions);
        assert_eq!(i64::from(partition), number(&vector, "partition"), "{vector}");
    }
}
