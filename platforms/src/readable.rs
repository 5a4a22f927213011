//! Contents as lines of text, for a platform that shows nothing else of them.

use schemas::{Card, ChoiceOption, Content, MediaKind, Member};

/// All contents as lines. Empty only if none of them says anything.
#[must_use]
pub fn lines(member: Option<&Member>, contents: &[Content]) -> String {
    let mut lines = Lines(String::new());
    contents.iter().for_each(|content| element(&mut lines, content));
    match member {
        Some(member) => prefix(member) + &lines.0,
        None => lines.0,
    }
}

/// What is before a text of a group's member.
#[must_use]
pub fn prefix(member: &Member) -> String {
    match member {
        Member::Unnamed => "[member] ".to_owned(),
        Member::Tagged(tag) => format!("[member {tag}] "),
    }
}

/// A link to a place on a map; empty where the place is not known.
#[must_use]
pub fn map_link(latitude: &str, longitude: &str) -> String {
    if latitude.is_empty() || longitude.is_empty() {
        return String::new();
    }
    format!("https://www.google.com/maps/search/?api=1&query={latitude},{longitude}")
}

/// The word for a kind of media.
#[must_use]
pub fn label(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "[image]",
        MediaKind::Video => "[video]",
        MediaKind::Audio => "[audio]",
        MediaKind::File => "[file]",
        MediaKind::Link => "[link]",
    }
}

fn element(lines: &mut Lines, content: &Content) {
    match content {
        Content::Text { text } => lines.add(text),
        Content::Media { kind, url, name, size: _, caption } => {
            lines.add(label(*kind));
            if !name.is_empty() {
                lines.0.push(' ');
                lines.0.push_str(name);
            }
            lines.add(caption);
            lines.add(url);
        }
        Content::Location { title, address, latitude, longitude, url } => {
            lines.add(title);
            lines.add(address);
            lines.add(&if url.is_empty() { map_link(latitude, longitude) } else { url.clone() });
        }
        Content::Sticker { text, keywords } => {
            let said = if text.is_empty() { keywords.join(", ") } else { text.clone() };
            lines.add(format!("[sticker] {said}").trim_end());
        }
        Content::Choices { title, subtitle, options } => {
            lines.add(title);
            lines.add(subtitle);
            options.iter().for_each(|option| lines.option(option));
        }
        Content::Cards { cards } => cards.iter().for_each(|card| self::card(lines, card)),
        Content::Choice { text, value } => lines.add(if text.is_empty() { value } else { text }),
        Content::Unsupported { name } => lines.add(&format!("[unsupported content: {name}]")),
    }
}

fn card(lines: &mut Lines, card: &Card) {
    for part in [&card.title, &card.description, &card.image, &card.video] {
        lines.add(part);
    }
    card.options.iter().for_each(|option| lines.option(option));
}

/// Text that grows by whole lines.
struct Lines(String);

impl Lines {
    fn add(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(line);
    }

    /// `- text detail url`, without what is empty.
    fn option(&mut self, option: &ChoiceOption) {
        let ChoiceOption { text, detail, value: _, url } = option;
        let parts: Vec<&str> =
            [text, detail, url].into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if !parts.is_empty() {
            self.add(&format!("- {}", parts.join(" ")));
        }
    }
}
