//! Avro with the two framings that Kafka tools read: Confluent's, and the single-object encoding of the Avro
//! specification.

use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Delivery, IdentityEntry, Reveal, ToGenesys, ToLine, Topic, UnknownField, VaultEntry};

/// A schema of the `.avsc` files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schema {
    /// [`ToGenesys`].
    ToGenesys,
    /// [`ToLine`].
    ToLine,
    /// [`Delivery`].
    Delivery,
    /// [`IdentityEntry`].
    Identity,
    /// [`VaultEntry`].
    Vault,
    /// [`Reveal`].
    Reveal,
    /// [`UnknownField`].
    UnknownField,
}

impl Schema {
    /// Every schema.
    pub const ALL: [Schema; 7] = [
        Schema::ToGenesys,
        Schema::ToLine,
        Schema::Delivery,
        Schema::Identity,
        Schema::Vault,
        Schema::Reveal,
        Schema::UnknownField,
    ];

    /// The schema as JSON.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Schema::ToGenesys => include_str!("../avsc/to_genesys.avsc"),
            Schema::ToLine => include_str!("../avsc/to_line.avsc"),
            Schema::Delivery => include_str!("../avsc/delivery.avsc"),
            Schema::Identity => include_str!("../avsc/identity.avsc"),
            Schema::Vault => include_str!("../avsc/vault.avsc"),
            Schema::Reveal => include_str!("../avsc/reveal.avsc"),
            Schema::UnknownField => include_str!("../avsc/unknown_field.avsc"),
        }
    }

    /// The topics whose values have this schema. A registry's subject is `<topic>-value`.
    #[must_use]
    pub fn topics(self) -> &'static [Topic] {
        match self {
            Schema::ToGenesys => &[Topic::OutboxGenesys],
            Schema::ToLine => &[Topic::OutboxLine],
            Schema::Delivery => &[Topic::DeliveriesGenesys, Topic::DeliveriesLine],
            Schema::Identity => &[Topic::Identity],
            Schema::Vault => &[Topic::Vault],
            Schema::Reveal => &[Topic::Reveals],
            Schema::UnknownField => &[Topic::UnknownFields],
        }
    }

    /// What the schema was before, oldest first: its values still lie in topics and are read with the defaults of the
    /// fields that came later.
    fn earlier(self) -> &'static [&'static str] {
        match self {
            Schema::Delivery => &[include_str!("../avsc/delivery.1.avsc")],
            Schema::ToGenesys => &[include_str!("../avsc/to_genesys.1.avsc")],
            Schema::ToLine | Schema::Identity | Schema::Vault | Schema::Reveal | Schema::UnknownField => &[],
        }
    }

    fn parsed(self) -> &'static apache_avro::Schema {
        static PARSED: LazyLock<[apache_avro::Schema; 7]> = LazyLock::new(|| {
            Schema::ALL.map(|schema| {
                apache_avro::Schema::parse_str(schema.text()).expect("the schemas are compiled in and tested")
            })
        });
        &PARSED[self as usize]
    }

    fn parsed_earlier(self) -> &'static [apache_avro::Schema] {
        static PARSED: LazyLock<[Vec<apache_avro::Schema>; 7]> = LazyLock::new(|| {
            Schema::ALL.map(|schema| {
                let parse = |text: &&str| {
                    apache_avro::Schema::parse_str(text).expect("the schemas are compiled in and tested")
                };
                schema.earlier().iter().map(parse).collect()
            })
        });
        &PARSED[self as usize]
    }
}

/// `C3 01` and the schema's fingerprint.
fn fingerprint(schema: &apache_avro::Schema) -> Vec<u8> {
    let mut fingerprint = vec![0xC3, 0x01];
    fingerprint.extend_from_slice(&schema.fingerprint::<Rabin>().bytes);
    fingerprint
}

/// A type that crosses a topic in Avro.
pub trait AvroRecord: Serialize + DeserializeOwned {
    /// Its schema.
    const SCHEMA: Schema;
}

impl AvroRecord for ToGenesys {
    const SCHEMA: Schema = Schema::ToGenesys;
}
impl AvroRecord for ToLine {
    const SCHEMA: Schema = Schema::ToLine;
}
impl AvroRecord for Delivery {
    const SCHEMA: Schema = Schema::Delivery;
}
impl AvroRecord for IdentityEntry {
    const SCHEMA: Schema = Schema::Identity;
}
impl AvroRecord for VaultEntry {
    const SCHEMA: Schema = Schema::Vault;
}
impl AvroRecord for Reveal {
    const SCHEMA: Schema = Schema::Reveal;
}
impl AvroRecord for UnknownField {
    const SCHEMA: Schema = Schema::UnknownField;
}

/// What stands before the Avro bytes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `C3 01` and the schema's Rabin fingerprint: readable without a registry.
    SingleObject,
    /// `00` and the id that a schema registry gave, big-endian.
    Confluent(u32),
}

const CONFLUENT_MAGIC: u8 = 0;

/// Encodes and decodes values of one type.
pub struct Codec<T> {
    header: Vec<u8>,
    fingerprint: Vec<u8>,
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
    /// Fingerprints and readers of what the schema was before.
    earlier: Vec<(Vec<u8>, GenericDatumReader<'static>)>,
    of: PhantomData<fn() -> T>,
}

impl<T: AvroRecord> Codec<T> {
    /// A codec that writes `framing` and reads both.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let schema = T::SCHEMA.parsed();
        let fingerprint = fingerprint(schema);
        let header = match framing {
            Framing::SingleObject => fingerprint.clone(),
            Framing::Confluent(id) => [&[CONFLUENT_MAGIC][..], &id.to_be_bytes()].concat(),
        };
        let writer = GenericDatumWriter::builder(schema).human_readable(false).build();
        let reader = GenericDatumReader::builder(schema).human_readable(false).build();
        let earlier = |old: &'static apache_avro::Schema| {
            // The types give later fields their defaults: the reader does not resolve one schema into another.
            let reader = GenericDatumReader::builder(old).human_readable(false).build();
            (self::fingerprint(old), reader.expect("the schemas refer to nothing outside themselves"))
        };
        Self {
            header,
            fingerprint,
            writer: writer.expect("the schemas refer to nothing outside themselves"),
            reader: reader.expect("the schemas refer to nothing outside themselves"),
            earlier: T::SCHEMA.parsed_earlier().iter().map(earlier).collect(),
            of: PhantomData,
        }
    }

    /// The value's bytes, framing included.
    ///
    /// # Panics
    /// If the type and its schema differ, which a test excludes.
    #[must_use]
    pub fn encode(&self, value: &T) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&self.header);
        self.writer.write_ser(&mut bytes, value).expect("the type matches its schema; writing to memory");
        bytes
    }

    /// Reads a value in the single-object framing, also where an earlier version wrote it, or in Confluent's with this
    /// codec's own id.
    ///
    /// # Errors
    /// If the framing or the schema is another, or the bytes do not decode. The text holds no payload.
    pub fn decode(&self, bytes: &[u8]) -> Result<T, DecodeError> {
        let current =
            [self.header.as_slice(), self.fingerprint.as_slice()].map(|prefix| (prefix, &self.reader));
        let earlier = self.earlier.iter().map(|(prefix, reader)| (prefix.as_slice(), reader));
        let (mut body, reader) = current
            .into_iter()
            .chain(earlier)
            .find_map(|(prefix, reader)| Some((bytes.strip_prefix(prefix)?, reader)))
            .ok_or(DecodeError("its framing names another schema, or none"))?;
        reader.read_deser(&mut body).map_err(|_| DecodeError("its bytes do not match the schema"))
    }
}

/// Why a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError(&'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a readable Avro value: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Act, DataKey, DeliveryStatus, KeptValue, Person, VaultToken};

    fn round_trip<T: AvroRecord + PartialEq>(value: &T) {
        for framing in [Framing::SingleObject, Framing::Confluent(7)] {
            let codec = Codec::<T>::new(framing);
            let bytes = codec.encode(value);
            assert!(codec.decode(&bytes).expect("decodes") == *value);
            assert!(codec.decode(&bytes[1..]).is_err());
            assert!(codec.decode(&[&[0, 0, 0, 0, 9], &bytes[5..]].concat()).is_err());
        }
        let old = Codec::<T>::new(Framing::SingleObject).encode(value);
        assert!(Codec::<T>::new(Framing::Confluent(7)).decode(&old).is_ok(), "a registry may come later");
    }

    #[test]
    fn every_type_matches_its_schema() {
        round_trip(&ToGenesys {
            identity: "0f".repeat(16),
            account: "line-th".into(),
            integration: "a2171742-7359-41cf-aa68-ad5049250806".into(),
            person: "6f4a0c1e-0000-5000-8000-000000000001".into(),
            message_id: "461230966842064897".into(),
            event_time: 1_790_000_000_000,
            text: "สวัสดี 🙏".into(),
            attributes: BTreeMap::from([("market".into(), "Thailand".into())]).into(),
            late_by: 0,
            received: 1_790_000_000_100,
            tokens: vec![VaultToken { kind: "phone".into(), token: "abc".into() }],
        });
        round_trip(&ToLine {
            identity: "0f".repeat(16),
            account: "line-th".into(),
            integration: "a2171742".into(),
            person: "6f4a0c1e".into(),
            message_id: "36e4d8d9".into(),
            event_time: 1,
            texts: vec!["a".into(), "b".into()],
            late_by: 5,
            received: 2,
        });
        for status in [
            DeliveryStatus::Started,
            DeliveryStatus::Delivered,
            DeliveryStatus::Failed,
            DeliveryStatus::Refused,
            DeliveryStatus::InDoubt,
        ] {
            round_trip(&Delivery {
                identity: "0f".repeat(16),
                destination: "genesys".into(),
                account: "line-th".into(),
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
        let old = &Schema::Delivery.parsed_earlier()[0];
        let mut bytes = fingerprint(old);
        let writer = GenericDatumWriter::builder(old).human_readable(false).build().unwrap();
        let first = First {
            identity: "0f".repeat(16),
            destination: "genesys".into(),
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
        for framing in [Framing::SingleObject, Framing::Confluent(7)] {
            let delivery = Codec::<Delivery>::new(framing).decode(&bytes).expect("decodes");
            assert_eq!((delivery.status, delivery.platform_ms), (DeliveryStatus::Delivered, Some(7)));
            assert_eq!((delivery.deadline, delivery.conversation_id), (None, None));
        }
    }
}
