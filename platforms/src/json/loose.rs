//! Reading JSON leniently: one odd field must not cost the message.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A field that should be a string. A number keeps its digits exactly, so that ids beyond 2^53 survive; a lone
/// surrogate becomes U+FFFD; anything else reads as empty.
#[derive(Default)]
pub(crate) struct Loose<'a>(pub(crate) Cow<'a, str>);

/// The name of a field.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a field")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_identifier(Visitor)
    }
}

/// A struct that is read from a JSON object: each field by its name, with its default where it is absent. Those that are
/// `ignored` are known too; what else there is, is kept in `unknown`, as it stands.
macro_rules! object {
    (
        $(#[$attribute:meta])*
        struct $object:ident { $($field:ident: $type:ty = $name:literal,)+ }
        ignored { $($ignored:literal),+ $(,)? }
    ) => {
        $(#[$attribute])*
        struct $object<'a> {
            $($field: $type,)+
            unknown: Vec<(std::borrow::Cow<'a, str>, &'a serde_json::value::RawValue)>,
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $object<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor<'a>(std::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Visitor<'a> {
                    type Value = $object<'a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        $(let mut $field: Option<$type> = None;)+
                        let mut unknown = Vec::new();
                        while let Some(crate::json::loose::Name(name)) = map.next_key()? {
                            match &*name {
                                $($name => {
                                    if $field.replace(map.next_value()?).is_some() {
                                        return Err(serde::de::Error::duplicate_field($name));
                                    }
                                })+
                                $($ignored)|+ => { map.next_value::<serde::de::IgnoredAny>()?; }
                                _ => unknown.push((name, map.next_value()?)),
                            }
                        }
                        Ok($object { $($field: $field.unwrap_or_default(),)+ unknown })
                    }
                }
                deserializer.deserialize_map(Visitor(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use object;

/// [`Loose`], owned.
#[derive(Default)]
pub(crate) struct Text(pub(crate) String);

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(text(<&RawValue>::deserialize(deserializer)?).unwrap_or_default()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Loose::deserialize(deserializer)?.0.into_owned()))
    }
}

impl Loose<'_> {
    pub(crate) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl std::ops::Deref for Loose<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// The text of a string, or the digits of a number; `None` for anything else.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first() {
        Some(b'"') => Some(string(raw.get())),
        Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(raw.get())),
        _ => None,
    }
}

/// The text of a JSON string that is known to be well formed.
fn string(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    if !inner.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Owned(without_surrogates(raw)),
    }
}

/// serde_json refuses a lone surrogate in text, but not in bytes: there it stands as the three bytes that UTF-8
/// would have for it, of which the first is always `ED`.
fn without_surrogates(raw: &str) -> String {
    struct Bytes(Vec<u8>);
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl serde::de::Visitor<'_> for Visitor {
                type Value = Bytes;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a string")
                }
                fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                    Ok(Bytes(bytes.to_vec()))
                }
            }
            deserializer.deserialize_bytes(Visitor)
        }
    }
    let bytes = serde_json::from_str::<Bytes>(raw).map(|b| b.0).unwrap_or_default();
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().first() == Some(&0xED) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// The elements of an array, the default in place of each that cannot be read; none where it is absent or no array.
pub(crate) fn list<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> Vec<T> {
    let elements: Vec<&RawValue> =
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    elements.into_iter().map(|element| serde_json::from_str(element.get()).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_keep_every_digit() {
        let cases = [
            (r#""abc""#, "abc"),
            (r#""a\n\u0e2a\ud83d\ude4f""#, "a\nส🙏"),
            ("461230966842064897", "461230966842064897"),
            ("-0.10", "-0.10"),
            ("1e400", "1e400"),
            ("null", ""),
            ("true", ""),
            (r#"{"a":1}"#, ""),
            ("[1]", ""),
            (r#""\ud83d""#, "\u{FFFD}"),
            (r#""a\ud83d\u0e2a\udc00\\""#, "a\u{FFFD}ส\u{FFFD}\\"),
            (r#""""#, ""),
        ];
        for (json, expected) in cases {
            assert_eq!(&*serde_json::from_str::<Loose<'_>>(json).unwrap(), expected, "{json}");
            assert_eq!(&*serde_json::from_str::<Text>(json).unwrap(), expected, "{json}");
            assert!(expected.len() <= json.len(), "a text is never longer than its JSON");
        }
    }
}
