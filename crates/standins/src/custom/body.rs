//! The JSON of a custom channel, the same in both directions: an event with a message or with the state of a session.

use serde::{Deserialize, Serialize};

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    /// Somebody wrote.
    #[serde(rename = "message")]
    Message {
        /// When, in ISO 8601 and UTC.
        timestamp: String,
        /// What and who.
        data: Message,
    },
    /// The person opened the chat.
    #[serde(rename = "session.opened")]
    SessionOpened {
        /// When, in ISO 8601 and UTC.
        timestamp: String,
        /// Who.
        data: Session,
    },
    /// The person or the contact centre ended the chat.
    #[serde(rename = "session.closed")]
    SessionClosed {
        /// When, in ISO 8601 and UTC.
        timestamp: String,
        /// Who.
        data: Session,
    },
}

/// A message, to or from a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Id of the message at its sender.
    pub id: String,
    /// The person, by an id that means nothing elsewhere.
    pub person: String,
    /// Its number in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What it says.
    pub content: Content,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// A file at an address.
    Media {
        /// What kind of file.
        kind: MediaKind,
        /// Its address.
        url: String,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// A text that goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees north; an agent's place may have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latitude: Option<f64>,
        /// Degrees east.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longitude: Option<f64>,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Its address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// A map of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// A question with answers to choose from: from agents only.
    Choices {
        /// The question.
        text: String,
        /// The answers.
        options: Vec<ChoiceOption>,
    },
    /// The answer that was chosen: from people only.
    Choice {
        /// The answer's text.
        text: String,
        /// The answer's value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
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
}

/// One answer to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// What the person sees.
    pub text: String,
    /// What comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A page to open instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The chat of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Id of the event at its sender.
    pub id: String,
    /// The person, by an id that means nothing elsewhere.
    pub person: String,
}

impl Event {
    /// `type`
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::SessionOpened { .. } => "session.opened",
            Self::SessionClosed { .. } => "session.closed",
        }
    }

    /// When it happened, in ISO 8601 and UTC.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        match self {
            Self::Message { timestamp, .. }
            | Self::SessionOpened { timestamp, .. }
            | Self::SessionClosed { timestamp, .. } => timestamp,
        }
    }

    /// `data.id`
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Message { data, .. } => &data.id,
            Self::SessionOpened { data, .. } | Self::SessionClosed { data, .. } => &data.id,
        }
    }

    /// `data.person`
    #[must_use]
    pub fn person(&self) -> &str {
        match self {
            Self::Message { data, .. } => &data.person,
            Self::SessionOpened { data, .. } | Self::SessionClosed { data, .. } => &data.person,
        }
    }

    /// The message that it carries.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Message { data, .. } => Some(data),
            Self::SessionOpened { .. } | Self::SessionClosed { .. } => None,
        }
    }
}

impl Content {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Its words: the text, the caption of a file or the name of a place; `[media]`, `[location]` where there is none.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Text { text } | Self::Choices { text, .. } | Self::Choice { text, .. } => text,
            Self::Media { caption, name, .. } => {
                caption.as_ref().or(name.as_ref()).map_or("[media]", |text| text)
            }
            Self::Location { title, address, .. } => {
                title.as_ref().or(address.as_ref()).map_or("[location]", |text| text)
            }
        }
    }
}
