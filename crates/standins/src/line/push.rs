//! The body of a push: the checks that LINE makes before it sends anything.

use serde_json::{Map, Value};

use super::error::Error;

/// Message objects in one push.
const MAX_MESSAGES: usize = 5;
/// UTF-16 units in one text.
const MAX_TEXT: usize = 5_000;
/// What can be sent.
const KINDS: [&str; 11] = [
    "text", "textV2", "sticker", "image", "video", "audio", "location", "imagemap", "template", "flex",
    "coupon",
];

/// A push that passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) to: String,
    /// The text of each message object, `[type]` for what has none.
    pub(crate) texts: Vec<String>,
}

/// Whether the text is a user, group or room id: `U`, `C` or `R` and 32 hex digits.
pub(crate) fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix(['U', 'C', 'R']).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Push {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let body: Value = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::new(
                400,
                format!("The request body could not be parsed as JSON (line: {line}, column: {column})"),
            )
        })?;
        let none = Map::new();
        let body = body.as_object().unwrap_or(&none);
        let to = match body.get("to") {
            Some(Value::String(to)) if is_address(to) => to.clone(),
            None | Some(Value::Null) => {
                return Err(Error::of_body(vec![("to".into(), "May not be empty".into())]));
            }
            Some(_) => {
                let message = "The property, 'to', in the request body is invalid (line: -, column: -)";
                return Err(Error::new(400, message));
            }
        };
        let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if messages.is_empty() || messages.len() > MAX_MESSAGES {
            let message = format!("Size must be between 1 and {MAX_MESSAGES}");
            return Err(Error::of_body(vec![("messages".into(), message)]));
        }
        let mut texts = Vec::new();
        let mut details = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            match text_of(message) {
                Ok(text) => texts.push(text),
                Err((property, what)) => details.push((format!("messages[{index}].{property}"), what)),
            }
        }
        if details.is_empty() { Ok(Self { to, texts }) } else { Err(Error::of_body(details)) }
    }
}

fn text_of(message: &Value) -> Result<String, (&'static str, String)> {
    let kind = message["type"].as_str().unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(("type", "Must be one of the known message types".to_owned()));
    }
    if !kind.starts_with("text") {
        return Ok(format!("[{kind}]"));
    }
    let text = message["text"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err(("text", "May not be empty".to_owned()));
    }
    if text.encode_utf16().count() > MAX_TEXT {
        return Err(("text", format!("Length must be between 1 and {MAX_TEXT}")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USER: &str = "U11111111111111111111111111111111";

    fn read(body: &Value) -> Result<Push, Error> {
        Push::read(&serde_json::to_vec(body).unwrap())
    }

    #[test]
    fn a_good_push() {
        let push =
            read(&json!({"to": USER, "messages": [{"type": "text", "text": "a"}, {"type": "sticker"}]}))
                .unwrap();
        assert_eq!(push.texts, ["a", "[sticker]"]);
        // 5,000 units: 2,500 emoji, each a surrogate pair.
        let longest = "🙏".repeat(2_500);
        assert!(read(&json!({"to": USER, "messages": [{"type": "text", "text": longest}]})).is_ok());
    }

    #[test]
    fn every_refusal_names_its_property() {
        let text = |text: &str| json!({"type": "text", "text": text});
        for (body, property) in [
            (json!({"messages": [text("a")]}), "to"),
            (json!({"to": USER}), "messages"),
            (json!({"to": USER, "messages": []}), "messages"),
            (
                json!({"to": USER, "messages": [text("a"), text("b"), text("c"), text("d"), text("e"), text("f")]}),
                "messages",
            ),
            (json!({"to": USER, "messages": [text("a"), text("")]}), "messages[1].text"),
            (json!({"to": USER, "messages": [{"type": "text"}]}), "messages[0].text"),
            (json!({"to": USER, "messages": [text(&"a".repeat(5_001))]}), "messages[0].text"),
            (json!({"to": USER, "messages": [text(&("🙏".repeat(2_500) + "a"))]}), "messages[0].text"),
            (json!({"to": USER, "messages": [{"type": "file"}]}), "messages[0].type"),
            (json!([]), "to"),
        ] {
            let error = read(&body).unwrap_err();
            assert_eq!(error.status, 400);
            assert_eq!(error.message, "The request body has 1 error(s)");
            assert_eq!(error.details[0].0, property);
        }
        let both = read(&json!({"to": USER, "messages": [text(""), {"type": "x"}]})).unwrap_err();
        assert_eq!(both.message, "The request body has 2 error(s)");
        for to in ["6f1c0d6e-0000-4000-8000-000000000000", "U1234", "X11111111111111111111111111111111"] {
            let error = read(&json!({"to": to, "messages": [text("a")]})).unwrap_err();
            assert!(error.message.starts_with("The property, 'to'"), "{}", error.message);
        }
        assert!(Push::read(b"{\"to\"").unwrap_err().message.contains("line: 1"));
    }
}
