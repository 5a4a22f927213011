//! Creates the topics of the platforms in use. What exists is checked and never altered: partition counts are
//! fixed for life, and a retention that someone has changed is theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use schemas::{Kept, MAX_MESSAGE_BYTES, Topic, TopicNames};

use crate::config::{self, Config};
use crate::kafka::{LogContext, client_config};

/// For each request to the cluster.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait until the cluster shows what it has created; services start right after this command.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

const MS_A_DAY: u64 = 86_400_000;
const MS_AN_HOUR: u64 = 3_600_000;

/// Fewest replicas at which one may be away and an acknowledged record still be on two.
const SAFE_REPLICAS: i32 = 3;

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    /// Whether it is in the vault's cluster.
    is_vaults: bool,
    partitions: i32,
    replicas: i32,
    settings: BTreeMap<&'static str, String>,
}

/// A topic as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Found {
    partitions: i32,
    replicas: i32,
    settings: BTreeMap<String, String>,
}

/// Something about an existing topic that is not as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `partitions`, `replicas` or the name of a topic setting.
    pub setting: String,
    /// What it should be.
    pub wanted: String,
    /// What it is.
    pub found: String,
}

/// What became of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did not exist and does now.
    Created,
    /// It existed as it should be.
    Kept,
    /// It existed otherwise, and was left so.
    Differs(Vec<Difference>),
}

/// What became of every topic, in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Full name and outcome.
    pub topics: Vec<(String, Outcome)>,
}

impl Report {
    /// Whether some topic is not as configured.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.topics.iter().any(|(_, outcome)| matches!(outcome, Outcome::Differs(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.topics {
            match outcome {
                Outcome::Created => writeln!(f, "{name}: created")?,
                Outcome::Kept => writeln!(f, "{name}: exists")?,
                Outcome::Differs(differences) => {
                    for Difference { setting, wanted, found } in differences {
                        writeln!(f, "{name}: {setting} is {found}, configured is {wanted}; left as it is")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Why the topics could not be created.
#[derive(Debug)]
pub enum TopicsError {
    /// The cluster does not answer, or refuses to.
    Kafka(KafkaError),
    /// The cluster refuses a topic.
    Refused {
        /// Its full name.
        topic: String,
        /// The broker's reason.
        code: RDKafkaErrorCode,
    },
}

impl fmt::Display for TopicsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicsError::Kafka(error) => write!(f, "the cluster cannot be asked: {error}"),
            TopicsError::Refused { topic, code: RDKafkaErrorCode::InvalidReplicationFactor } => {
                write!(f, "{topic}: fewer brokers than kafka.replication_factor")
            }
            TopicsError::Refused { topic, code } => write!(f, "{topic}: the cluster refuses it: {code}"),
        }
    }
}

impl std::error::Error for TopicsError {}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        TopicsError::Kafka(error)
    }
}

/// Creates what is missing and compares what is there. Safe to run again, and by several at once.
///
/// # Errors
/// If the cluster does not answer, or refuses a topic. Topics that were created before it remain.
pub async fn create(config: &Config) -> Result<Report, TopicsError> {
    let (vaults, others): (Vec<_>, Vec<_>) = wanted(config).into_iter().partition(|topic| topic.is_vaults);
    let mut report = create_in(&config.kafka, others).await?;
    report.topics.extend(create_in(config.vault_kafka(), vaults).await?.topics);
    Ok(report)
}

async fn create_in(kafka: &config::Kafka, wanted: Vec<Wanted>) -> Result<Report, TopicsError> {
    let client: AdminClient<LogContext> = client_config(kafka).create_with_context(LogContext)?;
    let (client, mut found) = existing(client).await?;

    let missing: Vec<_> = wanted.iter().filter(|topic| !found.contains_key(&topic.name)).collect();
    let created = create_missing(&client, &missing).await?;
    let client = if created.is_empty() { client } else { shown(client, &created).await? };

    let names: Vec<_> = wanted
        .iter()
        .map(|topic| topic.name.as_str())
        .filter(|name| !created.iter().any(|c| c == name))
        .collect();
    describe(&client, &names, &mut found).await?;

    let topics = wanted.iter().map(|topic| {
        let outcome = match found.get(&topic.name) {
            _ if created.contains(&topic.name) => Outcome::Created,
            None => Outcome::Kept,
            Some(found) => match differences(topic, found) {
                differences if differences.is_empty() => Outcome::Kept,
                differences => Outcome::Differs(differences),
            },
        };
        (topic.name.clone(), outcome)
    });
    Ok(Report { topics: topics.collect() })
}

/// Every topic of the platforms in use, and those that all share, as the configuration wants them.
fn wanted(config: &Config) -> Vec<Wanted> {
    let names = TopicNames::new(&config.kafka.topic_prefix);
    let row = |topic: Topic| Wanted {
        name: names.of(topic),
        is_vaults: topic.family().is_vaults(),
        partitions: config.kafka.partitions,
        replicas: config.kafka.replication_factor,
        settings: settings(topic, config),
    };
    platforms::topics(config.platforms.platforms()).into_iter().map(row).collect()
}

fn settings(topic: Topic, config: &Config) -> BTreeMap<&'static str, String> {
    let kept = topic.family().kept();
    let days = match kept {
        Kept::Days(days) => Some(days),
        Kept::RawDays => Some(config.processors.raw_days),
        Kept::DedupeAnd(days) => Some(config.processors.dedupe_days + days),
        Kept::Compacted | Kept::CompactedWithin(_) => None,
    };
    let stamp = if topic.family().append_time() { "LogAppendTime" } else { "CreateTime" };
    // Without a second replica an acknowledgement would promise nothing.
    let in_sync = if config.kafka.replication_factor >= SAFE_REPLICAS { "2" } else { "1" };
    let mut settings = BTreeMap::from([
        ("cleanup.policy", if days.is_some() { "delete" } else { "compact" }.to_owned()),
        ("max.message.bytes", MAX_MESSAGE_BYTES.to_string()),
        ("message.timestamp.type", stamp.to_owned()),
        ("min.insync.replicas", in_sync.to_owned()),
    ]);
    if let Kept::CompactedWithin(hours) = kept {
        settings.insert("max.compaction.lag.ms", (u64::from(hours) * MS_AN_HOUR).to_string());
    }
    if let Some(days) = days {
        settings.insert("retention.ms", (u64::from(days) * MS_A_DAY).to_string());
    }
    settings
}

fn differences(wanted: &Wanted, found: &Found) -> Vec<Difference> {
    let counts =
        [("partitions", wanted.partitions, found.partitions), ("replicas", wanted.replicas, found.replicas)];
    let counts =
        counts.into_iter().map(|(name, wanted, found)| (name, wanted.to_string(), found.to_string()));
    let settings = wanted.settings.iter().map(|(name, wanted)| {
        let found = found.settings.get(*name).cloned().unwrap_or_else(|| "unknown".to_owned());
        (*name, wanted.clone(), found)
    });
    counts
        .chain(settings)
        .filter(|(_, wanted, found)| wanted != found)
        .map(|(setting, wanted, found)| Difference { setting: setting.to_owned(), wanted, found })
        .collect()
}

/// The topics that the cluster has. All are asked for, since asking for one by name could create it.
async fn existing(
    client: AdminClient<LogContext>,
) -> Result<(AdminClient<LogContext>, BTreeMap<String, Found>), TopicsError> {
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = client.inner().fetch_metadata(None, TIMEOUT)?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| {
            let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
            let replicas = topic.partitions().first().map_or(0, |partition| partition.replicas().len());
            let found = Found {
                partitions: count(topic.partitions().len()),
                replicas: count(replicas),
                settings: BTreeMap::new(),
            };
            (topic.name().to_owned(), found)
        });
        let topics = topics.collect();
        Ok::<_, KafkaError>((client, topics))
    });
    Ok(asked.await.expect("asking for metadata does not panic")?)
}

/// Waits until topics that were just created are shown. What takes longer, the services wait for themselves.
async fn shown(
    mut client: AdminClient<LogContext>,
    created: &[String],
) -> Result<AdminClient<LogContext>, TopicsError> {
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        let (back, found) = existing(client).await?;
        client = back;
        if created.iter().all(|name| found.contains_key(name)) || Instant::now() >= deadline {
            return Ok(client);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Creates topics; gives the names of those that no one else has created meanwhile.
async fn create_missing(
    client: &AdminClient<LogContext>,
    missing: &[&Wanted],
) -> Result<Vec<String>, TopicsError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let topics: Vec<_> = missing
        .iter()
        .map(|topic| {
            let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replicas));
            topic.settings.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let mut created = Vec::new();
    for result in client.create_topics(&topics, &options).await? {
        match result {
            Ok(name) => created.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicsError::Refused { topic, code }),
        }
    }
    Ok(created)
}

/// Adds the settings of topics to what is known of them.
async fn describe(
    client: &AdminClient<LogContext>,
    names: &[&str],
    found: &mut BTreeMap<String, Found>,
) -> Result<(), TopicsError> {
    if names.is_empty() {
        return Ok(());
    }
    let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let results = client.describe_configs(&resources, &options).await?;
    for (name, result) in names.iter().zip(results) {
        let resource = result.map_err(|code| TopicsError::Refused { topic: (*name).to_owned(), code })?;
        let OwnedResourceSpecifier::Topic(topic) = resource.specifier else { continue };
        if let Some(found) = found.get_mut(&topic) {
            let entries = resource.entries.into_iter();
            found.settings = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
