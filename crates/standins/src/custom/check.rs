//! The checks of what a bridge posts, beside its signature.

use super::{Content, Event};
use crate::clock::parse_iso;

impl Event {
    /// Reads and checks what a bridge posts. Fields that are not known are let pass.
    ///
    /// # Errors
    /// What is wrong with it, for a person to read.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let event: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if parse_iso(event.timestamp()).is_none() {
            return Err("timestamp is not an ISO 8601 time in UTC".to_owned());
        }
        if event.id().is_empty() || event.person().is_empty() {
            return Err("data.id and data.person must not be empty".to_owned());
        }
        if let Self::Message { data, .. } = &event {
            data.content.check()?;
        }
        Ok(event)
    }
}

impl Content {
    /// What an agent's message must be beside its shape.
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Text { text } => filled("text", text),
            Self::Media { url, .. } => address("url", url),
            Self::Location { latitude, longitude, title, address: street, url } => {
                let is_on_earth =
                    |degrees: &Option<f64>, most| degrees.is_none_or(|degrees: f64| degrees.abs() <= most);
                if !is_on_earth(latitude, 90.0) || !is_on_earth(longitude, 180.0) {
                    return Err("data.content.latitude or longitude is not on the earth".to_owned());
                }
                let has_words = [title, street, url].into_iter().any(Option::is_some);
                if !has_words && (latitude.is_none() || longitude.is_none()) {
                    return Err(
                        "data.content needs latitude and longitude, a title, an address or a url".to_owned()
                    );
                }
                url.as_ref().map_or(Ok(()), |url| address("url", url))
            }
            Self::Choices { text, options } => {
                filled("text", text)?;
                if options.is_empty() {
                    return Err("data.content.options must not be empty".to_owned());
                }
                options.iter().try_for_each(|option| {
                    filled("options.text", &option.text)?;
                    option.url.as_ref().map_or(Ok(()), |url| address("options.url", url))
                })
            }
            Self::Choice { .. } => Err("data.content.type choice is for people only".to_owned()),
        }
    }
}

fn filled(field: &str, text: &str) -> Result<(), String> {
    if text.is_empty() { Err(format!("data.content.{field} must not be empty")) } else { Ok(()) }
}

fn address(field: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(()),
        _ => Err(format!("data.content.{field} is not an address on the web")),
    }
}

#[cfg(test)]
mod tests;
