//! Reads a few named fields of a JSON object and checks the grammar of the rest, without a tree.
//!
//! Nothing here recurses with the depth of the text: what is not asked for is skipped, what is asked for is a slice.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why fields cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not JSON.
    NotJson,
    /// JSON, but not an object.
    NotObject,
    /// A named field is a duplicate key (I-JSON, RFC 7493, forbids it): two readers could see two different events.
    DuplicateKey,
}

/// The values of the fields `names` of the object `json`, each as its text; `None` where it is absent or `null`.
pub(crate) fn pick<'a, const N: usize>(
    json: &'a str,
    names: [&'static str; N],
) -> Result<[Option<&'a str>; N], JsonError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let picked = Pick { names }.deserialize(&mut reader).and_then(|picked| reader.end().map(|()| picked));
    match picked {
        Ok(Picked { duplicate: true, .. }) => Err(JsonError::DuplicateKey),
        Ok(Picked { fields, .. }) => {
            Ok(fields.map(|field| field.map(RawValue::get).filter(|f| *f != "null")))
        }
        Err(error) if error.is_data() && is_json(json) => Err(JsonError::NotObject),
        Err(_) => Err(JsonError::NotJson),
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The text of a JSON string, if `json` is one that is valid Unicode, not empty and within `max` bytes.
pub(crate) fn string(json: &str, max: usize) -> Option<Cow<'_, str>> {
    // Most strings have no escapes, and are the text between the quotes.
    let plain = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let text = match plain {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        _ => Cow::Owned(serde_json::from_str::<String>(json).ok()?),
    };
    (!text.is_empty() && text.len() <= max).then_some(text)
}

struct Picked<'a, const N: usize> {
    fields: [Option<&'a RawValue>; N],
    duplicate: bool,
}

struct Pick<const N: usize> {
    names: [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Pick<N> {
    type Value = Picked<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Pick<N> {
    type Value = Picked<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = Picked { fields: [None; N], duplicate: false };
        while let Some(index) = map.next_key_seed(Name(&self.names))? {
            match index {
                Some(index) => {
                    picked.duplicate |= picked.fields[index].is_some();
                    picked.fields[index] = Some(map.next_value()?);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(picked)
    }
}

/// Reads a field's name as its place among `names`. As bytes: an escaped lone surrogate in the name of a field that
/// nobody asks for is no reason to give the event up.
pub(crate) struct Name<'n>(pub(crate) &'n [&'static str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|n| n.as_bytes() == name))
    }
}
