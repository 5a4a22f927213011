//! The scheduler: whose step is next, when records arrive, which faults strike, and how it all comes to rest.

use std::sync::Arc;

use runtime::config::Guarantee;

use super::around::{Around, Tally, changelog_of};
use super::check::check;
use super::disk::Disk;
use super::group::Group;
use super::instance::Instance;
use super::kafka::{Committed, Kafka, SourceRecord};
use super::plan::{Arrival, BEGIN, DAY, Settings};
use super::random::Random;
use super::{Setting, repeats};

/// Longest virtual time in which everything must have settled, in ms.
const SETTLE: i64 = 60_000;
/// Most by which one step moves the clock, in ms.
const STEP: i64 = 12;

/// What came of a seed.
pub(super) struct Finding {
    pub(super) tally: Tally,
    pub(super) violation: Option<String>,
    pub(super) trace: Vec<String>,
}

struct World {
    around: Around,
    instances: Vec<Instance>,
}

/// Runs a seed.
pub(super) fn run(seed: u64, setting: Setting, traced: bool) -> Finding {
    let mut random = Random::new(seed);
    let (guarantee, defect) = (setting.guarantee(seed), setting.defect);
    let mut settings = Settings::new(guarantee, setting.together(seed), &mut random);
    let arrivals = settings.arrivals(&mut random);
    let (partitions, instances) = (settings.partitions, settings.instances);
    let fragile = settings.faults.damage > 0;
    let transactional = guarantee == Guarantee::ExactlyOnce;
    let around = Around {
        now: BEGIN,
        defect,
        kafka: Kafka::new(transactional, partitions, changelog_of(partitions), instances),
        group: Group::new(partitions, instances),
        random,
        disks: (0..instances).map(|_| (0..partitions).map(|_| Disk::new(fragile)).collect()).collect(),
        cut: vec![false; partitions],
        moved: vec![false; partitions],
        recounted: vec![false; partitions],
        stormy: true,
        known: Arc::default(),
        later: vec![Vec::new(); partitions],
        steps: Vec::new(),
        tasks: 0,
        tally: Tally::default(),
        trace: traced.then(|| vec![format!("{settings:?}")]),
        complaint: None,
        settings,
    };
    let mut world = World { around, instances: (0..instances).map(Instance::new).collect() };
    world.live(&arrivals);
    let violation = world.settle().and_then(|()| check(&world.around, &mut world.instances)).err();
    world.around.tally.repeats = repeats::count(&world.around);
    let Around { tally, trace, .. } = world.around;
    Finding { tally, violation, trace: trace.unwrap_or_default() }
}

impl World {
    /// Until everything has arrived: steps and faults.
    fn live(&mut self, arrivals: &[Arrival]) {
        let mut next = arrivals.iter().peekable();
        while next.peek().is_some() {
            while let Some(arrival) = next.next_if(|arrival| arrival.at <= self.around.now) {
                self.append(arrival);
            }
            self.pass(&next.peek().map(|arrival| arrival.at));
            self.strike();
            self.step();
        }
    }

    fn append(&mut self, arrival: &Arrival) {
        let around = &mut self.around;
        let partition = usize::from(arrival.event.conversation) % around.settings.partitions;
        let skew = around.settings.skew;
        let append = around.now - around.random.between(0, skew);
        let offset = around.kafka.high(partition);
        around.tell(|| {
            format!("partition {partition} offset {offset}, appended {}: {:?}", append - BEGIN, arrival.event)
        });
        around.kafka.sources[partition].push(SourceRecord { append, value: arrival.event.encode() });
        around.tally.records += 1;
    }

    /// Time passes; over a gap of hours nobody waits.
    fn pass(&mut self, next: &Option<i64>) {
        let around = &mut self.around;
        around.now += around.random.between(1, STEP);
        if let Some(at) = next
            && at - around.now > 20_000
            && around.random.chance(2_000)
        {
            around.now = *at;
        }
    }

    fn step(&mut self) {
        let around = &mut self.around;
        if around.random.chance(50_000) {
            around.kafka.deliver_marker(&mut around.random);
        }
        around.kafka.end_overdue(around.now);
        around.tally.rebalances += around.group.expire(around.now, &mut around.random);
        let chosen = around.random.below(self.instances.len());
        self.instances[chosen].step(around);
    }

    fn strike(&mut self) {
        let around = &mut self.around;
        let now = around.now;
        let chosen = around.random.below(self.instances.len());
        let instance = &mut self.instances[chosen];
        if instance.is_up() {
            if around.strikes(|s| s.faults.kill) {
                around.tell(|| format!("instance {chosen} is killed at {:?}", instance.phase));
                around.tally.crashes += 1;
                let until = now + around.random.between(0, 3_000);
                instance.die(around, until);
            } else if around.strikes(|s| s.faults.stop) {
                instance.stopped_until = now + around.random.between(50, 4_000);
                around.tell(|| format!("instance {chosen} stops at {:?}", instance.phase));
            } else if around.strikes(|s| s.faults.deaf) {
                instance.deaf_until = now + around.random.between(500, 5_000);
                around.tell(|| format!("instance {chosen} is deaf"));
            } else if around.strikes(|s| s.faults.end) {
                instance.ending = true;
            }
        }
        if around.strikes(|s| s.faults.jump) {
            around.now += around.random.between(200, 5_000);
            around.tell(|| "everything stands still".to_owned());
        }
        if around.strikes(|s| s.faults.rewind) {
            self.rewind();
        }
    }

    /// Everything is stopped, positions are set back, and everything starts again.
    fn rewind(&mut self) {
        let around = &mut self.around;
        for instance in &mut self.instances {
            let until = around.now + around.random.between(0, 500);
            instance.die(around, until);
        }
        around.group.clear();
        around.kafka.calm();
        around.tally.crashes += 1;
        for partition in 0..around.settings.partitions {
            let Some(committed) = around.kafka.committed(partition).cloned() else { continue };
            // A record that the topic does not keep any more cannot be read again.
            let kept = around.kafka.sources[partition]
                .iter()
                .position(|record| record.append >= around.now - 7 * DAY)
                .map_or(committed.position, |first| i64::try_from(first).expect("few"));
            let position = around.random.between(kept.min(committed.position), committed.position);
            let metadata = if around.random.chance(70_000) {
                committed.metadata
            } else {
                around.recounted[partition] = true;
                String::new()
            };
            around.tell(|| format!("partition {partition} is set back to {position}"));
            around.kafka.reset(partition, Committed { position, metadata });
        }
    }

    /// No more faults: within a bounded time everything is read, committed and calm.
    fn settle(&mut self) -> Result<(), String> {
        self.around.stormy = false;
        self.around.tell(|| "no more faults".to_owned());
        for instance in &mut self.instances {
            instance.stopped_until = 0;
            instance.deaf_until = 0;
        }
        let deadline = self.around.now + SETTLE;
        while self.around.now < deadline {
            for _ in 0..16 {
                self.pass(&None);
                self.step();
            }
            if let Some(complaint) = self.around.complaint.take() {
                return Err(complaint);
            }
            if self.is_settled() {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn is_settled(&self) -> bool {
        let Around { kafka, settings, .. } = &self.around;
        let all_committed = (0..settings.partitions).all(|partition| {
            kafka.committed(partition).map_or(0, |committed| committed.position) >= kafka.high(partition)
        });
        // All must have heard how their commit ended: only then they apply it, and without transactions what is written is
        // there before it is committed.
        let all_heard = self.instances.iter().all(|instance| !instance.open);
        all_committed && kafka.is_calm() && all_heard
    }
}
