//! What a message contains, whatever platform it comes from or goes to, and the one way to all text in it.

use serde::{Deserialize, Serialize};

/// One piece of a message. Has no `Debug`: it holds what a person said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Text.
    Text {
        /// As it was written.
        text: String,
    },
    /// An image, a video, a sound or another file.
    Media {
        /// Which of them.
        kind: MediaKind,
        /// Where it can be fetched; empty where the platform gives no address.
        url: String,
        /// The file's name; empty where it has none.
        name: String,
        /// Its size in bytes, in decimal as the platform writes it; empty where it is not known.
        size: String,
        /// What was written beside it.
        caption: String,
    },
    /// A place.
    Location {
        /// Its name.
        title: String,
        /// Its address.
        address: String,
        /// In degrees, in decimal; empty where it is not known.
        latitude: String,
        /// In degrees, in decimal; empty where it is not known.
        longitude: String,
        /// A map of it; empty where the platform gives none.
        url: String,
    },
    /// A sticker.
    Sticker {
        /// What is written on it.
        text: String,
        /// What it is about, by the platform or by the person who chose it.
        keywords: Vec<String>,
    },
    /// A question with answers to choose from.
    Choices {
        /// The question.
        title: String,
        /// What is written below it.
        subtitle: String,
        /// The answers.
        options: Vec<ChoiceOption>,
    },
    /// One card, or several side by side.
    Cards {
        /// From left to right.
        cards: Vec<Card>,
    },
    /// The answer that a person chose.
    Choice {
        /// What they read.
        text: String,
        /// What the question gave it as its value.
        value: String,
    },
    /// A kind that Naru does not know.
    Unsupported {
        /// The platform's name of it: letters, digits, `_` and `-` alone.
        name: String,
    },
}

/// Kinds of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound.
    Audio,
    /// Any other file.
    File,
    /// A page.
    Link,
}

/// An answer to choose, or a link.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// What the person reads.
    pub text: String,
    /// What is shown behind it, such as a duration.
    pub detail: String,
    /// What comes back when it is chosen.
    pub value: String,
    /// Where it leads, if it is a link.
    pub url: String,
}

/// A card.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its heading.
    pub title: String,
    /// Its text.
    pub description: String,
    /// URL of a picture; empty where it has none.
    pub image: String,
    /// URL of a film; empty where it has none.
    pub video: String,
    /// What can be chosen on it.
    pub options: Vec<ChoiceOption>,
}

/// A text that a person wrote.
pub enum Written<'a> {
    /// A message's own text: it may go on in the writer's next message.
    Main(&'a mut String),
    /// A title, a label, the name of a file: complete in itself.
    Label(&'a mut String),
}

impl Content {
    /// Visits every text that a person wrote. Each pattern names all fields, without `..`: a field that is added and not
    /// decided upon here does not compile.
    ///
    /// ```compile_fail,E0027
    /// fn texts(content: &mut schemas::Content) {
    ///     match content {
    ///         schemas::Content::Sticker { text } => drop(text), // `keywords` is neither visited nor left out by name
    ///         _ => {}
    ///     }
    /// }
    /// ```
    ///
    /// Addresses of files and maps, sizes and coordinates are no texts: a platform or a program made them.
    pub fn texts_mut(&mut self, visit: &mut dyn FnMut(Written<'_>)) {
        match self {
            Content::Text { text } => visit(Written::Main(text)),
            Content::Media { kind: _, url: _, name, size: _, caption } => {
                visit(Written::Label(name));
                visit(Written::Label(caption));
            }
            Content::Location { title, address, latitude: _, longitude: _, url: _ } => {
                visit(Written::Label(title));
                visit(Written::Label(address));
            }
            Content::Sticker { text, keywords } => {
                visit(Written::Label(text));
                keywords.iter_mut().for_each(|keyword| visit(Written::Label(keyword)));
            }
            Content::Choices { title, subtitle, options } => {
                visit(Written::Label(title));
                visit(Written::Label(subtitle));
                options.iter_mut().for_each(|option| option.texts_mut(visit));
            }
            Content::Cards { cards } => cards.iter_mut().for_each(|card| card.texts_mut(visit)),
            Content::Choice { text, value } => {
                visit(Written::Label(text));
                visit(Written::Label(value));
            }
            Content::Unsupported { name: _ } => {}
        }
    }
}

impl ChoiceOption {
    fn texts_mut(&mut self, visit: &mut dyn FnMut(Written<'_>)) {
        let Self { text, detail, value, url: _ } = self;
        for text in [text, detail, value] {
            visit(Written::Label(text));
        }
    }
}

impl Card {
    fn texts_mut(&mut self, visit: &mut dyn FnMut(Written<'_>)) {
        let Self { title, description, image: _, video: _, options } = self;
        visit(Written::Label(title));
        visit(Written::Label(description));
        options.iter_mut().for_each(|option| option.texts_mut(visit));
    }
}
