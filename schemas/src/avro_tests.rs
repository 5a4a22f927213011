//! Every type beside its schema, both framings, and values of earlier versions.

use std::collections::BTreeMap;

use super::*;
use crate::{
    Act, Card, ChoiceOption, Content, DataKey, DeliveryStatus, KeptValue, MediaKind, Person, VaultToken,
};

fn round_trip<T: AvroRecord + PartialEq>(value: &T) {
    for framing in [Framing::single_object(), Framing::confluent(&[(T::SCHEMA, 7)])] {
        let codec = Codec::<T>::new(&framing);
        let bytes = codec.encode(value);
        assert!(codec.decode(&bytes).expect("decodes") == *value);
        assert!(codec.decode(&bytes[1..]).is_err());
        assert!(codec.decode(&[&[0, 0, 0, 0, 9], &bytes[5..]].concat()).is_err());
    }
    let old = Codec::<T>::new(&Framing::single_object()).encode(value);
    let with_registry = Codec::<T>::new(&Framing::confluent(&[(T::SCHEMA, 7)]));
    assert!(with_registry.decode(&old).is_ok(), "a registry may come later");
    assert_eq!(with_registry.encode(value)[..5], [0, 0, 0, 0, 7]);
}

/// A message with every kind of content.
fn outbox() -> Outbox {
    let option = ChoiceOption {
        text: "yes".into(),
        detail: "(30 min)".into(),
        value: "y".into(),
        url: "https://x.example".into(),
    };
    let contents = vec![
        Content::Text { text: "สวัสดี 🙏".into() },
        Content::Media {
            kind: MediaKind::Audio,
            url: "https://x.example/a.m4a".into(),
            name: "a.m4a".into(),
            size: "17".into(),
            caption: "listen".into(),
        },
        Content::Location {
            title: "t".into(),
            address: "a".into(),
            latitude: "13.7".into(),
            longitude: "100.5".into(),
            url: "https://maps.example".into(),
        },
        Content::Sticker { text: "hi".into(), keywords: vec!["wave".into()] },
        Content::Choices { title: "t".into(), subtitle: "s".into(), options: vec![option.clone()] },
        Content::Cards { cards: vec![Card { title: "t".into(), options: vec![option], ..Card::default() }] },
        Content::Choice { text: "yes".into(), value: "y".into() },
        Content::Unsupported { name: "hologram".into() },
    ];
    Outbox {
        identity: "0f".repeat(16),
        platform: "web".into(),
        account: "shop-th".into(),
        integration: "a2171742-7359-41cf-aa68-ad5049250806".into(),
        person: "6f4a0c1e-0000-5000-8000-000000000001".into(),
        message_id: "461230966842064897".into(),
        event_time: 1_790_000_000_000,
        received: 1_790_000_000_100,
        late_by: 5,
        contents,
        attributes: BTreeMap::from([("market".into(), "Thailand".into())]).into(),
        tokens: vec![VaultToken { kind: "phone".into(), token: "abc".into() }],
    }
}

#[test]
fn every_type_matches_its_schema() {
    round_trip(&outbox());
    for status in [
        DeliveryStatus::Started,
        DeliveryStatus::Delivered,
        DeliveryStatus::Failed,
        DeliveryStatus::Refused,
        DeliveryStatus::InDoubt,
    ] {
        round_trip(&Delivery {
            identity: "0f".repeat(16),
            destination: "desk".into(),
            account: "shop-th".into(),
            person: "6f4a0c1e".into(),
            status,
            attempt: 1,
            reason: Some("refused".into()),
            http_status: None,
            platform_id: None,
            correlation_id: Some("x".into()),
            at: 3,
            ours_ms: Some(4),
            platform_ms: None,
            deadline: Some(5),
            conversation_id: Some("c".into()),
            platform: Some("web".into()),
        });
    }
    round_trip(&IdentityEntry { guid: "a".into(), person: None, alias_of: Some("b".into()) });
    round_trip(&IdentityEntry {
        guid: "a".into(),
        person: Some(Person { channel: "line".into(), account: "th".into(), address: "U1".into() }),
        alias_of: None,
    });
    let nothing = VaultEntry { person: "a".into(), data_key: None, value: None, forgotten_at: Some(7) };
    round_trip(&VaultEntry {
        data_key: Some(DataKey {
            id: "k".into(),
            ring_key: "2026-11-24".into(),
            wrapped: vec![0, 255],
            made_at: 1,
        }),
        ..nothing.clone()
    });
    round_trip(&VaultEntry {
        value: Some(KeptValue {
            token: "t".into(),
            kind: "phone".into(),
            data_key: "k".into(),
            sealed: vec![7; 40],
            kept_at: 1,
            until: 2,
        }),
        ..nothing.clone()
    });
    round_trip(&nothing);
    round_trip(&UnknownField {
        source: "webhooks.line".into(),
        account: "line-th".into(),
        field: "message.mood".into(),
        value: "\"good\"".into(),
        received: 1,
    });
    for what in [Act::Reveal, Act::Forget] {
        round_trip(&Reveal {
            what,
            person: "a".into(),
            token: Some("t".into()),
            kind: None,
            reason: "asked for".into(),
            operator: "o".into(),
            system_user: "u".into(),
            host: "h".into(),
            at: 1,
        });
    }
}

#[test]
fn what_an_earlier_version_wrote_is_read() {
    #[derive(Serialize)]
    struct First {
        identity: String,
        destination: String,
        account: String,
        person: String,
        status: DeliveryStatus,
        attempt: i32,
        reason: Option<String>,
        http_status: Option<i32>,
        platform_id: Option<String>,
        correlation_id: Option<String>,
        at: i64,
        ours_ms: Option<i64>,
        platform_ms: Option<i64>,
    }
    let old = parsed(Delivery::EARLIER[0]);
    let mut bytes = single_object(fingerprint(old));
    let writer = GenericDatumWriter::builder(old).human_readable(false).build().unwrap();
    let first = First {
        identity: "0f".repeat(16),
        destination: "desk".into(),
        account: "line-th".into(),
        person: "6f4a0c1e".into(),
        status: DeliveryStatus::Delivered,
        attempt: 1,
        reason: None,
        http_status: Some(202),
        platform_id: Some("p".into()),
        correlation_id: None,
        at: 3,
        ours_ms: Some(4),
        platform_ms: Some(7),
    };
    writer.write_ser(&mut bytes, &first).unwrap();
    let registry = Framing::confluent(&[(Delivery::EARLIER[0], 3), (Delivery::SCHEMA, 7)]);
    let framed = [&[0, 0, 0, 0, 3], &bytes[10..]].concat();
    for (framing, bytes) in
        [(Framing::single_object(), &bytes), (registry.clone(), &bytes), (registry, &framed)]
    {
        let delivery = Codec::<Delivery>::new(&framing).decode(bytes).expect("decodes");
        assert_eq!((delivery.status, delivery.platform_ms), (DeliveryStatus::Delivered, Some(7)));
        assert_eq!((delivery.deadline, delivery.conversation_id), (None, None));
        assert_eq!(delivery.platform, None);
    }
}
