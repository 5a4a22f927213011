//! A replay: the source offsets are set back to the beginning and everything is processed again, without any effect.

use std::time::Duration;

use e2e::harness::Stage;
use e2e::{Outcome, Service, World, wait};
use platforms::{genesys, line};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::Topic;
use standins::{DriveSettings, PlanSettings, drive, plan, settled};

use crate::{expect, play};

const PLAN: PlanSettings = PlanSettings {
    seed: 300,
    messages: 300,
    people: 20,
    rate: 60.0,
    answers: 0.4,
    redelivered: 0.1,
    swapped: 0.05,
    batched: 0.1,
    first_answer_ms: 4_000,
};
const WITHIN: Duration = Duration::from_secs(60);
const REQUEST: Duration = Duration::from_secs(10);
const SOURCES: [Topic; 2] = [line::SOURCE.webhooks, genesys::SOURCE.webhooks];

/// Once with the local state as it was, once without any.
pub(crate) fn without_effect(stage: &mut Stage) -> Outcome {
    play(stage, "replay", async |_stage, world| {
        let _ingress = world.product.start(Service::Ingress, "ingress").await?;
        let _egress = world.product.start(Service::Egress, "egress").await?;
        let processors = world.product.start(Service::Processors, "processors").await?;
        let settings = DriveSettings { seed: PLAN.seed, in_flight: 64, known_within: WITHIN };
        let report = drive(&world.standins, &plan(&PLAN), settings).await;
        expect(settled(&world.standins, &report.messages, WITHIN).await, "not every message has arrived")?;
        processed(world).await?;
        processors.stop()?;
        let before = (effects(world), outbox(world)?);

        // Another instance has a data folder of its own, which is empty.
        for instance in ["processors", "without-state"] {
            set_back(world)?;
            let processors = world.product.start(Service::Processors, instance).await?;
            processed(world).await?;
            processors.stop()?;
            let after = (effects(world), outbox(world)?);
            expect(after == before, format!("{instance}: effects {before:?} became {after:?}"))?;
        }
        Ok(())
    })
}

fn effects(world: &World) -> (usize, usize) {
    (world.standins.genesys().received().len(), world.standins.line().received().len())
}

/// A client with the name of the processors' group.
pub(crate) fn group(world: &World) -> Outcome<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .set("group.id", format!("{}processors", world.topics().full("")))
        .set("isolation.level", "read_committed")
        .create()
        .map_err(|error| error.to_string())
}

/// Every partition of the sources, with the end of each.
pub(crate) fn ends(world: &World, consumer: &BaseConsumer) -> Outcome<Vec<(String, i32, i64)>> {
    let mut ends = Vec::new();
    for source in SOURCES {
        let topic = world.topics().of(source);
        let metadata = consumer.fetch_metadata(Some(&topic), REQUEST).map_err(|error| error.to_string())?;
        for partition in 0..metadata.topics()[0].partitions().len() {
            let partition = i32::try_from(partition).map_err(|error| error.to_string())?;
            let (_, high) =
                consumer.fetch_watermarks(&topic, partition, REQUEST).map_err(|error| error.to_string())?;
            ends.push((topic.clone(), partition, high));
        }
    }
    Ok(ends)
}

/// Commits the beginning of every source partition. Nobody is in the group.
fn set_back(world: &World) -> Outcome {
    let consumer = group(world)?;
    let mut list = TopicPartitionList::new();
    for (topic, partition, _) in ends(world, &consumer)? {
        list.add_partition_offset(&topic, partition, Offset::Offset(0)).map_err(|error| error.to_string())?;
    }
    consumer.commit(&list, CommitMode::Sync).map_err(|error| error.to_string())
}

/// Waits until the group has committed the end of every source partition: nothing is held or within its hold then.
async fn processed(world: &World) -> Outcome {
    let consumer = group(world)?;
    wait::until("everything to be processed", WITHIN, || {
        let done = ends(world, &consumer).and_then(|ends| {
            let mut list = TopicPartitionList::new();
            for (topic, partition, _) in &ends {
                list.add_partition(topic, *partition);
            }
            let committed = consumer.committed_offsets(list, REQUEST).map_err(|error| error.to_string())?;
            Ok(ends.iter().all(|(topic, partition, high)| {
                let at = committed.find_partition(topic, *partition).map(|element| element.offset());
                *high == 0 || at == Some(Offset::Offset(*high))
            }))
        });
        async move { done.unwrap_or(false).then_some(()) }
    })
    .await
}

/// Ends of the outboxes: a second effect would move one.
fn outbox(world: &World) -> Outcome<Vec<i64>> {
    let consumer = group(world)?;
    let mut all = Vec::new();
    for topic in [genesys::DESTINATION.outbox, line::DESTINATION.outbox] {
        let topic = world.topics().of(topic);
        let metadata = consumer.fetch_metadata(Some(&topic), REQUEST).map_err(|error| error.to_string())?;
        for partition in 0..metadata.topics()[0].partitions().len() {
            let partition = i32::try_from(partition).map_err(|error| error.to_string())?;
            let ends =
                consumer.fetch_watermarks(&topic, partition, REQUEST).map_err(|error| error.to_string())?;
            all.push(ends.1);
        }
    }
    Ok(all)
}
