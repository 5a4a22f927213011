//! What a bridge posts for a customer: the checks that the API makes, and the normalized message that it answers.

use serde_json::{Map, Value, json};

use super::error::Error;
use crate::clock::parse_iso;

const NEITHER: &str = "should have required property 'content', should have required property '.text', \
                       should match some schema in anyOf";

/// A message that passed the checks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inbound {
    pub(crate) from_id: String,
    pub(crate) id_type: String,
    pub(crate) nickname: Option<String>,
    pub(crate) time: String,
    pub(crate) message_id: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) content: Vec<Value>,
    pub(crate) attributes: Value,
    pub(crate) metadata: Map<String, Value>,
}

impl Inbound {
    /// Reads a body as `OpenInboundNormalizedMessage`. Fields that it does not know are let pass.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| Error::bad_request("The request body is not JSON."))?;
        let body = object(&body, "the body")?;
        let channel = object(required(body, "channel", "")?, "channel")?;
        let from = object(required(channel, "from", "channel")?, "channel.from")?;
        let from_id = text(required(from, "id", "channel.from")?, "channel.from.id")?;
        if from_id.is_empty() {
            return Err(Error::new(400, "invalid.value", "channel.from.id must not be empty."));
        }
        let id_type = text(required(from, "idType", "channel.from")?, "channel.from.idType")?;
        if !["email", "phone", "opaque"].contains(&id_type.to_ascii_lowercase().as_str()) {
            return Err(Error::new(
                400,
                "invalid.value",
                "channel.from.idType must be Email, Phone or Opaque.",
            ));
        }
        let time = match channel.get("time") {
            None | Some(Value::Null) => {
                return Err(Error::new(400, "missing.open.channel.date", "channel.time is missing."));
            }
            Some(time) => time.as_str().filter(|time| parse_iso(time).is_some()),
        };
        let time =
            time.ok_or_else(|| Error::new(400, "invalid.date", "channel.time is not an ISO-8601 UTC time."))?;
        let words = optional_text(body, "text")?.filter(|text| !text.is_empty());
        let content = contents(body)?;
        if words.is_none() && content.is_empty() {
            return Err(Error::bad_request(NEITHER));
        }
        Ok(Self {
            from_id: from_id.to_owned(),
            id_type: id_type.to_owned(),
            nickname: optional_text(from, "nickname")?.map(str::to_owned),
            time: time.to_owned(),
            message_id: optional_text(channel, "messageId")?.map(str::to_owned),
            text: words.map(str::to_owned),
            content,
            attributes: attributes(channel)?,
            metadata: flat_metadata(body)?,
        })
    }

    /// The answer: `OpenMessageNormalizedMessage`.
    pub(crate) fn normalized(&self, id: &str, integration: &str, conversation_id: Option<&str>) -> Value {
        let mut from = json!({"id": self.from_id, "idType": self.id_type});
        if let Some(nickname) = &self.nickname {
            from["nickname"] = json!(nickname);
        }
        let mut channel = json!({
            "id": integration, "platform": "Open", "type": "Private", "from": from, "to": {"id": integration},
            "time": self.time,
        });
        if let Some(message_id) = &self.message_id {
            channel["messageId"] = json!(message_id);
        }
        let mut message = json!({"id": id, "channel": channel, "type": "Text", "direction": "Inbound"});
        if let Some(text) = &self.text {
            message["text"] = json!(text);
        }
        if !self.content.is_empty() {
            message["content"] = json!(self.content);
        }
        if !self.metadata.is_empty() {
            message["metadata"] = json!(self.metadata);
        }
        if let Some(conversation_id) = conversation_id {
            message["conversationId"] = json!(conversation_id);
        }
        message
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| Error::bad_request(format!("{what} should be object")))
}

fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str, Error> {
    value.as_str().ok_or_else(|| Error::bad_request(format!("{what} should be string")))
}

fn required<'a>(map: &'a Map<String, Value>, name: &str, inside: &str) -> Result<&'a Value, Error> {
    map.get(name).filter(|value| !value.is_null()).ok_or_else(|| {
        let place = if inside.is_empty() { String::new() } else { format!("{inside} ") };
        Error::bad_request(format!("{place}should have required property '{name}'"))
    })
}

fn optional_text<'a>(map: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Error> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => text(value, name).map(Some),
    }
}

/// `content[]`: one attachment at most, with what an attachment needs.
fn contents(body: &Map<String, Value>) -> Result<Vec<Value>, Error> {
    let list = match body.get("content") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(|| Error::bad_request("content should be array"))?,
    };
    if list.len() > 1 {
        return Err(Error::bad_request("content: only one item is allowed"));
    }
    for item in list {
        let item = object(item, "content[0]")?;
        let attachment = object(required(item, "attachment", "content[0]")?, "content[0].attachment")?;
        for name in ["mediaType", "url", "mime"] {
            required(attachment, name, "content[0].attachment")?;
        }
        let kind = text(&attachment["mediaType"], "mediaType")?;
        if !["Image", "Video", "Audio", "File", "Link"].contains(&kind) {
            return Err(Error::new(400, "invalid.value", "content[0].attachment.mediaType is not known."));
        }
    }
    Ok(list.clone())
}

/// `channel.metadata.customAttributes`, null where there are none.
fn attributes(channel: &Map<String, Value>) -> Result<Value, Error> {
    match channel.get("metadata") {
        None | Some(Value::Null) => Ok(Value::Null),
        Some(metadata) => {
            let attributes = object(metadata, "channel.metadata")?.get("customAttributes");
            Ok(attributes.cloned().unwrap_or(Value::Null))
        }
    }
}

/// The top-level `metadata`: strings only.
fn flat_metadata(body: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    match body.get("metadata") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(metadata) => {
            let metadata = object(metadata, "metadata")?;
            if metadata.values().any(|value| !value.is_string()) {
                return Err(Error::bad_request("The request could not be understood."));
            }
            Ok(metadata.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good body, changed by setting one pointer (or removing it, where the value is `-`).
    fn changed(pointer: &str, value: &str) -> Vec<u8> {
        let mut body = json!({
            "channel": {
                "from": {"id": "6f1c", "idType": "Opaque", "nickname": "Somchai"},
                "time": "2026-10-02T03:04:05.678Z", "messageId": "610000000000000001",
                "metadata": {"customAttributes": {"market": "Thailand"}}
            },
            "text": "สวัสดี 🙏"
        });
        if let Some((parent, name)) = pointer.rsplit_once('/') {
            let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            if value == "-" {
                parent.remove(name);
            } else {
                parent.insert(name.to_owned(), serde_json::from_str(value).unwrap());
            }
        }
        serde_json::to_vec(&body).unwrap()
    }

    #[test]
    fn a_good_body_is_read_and_normalized() {
        let message = Inbound::read(&changed("", "")).unwrap();
        assert_eq!(message.attributes, json!({"market": "Thailand"}));
        assert_eq!(
            message.normalized("a1", "i1", Some("c1")),
            json!({
                "id": "a1", "type": "Text", "text": "สวัสดี 🙏", "direction": "Inbound", "conversationId": "c1",
                "channel": {
                    "id": "i1", "platform": "Open", "type": "Private", "to": {"id": "i1"},
                    "from": {"id": "6f1c", "idType": "Opaque", "nickname": "Somchai"},
                    "time": "2026-10-02T03:04:05.678Z", "messageId": "610000000000000001"
                }
            })
        );
        assert_eq!(message.normalized("a1", "i1", None).get("conversationId"), None);
    }

    #[test]
    fn every_refusal_has_its_code() {
        for (pointer, value, code, said) in [
            ("/channel", "-", "bad.request", "required property 'channel'"),
            ("/channel", "[]", "bad.request", "channel should be object"),
            ("/channel/from", "-", "bad.request", "channel should have required property 'from'"),
            ("/channel/from/id", "-", "bad.request", "required property 'id'"),
            ("/channel/from/id", "\"\"", "invalid.value", "empty"),
            ("/channel/from/id", "7", "bad.request", "should be string"),
            ("/channel/from/idType", "-", "bad.request", "required property 'idType'"),
            ("/channel/from/idType", "\"Line\"", "invalid.value", "idType"),
            ("/channel/time", "-", "missing.open.channel.date", "channel.time"),
            ("/channel/time", "null", "missing.open.channel.date", "channel.time"),
            ("/channel/time", "1790910245678", "invalid.date", "ISO-8601"),
            ("/channel/time", "\"2026-10-02T03:04:05+09:00\"", "invalid.date", "ISO-8601"),
            ("/text", "-", "bad.request", "required property 'content'"),
            ("/text", "\"\"", "bad.request", "required property 'content'"),
            ("/text", "{}", "bad.request", "text should be string"),
            ("/metadata", "{\"a\": {\"b\": 1}}", "bad.request", ""),
            ("/content", "[{}, {}]", "bad.request", "only one item"),
            ("/content", "[{}]", "bad.request", "required property 'attachment'"),
            (
                "/content",
                "[{\"attachment\": {\"mediaType\": \"Image\", \"url\": \"https://x/y\"}}]",
                "bad.request",
                "'mime'",
            ),
            (
                "/content",
                "[{\"attachment\": {\"mediaType\": \"Sticker\", \"url\": \"https://x/y\", \"mime\": \"image/png\"}}]",
                "invalid.value",
                "mediaType",
            ),
        ] {
            let error = Inbound::read(&changed(pointer, value)).unwrap_err();
            assert_eq!((error.status, error.code), (400, code), "{pointer} {value}");
            assert!(error.message.contains(said), "{pointer} {value}: {}", error.message);
        }
        assert_eq!(Inbound::read(b"{").unwrap_err().code, "bad.request");
    }

    #[test]
    fn what_is_let_pass() {
        for (pointer, value) in [
            ("/channel/from/idType", "\"email\""),
            ("/channel/platform", "\"Open\""),
            ("/channel/messageId", "-"),
            ("/channel/metadata", "-"),
            ("/channel/time", "\"2026-10-02T03:04:05Z\""),
            ("/metadata", "{\"a\": \"b\"}"),
            ("/unknown", "[1]"),
        ] {
            assert!(Inbound::read(&changed(pointer, value)).is_ok(), "{pointer} {value}");
        }
        let only_attachment =
            br#"{"channel": {"from": {"id": "a", "idType": "Opaque"}, "time": "2026-10-02T03:04:05Z"},
            "content": [{"contentType": "Attachment",
                         "attachment": {"mediaType": "Image", "url": "https://x/y", "mime": "image/png"}}]}"#;
        assert_eq!(Inbound::read(only_attachment).unwrap().text, None);
    }
}
