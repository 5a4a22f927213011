//! The whole service over librdkafka's own broker in this process: partitions, commits, history, dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use egress::Dependencies;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use runtime::config::Config;
use runtime::{Readiness, Secret, Shutdown};
use schemas::{Codec, Delivery, DeliveryStatus, Framing, Framings, header};
use standins::{Fault, Kind};
use tokio::task::JoinHandle;

use crate::rig::{Directory, address, by_person, config, identity, platforms, to_genesys, to_line, until};

const PARTITIONS: i32 = 2;

pub(crate) struct Broker {
    _cluster: MockCluster<'static, DefaultProducerContext>,
    config: Config,
    producer: FutureProducer,
}

pub(crate) fn broker(mut config: Config) -> Broker {
    let cluster = MockCluster::new(1).unwrap();
    for topic in platforms::topics(config.platforms.platforms()) {
        cluster.create_topic(&format!("naru.{}", topic.name()), PARTITIONS, 1).unwrap();
    }
    config.kafka.brokers = cluster.bootstrap_servers();
    let producer = runtime::kafka::producer_config(&config.kafka).create().unwrap();
    Broker { _cluster: cluster, config, producer }
}

impl Broker {
    pub(crate) async fn put(&self, topic: &str, n: i64, person: &str, payload: &[u8]) {
        let identity = identity(n);
        let header = rdkafka::message::Header { key: header::IDENTITY, value: Some(&identity) };
        let record = FutureRecord::to(topic)
            .partition(i32::try_from(n % i64::from(PARTITIONS)).unwrap())
            .key(person)
            .payload(payload)
            .headers(OwnedHeaders::new().insert(header));
        self.producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error).unwrap();
    }

    /// Puts records all at once, in this order.
    async fn put_all(&self, topic: &str, records: Vec<(i64, String, Vec<u8>)>) {
        futures_util::future::join_all(
            records.iter().map(|(n, person, payload)| self.put(topic, *n, person, payload)),
        )
        .await;
    }

    pub(crate) fn serve(&self) -> (Shutdown, Readiness, JoinHandle<Result<(), String>>) {
        self.serve_counting(Arc::default())
    }

    /// Counts the messages that this instance delivers.
    fn serve_counting(
        &self,
        delivered: Arc<AtomicUsize>,
    ) -> (Shutdown, Readiness, JoinHandle<Result<(), String>>) {
        let (shutdown, readiness) = (Shutdown::new(), Readiness::new());
        let dependencies = Dependencies {
            addresses: Arc::new(Directory),
            framings: Framings::single_object(),
            shutdown: shutdown.clone(),
            readiness: readiness.clone(),
            observer: Some(Arc::new(move |delivery: &Delivery| {
                let is_delivered = delivery.status == DeliveryStatus::Delivered;
                delivered.fetch_add(usize::from(is_delivered), Ordering::Relaxed);
            })),
        };
        let config = self.config.clone();
        (shutdown, readiness, tokio::spawn(async move { egress::run(&config, dependencies).await }))
    }

    /// All records of a topic, read outside any group.
    fn read(&self, topic: &str) -> Vec<rdkafka::message::OwnedMessage> {
        let mut client = runtime::kafka::consumer_config(&self.config.kafka, "reader");
        let consumer: BaseConsumer = client.set("enable.partition.eof", "true").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut records, mut ends) = (Vec::new(), 0);
        while ends < PARTITIONS {
            match consumer.poll(Duration::from_secs(5)).expect("the broker answers") {
                Ok(message) => records.push(message.detach()),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ends += 1,
                Err(error) => panic!("{error}"),
            }
        }
        records
    }

    fn deliveries(&self, topic: &str) -> Vec<Delivery> {
        let codec = Codec::new(&Framing::single_object());
        self.read(topic).iter().map(|record| codec.decode(record.payload().unwrap()).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_destinations_deliver_and_a_restart_sends_nothing_again() {
    let platforms = platforms(|_| {}).await;
    let broker = broker(config(platforms.address));
    let mut sent = Vec::new();
    for n in 0..60 {
        let person = format!("p{}", n % 6);
        broker.put("naru.outbox.genesys", n, &person, &to_genesys(n, &person, &n.to_string())).await;
        broker.put("naru.outbox.line", n, &person, &to_line(n, "th", &person, &n.to_string())).await;
        sent.push((person, n.to_string()));
    }
    broker.put("naru.outbox.line", 60, "p0", b"not avro").await;
    let (genesys, line) = (platforms.standins.genesys().received(), platforms.standins.line().received());
    let (shutdown, readiness, service) = broker.serve();
    until("both outboxes", Duration::from_secs(40), || genesys.len() == 60 && line.len() == 60).await;
    until("readiness", Duration::from_secs(10), || readiness.is_ready()).await;
    shutdown.trigger();
    service.await.unwrap().unwrap();
    assert_eq!(
        by_person(genesys.after(0).into_iter().map(|m| (m.conversation, m.text))),
        by_person(sent.clone())
    );
    let pushed = by_person(line.after(0).into_iter().map(|m| (m.user, m.text)));
    assert_eq!(pushed, by_person(sent.into_iter().map(|(person, text)| (address(&person), text))));

    let deliveries = broker.deliveries("naru.deliveries.genesys");
    let delivered: BTreeSet<_> = deliveries
        .iter()
        .filter(|d| d.status == DeliveryStatus::Delivered)
        .map(|d| d.identity.clone())
        .collect();
    assert_eq!(delivered, (0..60).map(identity).collect());
    let dead = broker.read("naru.dead-letters");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].payload(), Some(&b"not avro"[..]), "unchanged");
    let headers: BTreeMap<_, _> = dead[0]
        .headers()
        .unwrap()
        .iter()
        .map(|h| (h.key.to_owned(), String::from_utf8(h.value.unwrap().to_vec()).unwrap()))
        .collect();
    assert_eq!(headers[header::DEAD_REASON], "undecodable");
    assert_eq!(headers[header::DEAD_STAGE], "egress");
    assert_eq!(headers[header::DEAD_TOPIC], "naru.outbox.line");
    assert_eq!(headers[header::IDENTITY], identity(60));

    // A new owner starts from the committed offsets and sends only what is new.
    broker.put("naru.outbox.genesys", 61, "p1", &to_genesys(61, "p1", "after the restart")).await;
    let (shutdown, _, service) = broker.serve();
    until("the new message", Duration::from_secs(40), || genesys.len() > 60).await;
    shutdown.trigger();
    service.await.unwrap().unwrap();
    let texts: Vec<_> = genesys.after(60).into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["after the restart"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_commits_the_history_keeps_from_sending_again() {
    let platforms = platforms(|_| {}).await;
    let mut broker = broker(config(platforms.address));
    for n in 0..40 {
        let person = format!("p{}", n % 6);
        broker.put("naru.outbox.genesys", n, &person, &to_genesys(n, &person, &n.to_string())).await;
    }
    let genesys = platforms.standins.genesys().received();
    let (shutdown, _, service) = broker.serve();
    until("the outbox", Duration::from_secs(40), || genesys.len() == 40).await;
    shutdown.trigger();
    service.await.unwrap().unwrap();
    // Another group knows no offsets, as after offsets were lost or moved: only `deliveries` shows what was sent.
    broker.config.egress.group = "another".into();
    broker.put("naru.outbox.genesys", 40, "p1", &to_genesys(40, "p1", "new")).await;
    let (shutdown, _, service) = broker.serve();
    until("the new message", Duration::from_secs(40), || genesys.len() > 40).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    shutdown.trigger();
    service.await.unwrap().unwrap();
    let texts: Vec<_> = genesys.after(40).into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_change_hands_under_load_and_each_message_arrives_once_in_order() {
    let platforms = platforms(|_| {}).await;
    let broker = broker(config(platforms.address));
    let (genesys, line) = (platforms.standins.genesys(), platforms.standins.line());
    genesys.set_faults(vec![Fault {
        fraction: None,
        next: None,
        ..Fault::next(0, "/inbound/", Kind::DelayMs { ms: 30 })
    }]);
    line.set_faults(vec![Fault {
        fraction: None,
        next: None,
        ..Fault::next(0, "/push", Kind::DelayMs { ms: 30 })
    }]);
    let mut sent = Vec::new();
    let (mut to_genesys_all, mut to_line_all) = (Vec::new(), Vec::new());
    for n in 0..2_000 {
        let person = format!("p{}", n % 10);
        to_genesys_all.push((n, person.clone(), to_genesys(n, &person, &n.to_string())));
        to_line_all.push((n, person.clone(), to_line(n, "th", &person, &n.to_string())));
        sent.push((person, n.to_string()));
    }
    broker.put_all("naru.outbox.genesys", to_genesys_all).await;
    broker.put_all("naru.outbox.line", to_line_all).await;
    let by_second = Arc::new(AtomicUsize::new(0));
    let (stop_first, _, first) = broker.serve();
    until("the first messages", Duration::from_secs(40), || genesys.received().len() > 50).await;
    // The second one joins, and takes a partition of each outbox; then the first one leaves.
    let (stop_second, _, second) = broker.serve_counting(by_second.clone());
    until("the second one's share", Duration::from_secs(40), || by_second.load(Ordering::Relaxed) > 100)
        .await;
    assert!(genesys.received().len() + line.received().len() < 3_800, "both still have work");
    stop_first.trigger();
    first.await.unwrap().unwrap();
    until("all messages", Duration::from_secs(60), || {
        genesys.received().len() >= 2_000 && line.received().len() >= 2_000
    })
    .await;
    stop_second.trigger();
    second.await.unwrap().unwrap();
    let arrived = genesys.received().after(0).into_iter().map(|m| (m.conversation, m.text));
    assert_eq!(by_person(arrived), by_person(sent.clone()));
    let pushed = line.received().after(0).into_iter().map(|m| (m.user, m.text));
    assert_eq!(by_person(pushed), by_person(sent.into_iter().map(|(person, text)| (address(&person), text))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_a_call_and_its_answer_sends_nothing_twice_and_loses_nothing() {
    let platforms = platforms(|_| {}).await;
    let mut config = config(platforms.address);
    config.egress.call_timeout = Duration::from_secs(1);
    config.egress.ask_for = Duration::from_secs(60);
    let broker = broker(config);
    let (genesys, line) = (platforms.standins.genesys(), platforms.standins.line());
    let to_genesys = |n, person: &'static str, text: &'static str| {
        let broker = &broker;
        async move { broker.put("naru.outbox.genesys", n, person, &to_genesys(n, person, text)).await }
    };
    let (_, _, first) = broker.serve();
    to_genesys(0, "known", "1").await;
    to_genesys(2, "absent", "1").await;
    until("the first messages", Duration::from_secs(40), || genesys.received().len() == 2).await;
    let delivered = |count: usize| {
        let all = broker.deliveries("naru.deliveries.genesys");
        all.iter().filter(|d| d.status == DeliveryStatus::Delivered).count() >= count
    };
    until("their records", Duration::from_secs(10), || delivered(2)).await;
    // Each of these is begun and has no end: its answer waits or was reset, and then the process dies.
    genesys.set_faults(vec![Fault::next(1, "/inbound/", Kind::DelayAfterMs { ms: 20_000 })]);
    to_genesys(4, "known", "2").await;
    until("a call without an answer", Duration::from_secs(10), || genesys.received().len() == 3).await;
    genesys.set_faults(vec![Fault::next(1, "/inbound/", Kind::ResetAfter)]);
    to_genesys(6, "new", "1").await;
    until("a call whose answer is reset", Duration::from_secs(10), || genesys.received().len() == 4).await;
    genesys.set_faults(vec![Fault::next(1, "/inbound/", Kind::ResetBefore)]);
    to_genesys(8, "absent", "2").await;
    until("a call that is reset", Duration::from_secs(10), || genesys.faults_hit() == 1).await;
    line.set_faults(vec![Fault::next(1, "/push", Kind::DelayAfterMs { ms: 20_000 })]);
    broker.put("naru.outbox.line", 0, "p", &to_line(0, "th", "p", "1")).await;
    until("a push without an answer", Duration::from_secs(10), || line.received().len() == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());

    for (n, person) in [(10, "known"), (12, "new"), (14, "absent")] {
        to_genesys(n, person, "3").await;
    }
    broker.put("naru.outbox.line", 2, "p", &to_line(2, "th", "p", "2")).await;
    let (shutdown, _, second) = broker.serve();
    until("all messages", Duration::from_secs(60), || {
        genesys.received().len() >= 8 && line.received().len() >= 2
    })
    .await;
    until("their records", Duration::from_secs(10), || delivered(8)).await;
    shutdown.trigger();
    second.await.unwrap().unwrap();
    let arrived = by_person(genesys.received().after(0).into_iter().map(|m| (m.conversation, m.text)));
    let expected =
        [("known", ["1", "2", "3"].as_slice()), ("new", &["1", "3"]), ("absent", &["1", "2", "3"])];
    let expected = expected
        .iter()
        .flat_map(|(person, texts)| texts.iter().map(|text| ((*person).to_owned(), (*text).to_owned())));
    assert_eq!(arrived, by_person(expected), "each once, in order");
    let pushed: Vec<_> = line.received().after(0).into_iter().map(|m| m.text).collect();
    assert_eq!(pushed, ["1", "2"], "by the retry key");
    assert_eq!(line.stats().repeated_keys, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_too_large_leaves_its_value_and_keeps_its_place() {
    let platforms = platforms(|_| {}).await;
    let mut broker = broker(config(platforms.address));
    broker.put("naru.outbox.line", 0, "p", &vec![b'x'; 5_000]).await;
    broker.put("naru.outbox.line", 2, "p", &to_line(2, "th", "p", "1")).await;
    broker.config.kafka.properties.insert("message.max.bytes".into(), Secret::new("2000"));
    let line = platforms.standins.line().received();
    let (shutdown, _, service) = broker.serve();
    until("the message behind it", Duration::from_secs(40), || line.len() == 1).await;
    shutdown.trigger();
    service.await.unwrap().unwrap();
    let dead = broker.read("naru.dead-letters");
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].key(), dead[0].payload()), (Some(&b"p"[..]), None));
    let headers = dead[0].headers().unwrap();
    let of = |name: &str| {
        let found = headers.iter().find(|header| header.key == name).unwrap();
        String::from_utf8(found.value.unwrap().to_vec()).unwrap()
    };
    assert_eq!(
        (of(header::DEAD_TOPIC), of(header::DEAD_PARTITION), of(header::DEAD_OFFSET)),
        ("naru.outbox.line".into(), "0".into(), "0".into())
    );
}
