//! Avro with the two framings that Kafka tools read: Confluent's, and the single-object encoding of the Avro
//! specification.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Delivery, Family, IdentityEntry, Outbox, Reveal, Topic, UnknownField, VaultEntry};

/// A type that crosses a topic in Avro.
pub trait AvroRecord: Serialize + DeserializeOwned {
    /// Its schema, as JSON.
    const SCHEMA: &'static str;
    /// What the schema was before, oldest first: its values are still in topics, and are read with the defaults of the
    /// fields that came later.
    const EARLIER: &'static [&'static str] = &[];
}

impl AvroRecord for Outbox {
    const SCHEMA: &'static str = include_str!("../avsc/outbox.avsc");
}
impl AvroRecord for Delivery {
    const SCHEMA: &'static str = include_str!("../avsc/delivery.avsc");
    const EARLIER: &'static [&'static str] =
        &[include_str!("../avsc/delivery.1.avsc"), include_str!("../avsc/delivery.2.avsc")];
}
impl AvroRecord for IdentityEntry {
    const SCHEMA: &'static str = include_str!("../avsc/identity.avsc");
}
impl AvroRecord for VaultEntry {
    const SCHEMA: &'static str = include_str!("../avsc/vault.avsc");
}
impl AvroRecord for Reveal {
    const SCHEMA: &'static str = include_str!("../avsc/reveal.avsc");
}
impl AvroRecord for UnknownField {
    const SCHEMA: &'static str = include_str!("../avsc/unknown_field.avsc");
}

/// The schemas of a topic's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSchemas {
    /// What is written.
    pub current: &'static str,
    /// What it was before, oldest first.
    pub earlier: &'static [&'static str],
    /// The name of the record, where the topic has had values of another one too: a registry's subject is then
    /// `<topic>-<record>` (Confluent's `TopicRecordNameStrategy`), since one subject takes only what is compatible;
    /// otherwise `<topic>-value`.
    pub record: Option<&'static str>,
}

impl TopicSchemas {
    const fn of<T: AvroRecord>(record: Option<&'static str>) -> Self {
        Self { current: T::SCHEMA, earlier: T::EARLIER, record }
    }
}

impl Topic {
    /// The schemas of its values; `None` where they are not Avro.
    #[must_use]
    pub fn schemas(self) -> Option<TopicSchemas> {
        match self.family() {
            Family::Webhooks | Family::DeadLetters | Family::Dedupe => None,
            Family::Outbox => Some(TopicSchemas::of::<Outbox>(Some("naru.outbox.Outbox"))),
            Family::Deliveries => Some(TopicSchemas::of::<Delivery>(None)),
            Family::Identity => Some(TopicSchemas::of::<IdentityEntry>(None)),
            Family::Vault => Some(TopicSchemas::of::<VaultEntry>(None)),
            Family::Reveals => Some(TopicSchemas::of::<Reveal>(None)),
            Family::UnknownFields => Some(TopicSchemas::of::<UnknownField>(None)),
        }
    }
}

/// What a schema is known by: its Rabin fingerprint (Avro specification, "Schema Fingerprints").
type Fingerprint = [u8; 8];

fn parse(schema: &str) -> apache_avro::Schema {
    apache_avro::Schema::parse_str(schema).expect("the schemas are compiled in and tested")
}

fn fingerprint(schema: &apache_avro::Schema) -> Fingerprint {
    schema.fingerprint::<Rabin>().bytes.as_slice().try_into().expect("a Rabin fingerprint has 8 bytes")
}

/// What is before the Avro bytes of a topic's values. Cheap to clone.
///
/// Without a schema registry it is `C3 01` and the schema's fingerprint, the single-object encoding. Where a registry
/// has given a schema an id it is `00` and that id, big-endian, as Confluent's tools write it. Both are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Framing(Arc<BTreeMap<Fingerprint, u32>>);

impl Framing {
    /// The framing that needs no registry.
    #[must_use]
    pub fn single_object() -> Self {
        Self::default()
    }

    /// The framing with ids of a registry: schemas as JSON, each with its id.
    #[must_use]
    pub fn confluent(ids: &[(&str, u32)]) -> Self {
        Self(Arc::new(ids.iter().map(|(schema, id)| (fingerprint(&parse(schema)), *id)).collect()))
    }

    /// The id of a schema, where a registry gave one.
    fn id(&self, schema: Fingerprint) -> Option<u32> {
        self.0.get(&schema).copied()
    }
}

const CONFLUENT_MAGIC: u8 = 0;
const SINGLE_OBJECT_MAGIC: [u8; 2] = [0xC3, 0x01];

fn single_object(schema: Fingerprint) -> Vec<u8> {
    [&SINGLE_OBJECT_MAGIC[..], &schema].concat()
}

fn confluent(id: u32) -> Vec<u8> {
    [&[CONFLUENT_MAGIC][..], &id.to_be_bytes()].concat()
}

/// Reads values of one version of a schema, behind any of its prefixes.
struct Version {
    prefixes: Vec<Vec<u8>>,
    reader: GenericDatumReader<'static>,
}

impl Version {
    fn new(schema: &'static apache_avro::Schema, framing: &Framing) -> Self {
        let own = fingerprint(schema);
        let mut prefixes = vec![single_object(own)];
        prefixes.extend(framing.id(own).map(confluent));
        // The types give later fields their defaults: the reader does not resolve one schema into another.
        let reader = GenericDatumReader::builder(schema).human_readable(false).build();
        Self { prefixes, reader: reader.expect("the schemas refer to nothing outside themselves") }
    }
}

/// Encodes and decodes values of one type.
pub struct Codec<T> {
    header: Vec<u8>,
    writer: GenericDatumWriter<'static>,
    /// The present version first.
    versions: Vec<Version>,
    of: PhantomData<fn() -> T>,
}

impl<T: AvroRecord> Codec<T> {
    /// A codec that writes `framing` and reads both. Made once for a topic, not for a record: it parses schemas, which
    /// then stay for the life of the process.
    #[must_use]
    pub fn new(framing: &Framing) -> Self {
        let schema = parsed(T::SCHEMA);
        let own = fingerprint(schema);
        let header = framing.id(own).map_or_else(|| single_object(own), confluent);
        let writer = GenericDatumWriter::builder(schema).human_readable(false).build();
        let mut versions = vec![Version::new(schema, framing)];
        versions.extend(T::EARLIER.iter().map(|text| Version::new(parsed(text), framing)));
        Self {
            header,
            writer: writer.expect("the schemas refer to nothing outside themselves"),
            versions,
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

    /// Reads a value in either framing, also where an earlier version of the schema wrote it.
    ///
    /// # Errors
    /// If the framing or the schema is another, or the bytes do not decode. The text holds no payload.
    pub fn decode(&self, bytes: &[u8]) -> Result<T, DecodeError> {
        let (mut body, reader) = self
            .versions
            .iter()
            .flat_map(|version| version.prefixes.iter().map(move |prefix| (prefix, &version.reader)))
            .find_map(|(prefix, reader)| Some((bytes.strip_prefix(prefix.as_slice())?, reader)))
            .ok_or(DecodeError("its framing names another schema, or none"))?;
        reader.read_deser(&mut body).map_err(|_| DecodeError("its bytes do not match the schema"))
    }
}

/// A schema, parsed once for the process: there are about a dozen.
fn parsed(text: &'static str) -> &'static apache_avro::Schema {
    static PARSED: Mutex<BTreeMap<&'static str, &'static apache_avro::Schema>> = Mutex::new(BTreeMap::new());
    let mut parsed = PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    parsed.entry(text).or_insert_with(|| Box::leak(Box::new(parse(text))))
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
#[path = "avro_tests.rs"]
mod tests;
