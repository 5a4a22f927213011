//! What Naru sends, as `docs/custom-channel.schema.json` describes it.

use serde::Serialize;

/// An event of ours.
#[derive(Serialize)]
pub(super) struct OutEvent<'a> {
    pub(super) r#type: &'static str,
    pub(super) timestamp: String,
    pub(super) data: OutData<'a>,
}

/// A message for a person.
#[derive(Serialize)]
pub(super) struct OutData<'a> {
    pub(super) id: &'a str,
    pub(super) person: &'a str,
    pub(super) content: Out<'a>,
}

/// The content of an agent's message. What is empty is left out.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Out<'a> {
    Text {
        text: &'a str,
    },
    Media {
        kind: &'static str,
        url: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        caption: &'a str,
    },
    Location {
        #[serde(skip_serializing_if = "Option::is_none")]
        latitude: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        longitude: Option<f64>,
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        address: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        url: &'a str,
    },
    Choices {
        text: String,
        options: Vec<OutOption<'a>>,
    },
}

/// An answer to choose, or a link.
#[derive(Serialize)]
pub(super) struct OutOption<'a> {
    pub(super) text: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) value: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) url: &'a str,
}
