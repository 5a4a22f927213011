//! The consumer group's coordinator: members, generations, and who owns which partition. Partitions change hands
//! cooperatively: the owner gives back first, unless its session has run out.

use std::collections::VecDeque;

use super::kafka::MemberOf;
use super::random::Random;

/// Without a heartbeat for this long a member is put out, in ms. Shorter than in production, so that a short run sees
/// it.
const SESSION: i64 = 1_500;

/// What a member is told. It hears it later, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The group's generation.
    Generation(u64),
    /// The partition is yours.
    Assigned(usize),
    /// The partition is to be given back.
    Revoked(usize),
    /// You are no member any more.
    Lost,
}

struct Member {
    id: u64,
    instance: usize,
    heartbeat: i64,
}

/// The coordinator.
pub(super) struct Group {
    generation: u64,
    members: Vec<Member>,
    owners: Vec<Option<u64>>,
    /// Partitions whose owner was asked to give them back.
    asked: Vec<bool>,
    /// By instance: when it is heard, for which member, and what.
    mail: Vec<VecDeque<(i64, u64, News)>>,
    ids: u64,
}

impl Group {
    pub(super) fn new(partitions: usize, instances: usize) -> Self {
        Self {
            generation: 0,
            members: Vec::new(),
            owners: vec![None; partitions],
            asked: vec![false; partitions],
            mail: vec![VecDeque::new(); instances],
            ids: 0,
        }
    }

    pub(super) fn is_current(&self, member: MemberOf) -> bool {
        member.generation == self.generation && self.members.iter().any(|other| other.id == member.id)
    }

    /// Whether offsets may be committed. Who names no member is taken for a client outside of any group, which may while
    /// the group is empty.
    pub(super) fn may_commit(&self, member: Option<MemberOf>) -> bool {
        member.map_or(self.members.is_empty(), |member| self.is_current(member))
    }

    /// A new member.
    pub(super) fn join(&mut self, instance: usize, now: i64, random: &mut Random) -> u64 {
        self.ids += 1;
        self.members.push(Member { id: self.ids, instance, heartbeat: now });
        self.rebalance(now, random);
        self.ids
    }

    /// The member goes, and everything of its.
    pub(super) fn leave(&mut self, id: u64, now: i64, random: &mut Random) {
        let before = self.members.len();
        self.members.retain(|member| member.id != id);
        if self.members.len() < before {
            self.rebalance(now, random);
        }
    }

    pub(super) fn heartbeat(&mut self, id: u64, now: i64) {
        if let Some(member) = self.members.iter_mut().find(|member| member.id == id) {
            member.heartbeat = now;
        }
    }

    /// Puts out whoever has not been heard of. Says how many.
    pub(super) fn expire(&mut self, now: i64, random: &mut Random) -> u64 {
        let mut count = 0;
        while let Some(index) = self.members.iter().position(|member| member.heartbeat + SESSION <= now) {
            let member = self.members.remove(index);
            self.mail[member.instance].push_back((now + random.between(0, 400), member.id, News::Lost));
            self.rebalance(now, random);
            count += 1;
        }
        count
    }

    /// The owner has given the partition back.
    pub(super) fn given_back(&mut self, id: u64, partition: usize, now: i64, random: &mut Random) {
        if self.owners[partition] == Some(id) {
            self.owners[partition] = None;
            self.asked[partition] = false;
            self.rebalance(now, random);
        }
    }

    /// All members go at once.
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.generation += 1;
        self.owners.fill(None);
        self.asked.fill(false);
        self.mail.iter_mut().for_each(VecDeque::clear);
    }

    /// What a member hears next, if it is time; what an earlier life of its instance was told is void.
    pub(super) fn hear(&mut self, instance: usize, id: u64, now: i64) -> Option<News> {
        let mail = &mut self.mail[instance];
        mail.retain(|(_, to, _)| *to == id);
        if mail.front().is_some_and(|(at, ..)| *at <= now) {
            mail.pop_front().map(|(.., news)| news)
        } else {
            None
        }
    }

    fn load(&self, id: u64) -> usize {
        self.owners.iter().zip(&self.asked).filter(|(owner, asked)| **owner == Some(id) && !**asked).count()
    }

    fn rebalance(&mut self, now: i64, random: &mut Random) {
        self.generation += 1;
        let generation = self.generation;
        for index in 0..self.members.len() {
            self.tell(index, News::Generation(generation), now, random);
        }
        for partition in 0..self.owners.len() {
            let owner = self.owners[partition];
            if owner.is_some_and(|id| self.members.iter().any(|member| member.id == id)) {
                continue;
            }
            self.asked[partition] = false;
            self.owners[partition] = None;
            let least = (0..self.members.len()).min_by_key(|index| self.load(self.members[*index].id));
            if let Some(least) = least {
                self.owners[partition] = Some(self.members[least].id);
                self.tell(least, News::Assigned(partition), now, random);
            }
        }
        // One partition a rebalance moves from the fullest to the emptiest, sometimes without need.
        let loads: Vec<usize> = self.members.iter().map(|member| self.load(member.id)).collect();
        let (Some(most), Some(least)) = (loads.iter().max(), loads.iter().min()) else { return };
        if most - least >= 2 {
            let from = loads.iter().position(|load| load == most).expect("taken from there");
            let id = self.members[from].id;
            let own = (0..self.owners.len()).find(|p| self.owners[*p] == Some(id) && !self.asked[*p]);
            if let Some(partition) = own {
                self.asked[partition] = true;
                self.tell(from, News::Revoked(partition), now, random);
            }
        }
    }

    fn tell(&mut self, index: usize, news: News, now: i64, random: &mut Random) {
        let at = now + random.between(0, 60);
        let Member { id, instance, .. } = self.members[index];
        self.mail[instance].push_back((at, id, news));
    }
}
