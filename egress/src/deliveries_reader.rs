//! Reading what earlier owners of a partition wrote to `deliveries`, before its first record is taken.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use runtime::Clock;
use runtime::kafka::{LogContext, consumer_config};
use schemas::{Codec, Delivery, TopicNames};

use crate::frontier::Note;
use crate::history::History;
use crate::kafka::Setup;
use crate::lease::Lease;

/// For a request to the broker.
pub(crate) const REQUEST: Duration = Duration::from_secs(5);

/// Between requests that fail.
pub(crate) const REQUEST_AGAIN: Duration = Duration::from_millis(500);

/// How long one step may take: between steps the outbox's consumer is polled.
const STEP: Duration = Duration::from_millis(20);

/// How far before the end of `deliveries` reading starts, in records: what an earlier owner wrote there names the
/// conversations of the persons who wrote last. A message has two records, and a second reads more than this.
const LOOK_BACK: i64 = 10_000;

/// A partition of which it is known what earlier owners wrote.
pub(crate) struct Restored {
    pub(crate) partition: i32,
    /// What its last owner noted beside the committed offset.
    pub(crate) note: Note,
    /// The end of its `deliveries`.
    pub(crate) deliveries: i64,
    /// The end of its outbox at the assignment: beyond it no earlier owner can have read.
    pub(crate) inherited_until: i64,
    pub(crate) history: History,
}

/// A partition that is being read.
struct Reading {
    /// The assignment that it is read for.
    lease: Lease,
    so_far: Restored,
}

/// The reader of one `deliveries` topic, outside any group.
pub(crate) struct DeliveriesReader {
    consumer: BaseConsumer<LogContext>,
    topic: String,
    codec: Codec<Delivery>,
    look_back: i64,
    limit_memory: Duration,
    reading: Vec<Reading>,
    next_request: Instant,
    clock: Clock,
}

impl DeliveriesReader {
    /// A reader of the `deliveries` of a destination.
    pub(crate) fn new(setup: &Setup) -> KafkaResult<Self> {
        let consumer = consumer_config(&setup.kafka, &setup.group)
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .create_with_context(LogContext)?;
        let destination = setup.destination;
        Ok(Self {
            consumer,
            topic: TopicNames::new(&setup.kafka.topic_prefix).of(destination.destination.deliveries),
            codec: Codec::new(&setup.framing),
            look_back: if destination.api.policy().has_conversations { LOOK_BACK } else { 0 },
            limit_memory: setup.limit_memory,
            reading: Vec::new(),
            next_request: Instant::now(),
            clock: setup.clock.clone(),
        })
    }

    /// The name of the topic.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Partitions of any topic.
    pub(crate) fn count(&self, topic: &str) -> KafkaResult<usize> {
        let metadata = self.consumer.fetch_metadata(Some(topic), REQUEST)?;
        Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
    }

    /// One step of reading what was written about `wanted` partitions; those that are done now.
    pub(crate) fn step<C: ConsumerContext>(
        &mut self,
        outbox: &BaseConsumer<C>,
        outbox_topic: &str,
        wanted: &[(i32, Lease)],
    ) -> Vec<Restored> {
        let before = self.reading.len();
        // A partition that was lost and came back is read again: somebody else may have had it in between.
        self.reading.retain(|reading| !reading.lease.is_closed());
        let is_new =
            |(partition, _): &&(i32, Lease)| !self.reading.iter().any(|r| r.so_far.partition == *partition);
        let new: Vec<(i32, Lease)> = wanted.iter().filter(is_new).cloned().collect();
        if !new.is_empty() || before != self.reading.len() {
            if Instant::now() >= self.next_request
                && let Err(error) = self.begin(outbox, outbox_topic, new)
            {
                self.next_request = Instant::now() + REQUEST_AGAIN;
                tracing::warn!(topic = self.topic, %error, "cannot read what an earlier owner wrote, trying again");
            }
            return Vec::new();
        }
        self.read()
    }

    fn read(&mut self) -> Vec<Restored> {
        let mut restored = Vec::new();
        let until = Instant::now() + STEP;
        while !self.reading.is_empty() && Instant::now() < until {
            match self.consumer.poll(STEP) {
                None => break,
                Some(Ok(message)) => {
                    let delivery = message.payload().and_then(|payload| self.codec.decode(payload).ok());
                    let reading = self.reading.iter_mut().find(|r| r.so_far.partition == message.partition());
                    if let (Some(delivery), Some(Reading { so_far, .. })) = (delivery, reading) {
                        so_far.history.learn(&delivery, self.clock.now_ms());
                        so_far.deliveries = so_far.deliveries.max(message.offset() + 1);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let at = self.reading.iter().position(|reading| reading.so_far.partition == partition);
                    restored.extend(at.map(|at| self.reading.swap_remove(at).so_far));
                }
                Some(Err(error)) => {
                    tracing::warn!(topic = self.topic, %error, "reading failed, trying again");
                }
            }
        }
        restored
    }

    /// Starts to read new partitions, from where their last owner's note says.
    fn begin<C: ConsumerContext>(
        &mut self,
        outbox: &BaseConsumer<C>,
        outbox_topic: &str,
        new: Vec<(i32, Lease)>,
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (partition, _) in &new {
            list.add_partition(outbox_topic, *partition);
        }
        let committed = outbox.committed_offsets(list, REQUEST)?;
        let mut assign = TopicPartitionList::new();
        // Those that are being read already go on where they are.
        let positions = self.consumer.position()?;
        for Reading { so_far: Restored { partition, .. }, .. } in &self.reading {
            let position = positions.find_partition(&self.topic, *partition).map(|found| found.offset());
            let offset = position.filter(|at| matches!(at, Offset::Offset(_))).unwrap_or(Offset::Beginning);
            assign.add_partition_offset(&self.topic, *partition, offset)?;
        }
        let mut begun = Vec::new();
        for (partition, lease) in new {
            let element = committed.find_partition(outbox_topic, partition);
            let note = element.and_then(|element| Note::parse(element.metadata()));
            let (low, high) = self.consumer.fetch_watermarks(&self.topic, partition, REQUEST)?;
            let (_, inherited_until) = outbox.fetch_watermarks(outbox_topic, partition, REQUEST)?;
            // Without a note nobody has committed, or somebody has moved the offset by hand: then all is read, so that
            // nothing is sent twice.
            let start = note.map_or(low, |note| note.deliveries.clamp(low, high));
            let start =
                start.min(self.first_that_counts(partition, high)).min(high - self.look_back).max(low);
            assign.add_partition_offset(&self.topic, partition, Offset::Offset(start))?;
            let (note, history) = (note.unwrap_or_default(), History::new(self.limit_memory));
            let so_far = Restored { partition, note, deliveries: high, inherited_until, history };
            begun.push(Reading { lease, so_far });
        }
        self.consumer.assign(&assign)?;
        self.reading.extend(begun);
        Ok(())
    }

    /// The first delivery record whose call may still count for a limit.
    fn first_that_counts(&self, partition: i32, high: i64) -> i64 {
        let mut list = TopicPartitionList::new();
        let memory_ms = i64::try_from(self.limit_memory.as_millis()).unwrap_or(i64::MAX);
        let since = Offset::Offset(self.clock.now_ms().saturating_sub(memory_ms).max(0));
        let found = list
            .add_partition_offset(&self.topic, partition, since)
            .and_then(|()| self.consumer.offsets_for_times(list, REQUEST));
        let offset = found.ok().and_then(|found| match found.elements().first()?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        });
        offset.unwrap_or(high)
    }
}
