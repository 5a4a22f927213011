//! Registers the Avro schemas with a Confluent-compatible schema registry, where one is configured.

use std::fmt;
use std::time::Duration;

use platforms::Platform;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, redirect};
use schemas::{Framing, Framings, TopicNames, TopicSchemas};
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

/// Registers the schema of every topic of `platforms`, and of those that all share, and gives the framings; without a
/// registry, at once. Registering a schema that is there already changes nothing.
///
/// What earlier versions of Naru have registered is looked up, so that records with those ids are read.
///
/// # Errors
/// If the registry does not answer within about a minute, or refuses a schema.
pub async fn framings(
    kafka: &config::Kafka,
    platforms: &[&'static Platform],
) -> Result<Framings, RegistryError> {
    match &kafka.schema_registry_url {
        Some(url) => register(url, &TopicNames::new(&kafka.topic_prefix), platforms, &RETRY_DELAYS).await,
        None => Ok(Framings::single_object()),
    }
}

async fn register(
    url: &str,
    names: &TopicNames,
    platforms: &[&'static Platform],
    delays: &[Duration],
) -> Result<Framings, RegistryError> {
    crate::tls::install_provider();
    // A registry is a neighbour: a proxy of the environment is for the way out.
    let client = Client::builder()
        .timeout(CALL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| RegistryError::Unreachable { subject: String::new(), what: words(error) })?;
    let registry = Registry { client, url: url.trim_end_matches('/').to_owned(), delays };
    let mut framings = Framings::single_object();
    for topic in platforms::topics(platforms.iter().copied()) {
        let Some(TopicSchemas { current, earlier, record }) = topic.schemas() else { continue };
        let by_topic = format!("{}-value", names.of(topic));
        let subject =
            record.map_or_else(|| by_topic.clone(), |record| format!("{}-{record}", names.of(topic)));
        let id = registry.register(&subject, current).await?;
        tracing::info!(subject, id, "schema registered");
        let mut ids = vec![(current, id)];
        let of_platform = platforms.iter().find(|platform| platform.destination.outbox == topic);
        let released = of_platform.and_then(|platform| platform.api.released());
        let released = released.map_or(&[][..], |released| released.schemas);
        for (subject, schemas) in [(&subject, earlier), (&by_topic, released)] {
            for schema in schemas {
                ids.extend(registry.look_up(subject, schema).await?.map(|id| (*schema, id)));
            }
        }
        framings = framings.with(topic, Framing::confluent(&ids));
    }
    Ok(framings)
}

/// A registry, and how patient to be with it.
struct Registry<'a> {
    client: Client,
    url: String,
    delays: &'a [Duration],
}

impl Registry<'_> {
    /// The id of a schema under a subject, which it gets now if it has none (`POST /subjects/{subject}/versions`).
    async fn register(&self, subject: &str, schema: &'static str) -> Result<u32, RegistryError> {
        let address = format!("{}/subjects/{subject}/versions", self.url);
        match with_retries(&self.client, &address, subject, schema, self.delays).await? {
            Some(id) => Ok(id),
            None => Err(RegistryError::Refused {
                subject: subject.to_owned(),
                status: StatusCode::NOT_FOUND.as_u16(),
                message: "no such address".to_owned(),
            }),
        }
    }

    /// The id of a schema under a subject, if it has one (`POST /subjects/{subject}`).
    async fn look_up(&self, subject: &str, schema: &'static str) -> Result<Option<u32>, RegistryError> {
        let address = format!("{}/subjects/{subject}", self.url);
        with_retries(&self.client, &address, subject, schema, self.delays).await
    }
}

/// The id in the answer; `None` for 404.
async fn with_retries(
    client: &Client,
    address: &str,
    subject: &str,
    schema: &'static str,
    delays: &[Duration],
) -> Result<Option<u32>, RegistryError> {
    let mut delays = delays.iter();
    loop {
        let what = match call(client, address, schema).await {
            Ok((StatusCode::NOT_FOUND, _)) => return Ok(None),
            Ok((status, body)) => match read(status, &body) {
                Answer::Id(id) => return Ok(Some(id)),
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

async fn call(
    client: &Client,
    address: &str,
    schema: &'static str,
) -> reqwest::Result<(StatusCode, Vec<u8>)> {
    #[derive(Serialize)]
    struct Body {
        schema: &'static str,
    }
    let body = serde_json::to_vec(&Body { schema }).expect("a text is serialisable");
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
