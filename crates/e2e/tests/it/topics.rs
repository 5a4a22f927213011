//! `naru topics create` on a real Kafka.

use std::time::Duration;

use e2e::harness::Stage;
use e2e::{Outcome, World};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{expect, play};

/// The first run makes every topic of the table; the second changes nothing and succeeds.
pub(crate) fn made_once(stage: &mut Stage) -> Outcome {
    play(stage, "topics", async |_stage, world| {
        // The world has made them; this is the second time.
        let before = partitions(world)?;
        expect(
            before.iter().all(|(_, count)| *count == 4),
            format!("topics with their partitions: {before:?}"),
        )?;
        expect(before.len() == world.all_topics().len(), format!("{} topics", before.len()))?;
        world.product.run(&["topics", "create"])?;
        expect(partitions(world)? == before, "the second run changed something")
    })
}

/// The topics of the test, each with its number of partitions.
fn partitions(world: &World) -> Outcome<Vec<(String, usize)>> {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .create()
        .map_err(|error| format!("no Kafka client: {error}"))?;
    let metadata = client
        .fetch_metadata(None, Duration::from_secs(10))
        .map_err(|error| format!("no metadata: {error}"))?;
    let prefix = world.topics().full("");
    let ours = metadata.topics().iter().filter(|topic| topic.name().starts_with(&prefix));
    let mut found: Vec<_> = ours.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect();
    found.sort();
    Ok(found)
}
