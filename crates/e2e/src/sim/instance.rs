//! An instance of the processors: one stream thread, driven as `runtime::worker::thread` drives its own, in the same
//! order, but cut into steps between which everything else can happen.

use std::collections::{BTreeMap, VecDeque};

use streams::{Counts, DedupeSet, Effects, Position, StoreFault, Task, TaskTime};

use super::around::Around;
use super::bursts::Notes;
use super::chain::{MESSAGE_BYTES, Message};
use super::defect::Defect;
use super::disk::Disk;
use super::group::News;
use super::kafka::{MemberOf, Refusal};
use super::unsent::Unsent;

/// Most by which time grows in one turn, in ms.
const TIME_STEP: i64 = 100;
/// What the client knows of the broker is at most this old when time moves by it, in ms.
const REPORT_VALID: i64 = 300;
/// Between a fault and the next start, in ms.
const RESTART_PAUSE: i64 = 1_000;

/// Why an instance drops everything and begins anew.
#[derive(Debug)]
#[expect(dead_code, reason = "traces print what is in it")]
pub(super) enum Fault {
    Refused(Refusal),
    /// The group went on without it.
    Lost,
    /// Whether a transaction, or offsets, were committed is not known.
    Unknown,
    /// A record was not written, or so it seems.
    NotWritten,
    Store(StoreFault),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

impl From<StoreFault> for Fault {
    fn from(fault: StoreFault) -> Self {
        Fault::Store(fault)
    }
}

/// A task and what the thread knows about it.
pub(super) struct Running {
    pub(super) task: Task<Message, Disk>,
    pub(super) changelog: i64,
    pub(super) committed: Option<Position>,
    pub(super) written: bool,
    /// Whether records came since time was last passed.
    pub(super) fresh: bool,
    /// How far the client knows the partition to go, and since when it knows.
    seen: (i64, i64),
    /// What is noted of its steps.
    pub(super) notes: Notes,
}

/// A task on its way.
pub(super) struct Restoring {
    pub(super) set: DedupeSet<Disk>,
    pub(super) start: Position,
    pub(super) counts: Counts,
    pub(super) changelog: i64,
    pub(super) nonce: Vec<u8>,
    /// For the defects that do not wait for the barrier: where they stop.
    pub(super) stop: Option<i64>,
}

/// A dedupe set that no task uses, and the changelog position that it corresponds to.
pub(super) struct Kept {
    pub(super) set: DedupeSet<Disk>,
    pub(super) position: Option<i64>,
}

/// A partition whose committed position cannot be read yet.
pub(super) struct Unstable {
    pub(super) partition: usize,
    pub(super) fenced: bool,
}

/// What a commit is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Turn,
    TakeOver,
    Revoke(usize),
    End,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Read,
    Follow,
    Work,
    Barrier,
    BarrierEnd,
    Entries(After),
    Offsets(After),
    Decide(After),
    Apply(After),
}

/// One position of a commit.
pub(super) struct InCommit {
    pub(super) partition: usize,
    pub(super) position: Position,
    pub(super) metadata: String,
    /// Whether the position goes into the transaction: always, but for a defect.
    pub(super) sent: bool,
}

/// The instance.
pub(super) struct Instance {
    pub(super) id: usize,
    pub(super) phase: Phase,
    pub(super) start_at: i64,
    pub(super) stopped_until: i64,
    pub(super) deaf_until: i64,
    pub(super) ending: bool,
    pub(super) member: Option<MemberOf>,
    pub(super) lost: bool,
    pub(super) epoch: u32,
    /// Whether something was written since the last commit.
    pub(super) open: bool,
    /// At least once: what is written, what it is part of.
    pub(super) unsent: Unsent,
    pub(super) batch: Option<usize>,
    /// The last record of each log that was acknowledged during a commit.
    pub(super) acknowledged: BTreeMap<usize, i64>,
    pub(super) changes: VecDeque<News>,
    pub(super) unstable: Vec<Unstable>,
    pub(super) taking: Vec<(usize, Position, String)>,
    pub(super) tasks: BTreeMap<usize, Running>,
    pub(super) restoring: BTreeMap<usize, Restoring>,
    /// The standby's sets: they outlive the thread, not the process.
    pub(super) kept: BTreeMap<usize, Kept>,
    pub(super) commit: Vec<InCommit>,
    pub(super) barriers: u64,
    turn: i64,
    pub(super) commit_at: i64,
    pub(super) write_back_at: i64,
}

impl Instance {
    pub(super) fn new(id: usize) -> Self {
        Self {
            id,
            phase: Phase::Down,
            start_at: 0,
            stopped_until: 0,
            deaf_until: 0,
            ending: false,
            member: None,
            lost: false,
            epoch: 0,
            open: false,
            unsent: Unsent::default(),
            batch: None,
            acknowledged: BTreeMap::new(),
            changes: VecDeque::new(),
            unstable: Vec::new(),
            taking: Vec::new(),
            tasks: BTreeMap::new(),
            restoring: BTreeMap::new(),
            kept: BTreeMap::new(),
            commit: Vec::new(),
            barriers: 0,
            turn: 0,
            commit_at: 0,
            write_back_at: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.phase != Phase::Down
    }

    /// Does the next step. A fault drops everything but what is committed.
    pub(super) fn step(&mut self, around: &mut Around) {
        if around.now < self.stopped_until {
            return;
        }
        if self.phase == Phase::Down {
            if around.now >= self.start_at {
                self.start(around);
            }
            return;
        }
        self.hear(around);
        let acknowledged = &mut self.acknowledged;
        self.unsent.send(&mut around.kafka, &mut around.random, |log, offset| {
            acknowledged.insert(log, offset);
        });
        let done = match self.phase {
            Phase::Down => Ok(()),
            Phase::Read => self.read(around),
            Phase::Follow => self.follow(around),
            Phase::Work => self.work(around),
            Phase::Barrier => self.barrier(around),
            Phase::BarrierEnd => self.barrier_end(around),
            Phase::Entries(after) => self.entries(around, after),
            Phase::Offsets(after) => self.offsets(around, after),
            Phase::Decide(after) => self.decide(around, after),
            Phase::Apply(after) => self.apply(around, after),
        };
        if let Err(fault) = done {
            around.tell(|| format!("instance {} begins anew: {fault:?}", self.id));
            around.tally.faults += 1;
            self.fall(around);
        }
    }

    fn start(&mut self, around: &mut Around) {
        if around.is_transactional() {
            let Ok(epoch) = around.kafka.init(self.id) else { return };
            self.epoch = epoch;
        }
        let id = around.group.join(self.id, around.now, &mut around.random);
        around.tell(|| format!("instance {} starts as member {id}", self.id));
        self.member = Some(MemberOf { id, generation: 0 });
        self.lost = false;
        self.open = false;
        self.turn = around.now;
        self.commit_at = around.now + around.settings.commit_interval;
        self.write_back_at = around.now + around.settings.write_back;
        self.phase = Phase::Read;
    }

    /// What the client's own thread does beside: heartbeats, and what the group says.
    fn hear(&mut self, around: &mut Around) {
        if around.now < self.deaf_until {
            return;
        }
        while let Some(member) = &mut self.member {
            around.group.heartbeat(member.id, around.now);
            let Some(news) = around.group.hear(self.id, member.id, around.now) else { break };
            match news {
                News::Generation(generation) => member.generation = generation,
                News::Lost => {
                    self.lost = true;
                    self.member = None;
                    self.changes.push_back(news);
                }
                News::Assigned(_) | News::Revoked(_) => self.changes.push_back(news),
            }
        }
    }

    /// Drops all that is not committed, as a thread does that begins anew in its process.
    fn fall(&mut self, around: &mut Around) {
        self.unsent.cut_off(&mut around.kafka, &mut around.random);
        self.hand_all_to_standby();
        if let Some(member) = self.member {
            around.group.leave(member.id, around.now, &mut around.random);
        }
        self.drop_thread(around.now + RESTART_PAUSE);
    }

    /// The process ends without a word.
    pub(super) fn die(&mut self, around: &mut Around, until: i64) {
        self.unsent.cut_off(&mut around.kafka, &mut around.random);
        self.kept.clear();
        self.stopped_until = 0;
        self.deaf_until = 0;
        let (damage, loss) = (around.settings.faults.damage, around.settings.faults.loss);
        for disk in &around.disks[self.id] {
            if around.random.chance(loss) {
                disk.clear();
            } else if around.random.chance(damage) {
                disk.damage(&mut around.random);
            }
        }
        self.drop_thread(until);
    }

    pub(super) fn drop_thread(&mut self, start_at: i64) {
        self.phase = Phase::Down;
        self.start_at = start_at;
        self.ending = false;
        self.member = None;
        self.changes.clear();
        self.unstable.clear();
        self.taking.clear();
        self.tasks.clear();
        self.restoring.clear();
        self.commit.clear();
        self.batch = None;
        self.open = false;
    }

    fn read(&mut self, around: &mut Around) -> Result<(), Fault> {
        if self.ending {
            self.phase = Phase::Entries(After::End);
            return Ok(());
        }
        self.phase = Phase::Follow;
        if around.has(Defect::HoldBoundPauses) && self.held_bytes() >= around.settings.hold_bytes {
            return Ok(());
        }
        let ids: Vec<usize> = self.tasks.keys().copied().collect();
        for partition in ids {
            self.look(around, partition);
            for _ in 0..around.random.below(8) {
                let running = self.tasks.get_mut(&partition).expect("listed above");
                let offset = running.task.position().0;
                if offset >= running.seen.0 {
                    break;
                }
                let record = &around.kafka.sources[partition][usize::try_from(offset).expect("a position")];
                running.fresh = true;
                running.notes.begin(&running.task);
                if around.has(Defect::AppendTimeFirst) {
                    running.task.advance(TaskTime(record.append));
                }
                running.task.process(&record.at(offset))?;
                let effects = running.task.take_effects();
                running.notes.end(around, partition, &running.task, Some(offset), &effects);
                self.write(around, partition, effects)?;
            }
        }
        Ok(())
    }

    /// What the client learns of how far the partition goes: at once, or a little late.
    fn look(&mut self, around: &mut Around, partition: usize) {
        let high = around.kafka.high(partition);
        let running = self.tasks.get_mut(&partition).expect("asked for a task");
        if around.settings.exact
            || running.seen.1 + REPORT_VALID <= around.now
            || around.random.chance(60_000)
        {
            running.seen = (high, around.now);
        }
    }

    /// Restores, passes time, keeps the hold bound, and looks whether a commit is due.
    fn work(&mut self, around: &mut Around) -> Result<(), Fault> {
        self.restore(around)?;
        self.follow_changelogs(around)?;
        self.pass_time(around)?;
        self.bound_held_bytes(around)?;
        self.phase = if around.now >= self.commit_at { Phase::Entries(After::Turn) } else { Phase::Read };
        Ok(())
    }

    fn pass_time(&mut self, around: &mut Around) -> Result<(), Fault> {
        let elapsed = around.now - self.turn;
        let over = around.has(Defect::TimeOverUnread);
        let step = if over { elapsed } else { elapsed.min(TIME_STEP) };
        self.turn = around.now;
        if around.has(Defect::TimeStalls) {
            return Ok(());
        }
        let is_away = around.is_away();
        let ids: Vec<usize> = self.tasks.keys().copied().collect();
        for partition in ids {
            if around.settings.exact {
                self.look(around, partition);
            }
            let running = self.tasks.get_mut(&partition).expect("listed above");
            // What passed before the records came is in their append times already.
            let fresh = std::mem::take(&mut running.fresh) && !around.has(Defect::TimeCountedTwice);
            let Some(time) = running.task.time() else { continue };
            let (high, since) = running.seen;
            let at_end = running.task.position().0 >= high && since + REPORT_VALID > around.now;
            if (at_end && !fresh && !is_away) || over {
                running.notes.begin(&running.task);
                running.task.advance(TaskTime(time.0 + step));
                let effects = running.task.take_effects();
                running.notes.end(around, partition, &running.task, None, &effects);
                self.write(around, partition, effects)?;
            }
        }
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.tasks.values().map(|running| running.task.held_bytes()).sum()
    }

    fn bound_held_bytes(&mut self, around: &mut Around) -> Result<(), Fault> {
        if around.has(Defect::HoldBoundPauses) {
            return Ok(());
        }
        while self.held_bytes() > around.settings.hold_bytes {
            let fullest = self.tasks.iter_mut().max_by_key(|(_, running)| running.task.held_bytes());
            let Some((partition, running)) = fullest else { break };
            running.notes.begin(&running.task);
            if !running.task.cut_hold() {
                break;
            }
            let (partition, effects) = (*partition, running.task.take_effects());
            around.tell(|| format!("instance {} cuts the hold of partition {partition}", self.id));
            around.cut[partition] = true;
            running.notes.end(around, partition, &running.task, None, &effects);
            self.write(around, partition, effects)?;
        }
        let held: usize = self.tasks.values().map(|running| running.task.held()).sum();
        if self.held_bytes() > around.settings.hold_bytes || self.held_bytes() != held * MESSAGE_BYTES {
            around.complaint = Some(format!("{held} messages held, {} bytes", self.held_bytes()));
        }
        Ok(())
    }

    /// Writes a task's effects in the current transaction.
    pub(super) fn write(
        &mut self,
        around: &mut Around,
        partition: usize,
        effects: Effects,
    ) -> Result<(), Fault> {
        if effects.outputs.is_empty() && effects.dead.is_empty() && effects.filtered.is_empty() {
            return Ok(());
        }
        for (log, value) in Around::records_of(partition, effects) {
            let outside = if log == super::around::DEAD {
                around.has(Defect::DeadLetterTwice)
            } else {
                around.has(Defect::OutputOutside)
            };
            if outside {
                around.kafka.write_plain(log, value);
            } else {
                self.put(around, log, value)?;
            }
        }
        if let Some(running) = self.tasks.get_mut(&partition) {
            running.written = true;
        }
        Ok(())
    }

    /// Writes a record in the current transaction; at least once, hands it to the client.
    pub(super) fn put(&mut self, around: &mut Around, log: usize, value: Vec<u8>) -> Result<(), Fault> {
        self.open = true;
        if around.is_transactional() {
            let offset = around.kafka.write(self.id, self.epoch, around.now, log, value)?;
            self.acknowledged.insert(log, offset);
        } else {
            let kafka = &mut around.kafka;
            let batch = *self.batch.get_or_insert_with(|| kafka.begin_batch(self.id, around.now));
            self.unsent.push(batch, log, value);
        }
        Ok(())
    }
}

impl Running {
    pub(super) fn new(task: Task<Message, Disk>, changelog: i64, notes: Notes) -> Self {
        let seen = (0, i64::MIN / 2);
        Self { task, changelog, committed: None, written: false, fresh: true, seen, notes }
    }
}
