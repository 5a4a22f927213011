//! A table beside open transactions: what it does not find is only then not there when nothing is hidden from it.

use std::sync::Arc;
use std::time::Duration;

use e2e::harness::Stage;
use e2e::{Outcome, World};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use runtime::Shutdown;
use runtime::config::Kafka;
use runtime::store::StateStore;
use runtime::table::Table;
use schemas::Topic;

use crate::{expect, play};

const KEY: &str = "0f5a6a52-0000-8000-8000-000000000001";
const REQUEST: Duration = Duration::from_secs(10);
/// An open transaction is not ended by the broker within the test.
const OPEN_MS: &str = "60000";
/// Long enough that a table which took the hidden end for the end would have answered.
const HIDDEN_FOR: Duration = Duration::from_secs(2);

/// One writer stops in the middle of a transaction; what another commits behind it is found once the first one's
/// transaction has ended, and is not taken for absent before.
pub(crate) fn a_hidden_entry_is_not_absent(stage: &mut Stage) -> Outcome {
    play(stage, "table", async |_stage, world| {
        let topic = world.topics().of(Topic::IDENTITY);
        let stopped = writer(world, "stopped")?;
        let living = writer(world, "living")?;
        write(&stopped, &topic, "an entry that never is")?;
        write(&living, &topic, "an entry")?;
        text(living.commit_transaction(REQUEST))?;

        let dir = text(tempfile::tempdir())?;
        let store = Arc::new(text(StateStore::open(dir.path(), "one", "egress"))?);
        let kafka = Kafka {
            brokers: world.brokers().to_owned(),
            topic_prefix: String::new(),
            partitions: 1,
            replication_factor: 1,
            schema_registry_url: None,
            properties: std::collections::BTreeMap::new(),
        };
        let shutdown = Shutdown::new();
        let start = (topic.clone(), shutdown.clone());
        let table =
            tokio::task::spawn_blocking(move || Table::start(&kafka, &start.0, &store, &start.1)).await;
        let table = text(table)??;
        table.loaded().await;

        let mut finding = Box::pin(table.find(KEY.as_bytes()));
        let early = tokio::time::timeout(HIDDEN_FOR, &mut finding).await;
        expect(early.is_err(), format!("answered beside an open transaction: {:?}", early.map(answer)))?;
        text(stopped.abort_transaction(REQUEST))?;
        let found = answer(finding.await);
        expect(found == Ok(Some("an entry".to_owned())), format!("then: {found:?}"))?;
        let absent = answer(table.find(b"nobody").await);
        expect(absent == Ok(None), format!("of nobody: {absent:?}"))?;
        shutdown.trigger();
        Ok(())
    })
}

fn answer(found: Result<Option<Vec<u8>>, runtime::table::TableError>) -> Outcome<Option<String>> {
    let found = text(found)?;
    Ok(found.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

fn writer(world: &World, name: &str) -> Outcome<BaseProducer> {
    let producer: BaseProducer = text(
        ClientConfig::new()
            .set("bootstrap.servers", world.brokers())
            .set("transactional.id", format!("{}{name}", world.topics().full("")))
            .set("transaction.timeout.ms", OPEN_MS)
            .set("partitioner", "murmur2_random")
            .create(),
    )?;
    text(producer.init_transactions(REQUEST))?;
    text(producer.begin_transaction())?;
    Ok(producer)
}

fn write(producer: &BaseProducer, topic: &str, value: &str) -> Outcome {
    text(producer.send(BaseRecord::to(topic).key(KEY).payload(value)).map_err(|(error, _)| error))?;
    text(producer.flush(REQUEST))
}

fn text<T, E: ToString>(result: Result<T, E>) -> Outcome<T> {
    result.map_err(|error| error.to_string())
}
