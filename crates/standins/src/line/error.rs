//! The error body of LINE's API.

use serde_json::{Value, json};

use crate::http::Answer;

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// Property and what is wrong with it.
    pub(crate) details: Vec<(String, String)>,
}

impl Error {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), details: Vec::new() }
    }

    /// 400 with each wrong property.
    pub(crate) fn of_body(details: Vec<(String, String)>) -> Self {
        let message = format!("The request body has {} error(s)", details.len());
        Self { status: 400, message, details }
    }

    /// The usual error of a status.
    pub(crate) fn of_status(status: u16, message: Option<String>) -> Self {
        let usual = match status {
            400 => "The request body has 1 error(s)",
            401 => "Authentication failed due to the following reason: invalid token",
            403 => "Access to this API is not available for your account",
            404 => "Not found",
            410 => "The content is gone",
            413 => "Request entity too large",
            429 => "The API rate limit has been exceeded. Try again later.",
            _ => "Internal server error",
        };
        Self::new(status, message.unwrap_or_else(|| usual.to_owned()))
    }

    pub(crate) fn answer(&self) -> Answer {
        let mut body = json!({"message": self.message});
        if !self.details.is_empty() {
            let details: Vec<Value> = self
                .details
                .iter()
                .map(|(property, message)| json!({"message": message, "property": property}))
                .collect();
            body["details"] = json!(details);
        }
        Answer::json(self.status, &body)
    }
}
