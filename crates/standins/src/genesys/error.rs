//! The error body of Genesys's API.

use serde_json::json;

use crate::http::Answer;

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad.request", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "not.found", "The requested resource was not found.")
    }

    /// The usual error of a status, for faults.
    pub(crate) fn of_status(status: u16, message: Option<String>) -> Self {
        let (code, usual) = match status {
            400 => ("bad.request", "The request could not be understood."),
            401 => ("bad.credentials", "Invalid login credentials."),
            403 => ("missing.permissions", "Unable to perform the requested action."),
            404 => ("not.found", "The requested resource was not found."),
            408 => ("client.timeout", "The client did not produce a request in time."),
            409 => ("request.conflict", "The request conflicts with the state of the resource."),
            413 => ("request.entity.too.large", "The request is too large."),
            415 => ("unsupported.media.type", "The body must be application/json."),
            429 => ("too.many.requests", "Rate limit exceeded."),
            503 => ("service.unavailable", "The service is unavailable."),
            504 => ("request.timeout", "The request timed out."),
            _ => ("internal.server.error", "The request failed."),
        };
        Self::new(status, code, message.unwrap_or_else(|| usual.to_owned()))
    }

    pub(crate) fn answer(&self, context_id: &str) -> Answer {
        Answer::json(
            self.status,
            &json!({
                "message": self.message, "code": self.code, "status": self.status, "messageParams": {},
                "contextId": context_id, "details": [], "errors": [],
            }),
        )
    }
}
