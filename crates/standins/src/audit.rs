//! The audit: what was sent against what arrived. Lost, twice, out of order, at the wrong person: by direction.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::custom;
use crate::genesys;
use crate::line;
use crate::people::custom_address;
use crate::plan::{Direction, marked};

/// What a bridge's reorder promise leaves off the hold: a message that is accepted no later than the hold less
/// this after its successor must still go out before it.
const PROMISE_MARGIN_MS: u64 = 500;

/// One message as it was sent, all its sendings taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number, which its marker carries.
    pub message: u32,
    /// Which way it went.
    pub direction: Direction,
    /// The person, by the id that their channel uses; in a custom channel the account, `/` and that id.
    pub person: String,
    /// Time of the event, ms since 1970.
    pub event_ms: u64,
    /// When its first sending began: the bridge cannot have had it earlier.
    pub first_sent_ms: u64,
    /// When the first 2xx was there: the bridge cannot have got it later. None where there was never one.
    pub accepted_ms: Option<u64>,
}

/// One entry of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Number of the message, from its marker.
    pub message: u32,
    /// Which way it went.
    pub direction: Direction,
    /// Whom the receiving platform took it for: the person's GUID at Genesys, the person's own id at a
    /// channel, in a custom one behind the account and `/`.
    pub address: String,
    /// When, ms since 1970.
    pub time: u64,
}

impl Arrival {
    /// An entry of Genesys's ledger; `None` where its text carries no marker.
    #[must_use]
    pub fn at_genesys(entry: &genesys::Received) -> Option<Self> {
        let address = entry.conversation.clone();
        Some(Self { message: marked(&entry.text)?, direction: Direction::Inbound, address, time: entry.time })
    }

    /// An entry of LINE's ledger; `None` where its text carries no marker.
    #[must_use]
    pub fn at_line(entry: &line::Sent) -> Option<Self> {
        let address = entry.user.clone();
        Some(Self {
            message: marked(&entry.text)?,
            direction: Direction::Outbound,
            address,
            time: entry.time,
        })
    }

    /// An entry of a custom channel's ledger; `None` where its text carries no marker.
    #[must_use]
    pub fn at_custom(entry: &custom::CustomReceived) -> Option<Self> {
        let address = custom_address(&entry.account, &entry.person);
        Some(Self {
            message: marked(&entry.text)?,
            direction: Direction::Outbound,
            address,
            time: entry.time,
        })
    }
}

/// The account of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Messages sent.
    pub sent: usize,
    /// Of these: answered 2xx at least once.
    pub accepted: usize,
    /// Messages that arrived, each counted once.
    pub arrived: usize,
    /// Accepted, and not there.
    pub lost: Vec<u32>,
    /// There more than once.
    pub twice: Vec<u32>,
    /// Arrived after a later one of their conversation although the bridge had them in time: (this, the later one).
    pub out_of_order: Vec<(u32, u32)>,
    /// Arrived after a later one, but were not provably in time for the hold: allowed.
    pub late: usize,
    /// Arrived at somebody else.
    pub misdirected: Vec<u32>,
    /// Never answered 2xx, and there all the same: allowed.
    pub unanswered: usize,
    /// In the ledger under a number that was never sent that way.
    pub unknown: usize,
}

impl Account {
    /// Whether each accepted message arrived once, in order and at the right person.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.twice.is_empty()
            && self.out_of_order.is_empty()
            && self.misdirected.is_empty()
            && self.unknown == 0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent {} accepted {} arrived {} lost {} twice {} out-of-order {} late {} misdirected {} unknown {}",
            self.sent,
            self.accepted,
            self.arrived,
            self.lost.len(),
            self.twice.len(),
            self.out_of_order.len(),
            self.late,
            self.misdirected.len(),
            self.unknown
        )
    }
}

/// Both accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// From people to the contact centre.
    pub inbound: Account,
    /// From agents to people's channels.
    pub outbound: Account,
}

impl Audit {
    /// Whether both directions are clean.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.inbound.is_clean() && self.outbound.is_clean()
    }
}

/// Compares what was sent with what arrived, in the ledgers' order, under a hold of `hold_ms`.
#[must_use]
pub fn audit(sent: &[Message], arrived: &[Arrival], hold_ms: u64) -> Audit {
    let one = |direction: Direction| {
        let sent: Vec<&Message> = sent.iter().filter(|message| message.direction == direction).collect();
        let arrived: Vec<&Arrival> =
            arrived.iter().filter(|arrival| arrival.direction == direction).collect();
        account(&sent, &arrived, hold_ms)
    };
    Audit { inbound: one(Direction::Inbound), outbound: one(Direction::Outbound) }
}

fn account(sent: &[&Message], arrived: &[&Arrival], hold_ms: u64) -> Account {
    let by_number: BTreeMap<u32, &Message> = sent.iter().map(|message| (message.message, *message)).collect();
    let mut times: BTreeMap<u32, usize> = BTreeMap::new();
    let mut lanes: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    let mut addresses = Addresses::default();
    let mut account = Account {
        sent: sent.len(),
        accepted: sent.iter().filter(|m| m.accepted_ms.is_some()).count(),
        ..Account::default()
    };
    for arrival in arrived {
        let Some(message) = by_number.get(&arrival.message) else {
            account.unknown += 1;
            continue;
        };
        let count = times.entry(arrival.message).or_default();
        *count += 1;
        if *count == 1 {
            lanes.entry(&message.person).or_default().push(message);
        }
        if !addresses.fits(message, &arrival.address) {
            account.misdirected.push(arrival.message);
        }
    }
    account.arrived = times.len();
    account.twice = times.iter().filter(|(_, count)| **count > 1).map(|(message, _)| *message).collect();
    for message in by_number.values() {
        match (message.accepted_ms, times.contains_key(&message.message)) {
            (Some(_), false) => account.lost.push(message.message),
            (None, true) => account.unanswered += 1,
            _ => {}
        }
    }
    for lane in lanes.values() {
        judge_order(lane, hold_ms, &mut account);
    }
    account
}

/// Which address belongs to which person at the receiver.
#[derive(Default)]
struct Addresses<'a> {
    of_person: BTreeMap<&'a str, String>,
    person_of: BTreeMap<String, &'a str>,
}

impl<'a> Addresses<'a> {
    /// At a channel the address is the person's own id. At Genesys it is a GUID that only the bridge can make: there one
    /// person must always have the same, and no other person the same.
    fn fits(&mut self, message: &'a Message, address: &str) -> bool {
        if message.direction == Direction::Outbound {
            return message.person == address;
        }
        let known = self.of_person.entry(&message.person).or_insert_with(|| address.to_owned());
        let person = self.person_of.entry(address.to_owned()).or_insert(&message.person);
        known == address && *person == message.person
    }
}

/// Judges one conversation in its order of arrival.
fn judge_order(lane: &[&Message], hold_ms: u64, account: &mut Account) {
    let mut latest_before = Vec::with_capacity(lane.len());
    let mut latest = 0;
    for message in lane {
        latest_before.push(latest);
        latest = latest.max(message.event_ms);
    }
    let promise_ms = hold_ms.saturating_sub(PROMISE_MARGIN_MS);
    for (at, message) in lane.iter().enumerate() {
        let mut overtaken = false;
        let mut proof = None;
        // Back to where nothing earlier in arrival has a later event.
        for before in (0..at).rev() {
            if latest_before[before + 1] <= message.event_ms {
                break;
            }
            let other = lane[before];
            if other.event_ms > message.event_ms {
                overtaken = true;
                // Only what the bridge surely had early enough counts: the latest moment at which it can have
                // got this one against the earliest at which it can have got the other.
                let in_time = message.accepted_ms.is_some_and(|ms| ms <= other.first_sent_ms + promise_ms);
                if in_time {
                    proof = Some(other.message);
                    break;
                }
            }
        }
        match (overtaken, proof) {
            (_, Some(other)) => account.out_of_order.push((message.message, other)),
            (true, None) => account.late += 1,
            (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
