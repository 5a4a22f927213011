//! Transactions that do not end well: a record is refused, the group moves on, the owner dies.

use std::time::Duration;

use e2e::harness::Stage;
use e2e::{Outcome, Running, Service, World, wait};
use platforms::{genesys, line};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use standins::user_id;
use streams::{CommitMetadata, Counts};

use crate::outage::value;
use crate::replay::{ends, group};
use crate::{expect, play};

/// For what has to happen soon.
const SOON: Duration = Duration::from_secs(30);
/// Longer than a session.
const STANDS_STILL: Duration = Duration::from_secs(9);
/// What a broker lets a transaction stand open for where nobody ends it: far more than a take-over may take.
const LEFT_OPEN_MS: &str = "600000";

/// The largest batch, in bytes, of a topic that refuses every outbox record and takes the marker with which a
/// transaction ends: a broker that cannot write that never ends it.
const TOO_SMALL: &str = "150";

/// A record that the broker refuses ends the transaction and the thread's work, which begins anew until the broker takes
/// the record: nothing is lost, nothing comes twice, and the order holds.
pub(crate) fn begun_anew(stage: &mut Stage) -> Outcome {
    play(stage, "refused", async |_stage, world| {
        let _ingress = world.product.start(Service::Ingress, "ingress").await?;
        let _egress = world.product.start(Service::Egress, "egress").await?;
        let processors = world.product.start(Service::Processors, "processors").await?;
        let outbox = world.topics().of(genesys::DESTINATION.outbox);
        let user = user_id(7, 1);
        world.accepted(&world.text_of(&user, "before")).await?;
        world.until_at_genesys("before").await?;

        configure(world, &outbox, TOO_SMALL).await?;
        for text in ["first", "second", "third"] {
            world.accepted(&world.text_of(&user, text)).await?;
        }
        until_counted(&processors, "naru_thread_restarts_total").await?;
        configure(world, &outbox, "2000000").await?;

        world.until_at_genesys("third").await?;
        arrived(world, &["before", "first", "second", "third"])
    })
}

/// A process that stands still for longer than its session is put out of its group with records in its hold. It aborts
/// and restores in place: it joins again with the same clients.
pub(crate) fn restored_in_place(stage: &mut Stage) -> Outcome {
    play(stage, "stood-still", async |_stage, world| {
        let _ingress = world.product.start(Service::Ingress, "ingress").await?;
        let _egress = world.product.start(Service::Egress, "egress").await?;
        let mut processors = world.product.start(Service::Processors, "processors").await?;
        let user = user_id(7, 1);
        world.accepted(&world.text_of(&user, "before")).await?;
        world.until_at_genesys("before").await?;

        world.accepted(&world.text_of(&user, "held")).await?;
        processors.signal("STOP")?;
        tokio::time::sleep(STANDS_STILL).await;
        processors.signal("CONT")?;
        world.accepted(&world.text_of(&user, "after")).await?;

        world.until_at_genesys("after").await?;
        arrived(world, &["before", "held", "after"])?;
        until_counted(&processors, "naru_transactions_aborted_total").await?;
        let metrics = processors.admin("/metrics").await?;
        let anew = value(&metrics, "naru_thread_restarts_total");
        expect(anew == 0.0, format!("{anew} threads began anew"))
    })
}

/// What has arrived at Genesys, in order.
fn arrived(world: &World, expected: &[&str]) -> Outcome {
    let received = world.standins.genesys().received().after(0);
    let arrived: Vec<&str> = received.iter().map(|entry| entry.text.as_str()).collect();
    expect(arrived == expected, format!("{arrived:?}"))
}

/// Waits until a counter of the processors counts.
async fn until_counted(processors: &Running, name: &str) -> Outcome {
    wait::until(name, SOON, || async {
        let metrics = processors.admin("/metrics").await.ok()?;
        (value(&metrics, name) >= 1.0).then_some(())
    })
    .await
}

/// An owner that is gone has left a transaction open that holds back a changelog and an outbox, but no offsets. Whoever
/// takes its partition over ends it.
pub(crate) fn ended_by_the_next_owner(stage: &mut Stage) -> Outcome {
    play(stage, "left-open", async |_stage, world| {
        let _ingress = world.product.start(Service::Ingress, "ingress").await?;
        let _egress = world.product.start(Service::Egress, "egress").await?;
        let owner = "naru-processors-somebody-0";
        let gone: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", world.brokers())
            .set("transactional.id", owner)
            .set("transaction.timeout.ms", LEFT_OPEN_MS)
            .create()
            .map_err(|error| error.to_string())?;
        tokio::task::block_in_place(|| leave_open(world, &gone, owner))?;

        let _processors = world.product.start(Service::Processors, "processors").await?;
        world.accepted(&world.text_of(&user_id(7, 2), "not held back")).await?;
        world.until_at_genesys("not held back").await?;
        let outcome = tokio::task::block_in_place(|| gone.commit_transaction(SOON));
        expect(outcome.is_err(), "the former owner could still commit")
    })
}

/// Commits that every partition of the sources is `owner`'s, and leaves another transaction of its open.
fn leave_open(world: &World, gone: &BaseProducer, owner: &str) -> Outcome {
    let group = group(world)?;
    let ends = ends(world, &group)?;
    let run = || {
        let mut owned = TopicPartitionList::new();
        for (topic, partition, _) in &ends {
            let mut element = owned.add_partition(topic, *partition);
            element.set_offset(Offset::Offset(0))?;
            let metadata = CommitMetadata { writer: owner.to_owned(), counts: Counts::default() };
            element.set_metadata(metadata.encode());
        }
        group.commit(&owned, CommitMode::Sync)?;
        gone.init_transactions(SOON)?;
        gone.begin_transaction()?;
        for topic in [line::SOURCE.dedupe, genesys::DESTINATION.outbox] {
            for (_, partition, _) in
                ends.iter().filter(|(topic, ..)| *topic == world.topics().of(line::SOURCE.webhooks))
            {
                let topic = world.topics().of(topic);
                let record =
                    BaseRecord::<(), [u8]>::to(&topic).partition(*partition).payload(b"never committed");
                gone.send(record).map_err(|(error, _)| error)?;
            }
        }
        gone.flush(SOON)
    };
    run().map_err(|error| error.to_string())
}

/// Sets the largest record batch that a topic takes.
async fn configure(world: &World, topic: &str, max_bytes: &str) -> Outcome {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .create()
        .map_err(|error| error.to_string())?;
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", max_bytes);
    let altered =
        admin.alter_configs([&change], &AdminOptions::new()).await.map_err(|error| error.to_string())?;
    altered.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, error)| error.to_string()))
}
