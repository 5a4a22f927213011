//! Writing for a custom channel: one content a call, in the shapes of its own JSON; what has none becomes text.

use schemas::{Card, ChoiceOption, Content, MediaKind};

use crate::{Part, readable};

/// The calls of a message, in order.
pub(super) fn write(contents: Vec<Content>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for content in contents {
        match content {
            Content::Media { ref url, .. } if !url.is_empty() => parts.push(vec![content]),
            Content::Choices { title, subtitle, options } if !options.is_empty() => {
                let title = if asks(&title, &subtitle) { title } else { question(&mut parts) };
                choices(&mut parts, title, subtitle, options);
            }
            Content::Location { ref title, ref address, ref latitude, ref longitude, ref url }
                if !(title.is_empty() && address.is_empty() && url.is_empty())
                    || !(latitude.is_empty() || longitude.is_empty()) =>
            {
                parts.push(vec![content]);
            }
            Content::Cards { cards } => cards.into_iter().for_each(|card| self::card(&mut parts, card)),
            other => text(&mut parts, readable::lines(None, &[other])),
        }
    }
    parts
}

/// What options without words of their own ask: the text before them, which then goes with them.
fn question(parts: &mut Vec<Part>) -> String {
    match parts.pop_if(|part| matches!(part[..], [Content::Text { .. }])).as_deref() {
        Some([Content::Text { text }]) => text.clone(),
        _ => String::new(),
    }
}

/// Whether options have words of their own.
fn asks(title: &str, subtitle: &str) -> bool {
    !(title.trim().is_empty() && subtitle.trim().is_empty())
}

/// Options under their question; without one they are a text.
fn choices(parts: &mut Vec<Part>, title: String, subtitle: String, options: Vec<ChoiceOption>) {
    let asks = asks(&title, &subtitle);
    let choices = Content::Choices { title, subtitle, options };
    if asks { parts.push(vec![choices]) } else { text(parts, readable::lines(None, &[choices])) }
}

/// A card as its pictures, then its words with what can be chosen.
fn card(parts: &mut Vec<Part>, card: Card) {
    let Card { title, description, image, video, options } = card;
    for (kind, url) in [(MediaKind::Image, image), (MediaKind::Video, video)] {
        if !url.is_empty() {
            let (name, size, caption) = (String::new(), String::new(), String::new());
            parts.push(vec![Content::Media { kind, url, name, size, caption }]);
        }
    }
    if options.is_empty() {
        text(parts, readable::lines(None, &[Content::Choices { title, subtitle: description, options }]));
    } else {
        choices(parts, title, description, options);
    }
}

/// Adds a text, unless it says nothing.
fn text(parts: &mut Vec<Part>, text: String) {
    if !text.trim().is_empty() {
        parts.push(vec![Content::Text { text }]);
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
