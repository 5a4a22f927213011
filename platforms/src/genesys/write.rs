//! Writing for Genesys Cloud: everything as the text that an agent reads.

use schemas::{Content, Member};

use crate::{Part, readable};

/// One message of one text.
pub(super) fn write(member: Option<&Member>, contents: Vec<Content>) -> Vec<Part> {
    let mut texts = contents.into_iter().map(text);
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        all.push('\n');
        all.push_str(&text);
    }
    let text = match member {
        Some(member) => readable::prefix(member) + &all,
        None => all,
    };
    vec![vec![Content::Text { text }]]
}

/// A customer's content as text.
fn text(content: Content) -> String {
    match content {
        Content::Text { text } => text,
        Content::Sticker { text, keywords } => {
            let said = if text.is_empty() { keywords } else { vec![text] };
            labelled("[sticker]", &said)
        }
        Content::Location { title, address, latitude, longitude, url } => {
            let map = if url.is_empty() { readable::map_link(&latitude, &longitude) } else { url };
            labelled("[location]", &[title, address, map])
        }
        Content::Media { kind, url, name, size, caption } => {
            let size = if size.is_empty() { size } else { format!("{size} bytes") };
            labelled(readable::label(kind), &[name, size, caption, url])
        }
        Content::Unsupported { name } => format!("[unsupported message: {name}]"),
        content @ (Content::Choice { .. } | Content::Choices { .. } | Content::Cards { .. }) => {
            readable::lines(None, &[content])
        }
    }
}

/// `[label] part, part`, without the empty ones.
fn labelled(label: &str, parts: &[String]) -> String {
    let mut text = label.to_owned();
    let mut between = " ";
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push_str(between);
        text.push_str(part);
        between = ", ";
    }
    text
}
