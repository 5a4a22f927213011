//! Registers the Avro schemas with a Confluent-compatible schema registry, where one is configured.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, redirect};
use schemas::{Framing, Schema, Topic, TopicNames};
use serde::{Deserialize, Serialize};

use crate::config;

/// For a whole call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Delays between tries: a registry may start later than we do.
const RETRY_DELAYS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Longest answer that is read, in bytes. An id needs a few; more is an error.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Media type of the registry's API.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// How the values of each topic are framed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Framings(BTreeMap<Topic, u32>);

impl Framings {
    /// Single-object encoding for every topic: what holds without a registry.
    #[must_use]
    pub fn single_object() -> Self {
        Self::default()
    }

    /// The framing of a topic's values.
    #[must_use]
    pub fn of(&self, topic: Topic) -> Framing {
        self.0.get(&topic).map_or(Framing::SingleObject, |id| Framing::Confluent(*id))
    }
}

/// Why the schemas could not be registered.
#[derive(Debug)]
pub enum RegistryError {
    /// No usable answer after the last try.
    Unreachable {
        /// The subject at which it failed.
        subject: String,
        /// What came instead, without any address.
        what: String,
    },
    /// The registry refuses the schema for good.
    Refused {
        /// The subject.
        subject: String,
        /// HTTP status: 409 for an incompatible schema.
        status: u16,
        /// The registry's own code and words.
        message: String,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Unreachable { subject, what } => {
                write!(f, "the schema registry does not answer (subject {subject}): {what}")
            }
            RegistryError::Refused { subject, status, message } => {
                write!(f, "the schema registry refuses subject {subject} ({status}): {message}")
            }
        }
    }
}

impl std::error::Error for RegistryError {}

/// Registers every schema under `<topic>-value` and gives the framings; without a registry, at once.
/// Registering a schema that is there already changes nothing.
///
/// # Errors
/// If the registry does not answer within about a minute, or refuses a schema.
pub async fn framings(kafka: &config::Kafka) -> Result<Framings, RegistryError> {
    match &kafka.schema_registry_url {
        Some(url) => register(url, &TopicNames::new(&kafka.topic_prefix), &RETRY_DELAYS).await,
        None => Ok(Framings::single_object()),
    }
}

async fn register(url: &str, names: &TopicNames, delays: &[Duration]) -> Result<Framings, RegistryError> {
    crate::tls::install_provider();
    // A registry is a neighbour: a proxy of the environment is for the way out.
    let client = Client::builder()
        .timeout(CALL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| RegistryError::Unreachable { subject: String::new(), what: words(error) })?;
    let mut ids = BTreeMap::new();
    for schema in Schema::ALL {
        for topic in schema.topics() {
            let subject = format!("{}-value", names.of(*topic));
            let address = format!("{}/subjects/{subject}/versions", url.trim_end_matches('/'));
            let id = with_retries(&client, &address, &subject, schema, delays).await?;
            tracing::info!(subject, id, "schema registered");
            ids.insert(*topic, id);
        }
    }
    Ok(Framings(ids))
}

async fn with_retries(
    client: &Client,
    address: &str,
    subject: &str,
    schema: Schema,
    delays: &[Duration],
) -> Result<u32, RegistryError> {
    let mut delays = delays.iter();
    loop {
        let what = match call(client, address, schema).await {
            Ok((status, body)) => match read(status, &body) {
                Answer::Id(id) => return Ok(id),
                Answer::Refused(message) => {
                    let subject = subject.to_owned();
                    return Err(RegistryError::Refused { subject, status: status.as_u16(), message });
                }
                Answer::Again(what) => what,
            },
            Err(error) => words(error),
        };
        let Some(delay) = delays.next() else {
            return Err(RegistryError::Unreachable { subject: subject.to_owned(), what });
        };
        tracing::warn!(subject, what, "schema registry does not answer, trying again");
        tokio::time::sleep(*delay).await;
    }
}

async fn call(client: &Client, address: &str, schema: Schema) -> reqwest::Result<(StatusCode, Vec<u8>)> {
    #[derive(Serialize)]
    struct Body {
        schema: &'static str,
    }
    let body = serde_json::to_vec(&Body { schema: schema.text() }).expect("a text is serialisable");
    let mut response = client.post(address).header(CONTENT_TYPE, MEDIA_TYPE).body(body).send().await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_LIMIT {
            break;
        }
    }
    Ok((response.status(), bytes))
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Id(u32),
    Refused(String),
    Again(String),
}

/// Reads an answer as Confluent's API reference gives them (`POST /subjects/{subject}/versions`).
fn read(status: StatusCode, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct Registered {
        id: u32,
    }
    #[derive(Deserialize)]
    struct Refusal {
        error_code: i64,
        message: String,
    }
    if status.is_success() {
        return match serde_json::from_slice::<Registered>(body) {
            Ok(registered) => Answer::Id(registered.id),
            Err(_) => Answer::Again(format!("status {status} without an id")),
        };
    }
    if status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    {
        return Answer::Again(format!("status {status}"));
    }
    let message = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => format!("{}: {}", refusal.error_code, refusal.message),
        Err(_) => "no reason given".to_owned(),
    };
    Answer::Refused(message)
}

/// The words of an error and of its causes, without the address.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
