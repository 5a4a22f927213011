//! The account: every record of a direction is in exactly one state.

use std::fmt;

use schemas::Topic;

use super::Dev;
use super::cluster::Counter;
use super::show::End;
use crate::Failure;

/// Where the records of one direction are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Records that ingress has written.
    pub(crate) received: u64,
    /// Messages that the platform took.
    pub(crate) delivered: u64,
    /// Duplicates of another record.
    pub(crate) duplicate: u64,
    /// Records that carry no message.
    pub(crate) filtered: u64,
    /// Dead letters, of processors and egress.
    pub(crate) dead: u64,
    /// Messages in the reorder buffers.
    pub(crate) held: u64,
    /// Records not yet read, and messages in the outbox that are not finished.
    pub(crate) in_flight: u64,
}

impl Account {
    /// Reads the account of one direction: from the topics, the stream threads and egress, each for its part.
    pub(crate) fn read(dev: &Dev, counter: &Counter, direction: &Direction) -> Result<Self, Failure> {
        let status = dev.status.sources().get(direction.source).copied().unwrap_or_default();
        let delivered = dev.watcher.count(direction.destination, End::Delivered);
        let refused = dev.watcher.count(direction.destination, End::Dead);
        let outbox = counter.written(direction.outbox)?;
        let received = counter.written(direction.webhooks)?;
        let unread = received.saturating_sub(status.counts.finished() + status.held);
        Ok(Self {
            received,
            delivered,
            duplicate: status.counts.duplicate,
            filtered: status.counts.filtered,
            dead: status.counts.dead + refused,
            held: status.held,
            in_flight: unread + outbox.saturating_sub(delivered + refused),
        })
    }

    /// Whether every record is in exactly one state.
    pub(crate) fn balances(&self) -> bool {
        self.received
            == self.delivered + self.duplicate + self.filtered + self.dead + self.held + self.in_flight
    }

    /// Whether nothing is under way any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.balances() && self.held == 0 && self.in_flight == 0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, delivered, duplicate, filtered, dead, held, in_flight } = self;
        write!(
            f,
            "in {received} = delivered {delivered} + duplicate {duplicate} + filtered {filtered} + dead {dead} + \
             held {held} + in flight {in_flight}"
        )
    }
}

/// A direction and the parts of Naru that it goes through.
pub(crate) struct Direction {
    /// For a person.
    pub(crate) name: &'static str,
    source: &'static str,
    destination: &'static str,
    webhooks: Topic,
    outbox: Topic,
}

/// Both directions.
pub(crate) const DIRECTIONS: [Direction; 2] = [
    Direction {
        name: "LINE → Genesys",
        source: "line",
        destination: "genesys",
        webhooks: Topic::WebhooksLine,
        outbox: Topic::OutboxGenesys,
    },
    Direction {
        name: "Genesys → LINE",
        source: "genesys",
        destination: "line",
        webhooks: Topic::WebhooksGenesys,
        outbox: Topic::OutboxLine,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLED: Account =
        Account { received: 10, delivered: 6, duplicate: 2, filtered: 1, dead: 1, held: 0, in_flight: 0 };

    #[test]
    fn every_record_counts_once() {
        assert!(SETTLED.is_settled());
        assert!(!Account { received: 11, ..SETTLED }.balances(), "one is nowhere");
        assert!(!Account { duplicate: 3, ..SETTLED }.balances(), "one is in two states");
        let held = Account { received: 11, held: 1, ..SETTLED };
        assert!(held.balances() && !held.is_settled());
    }
}
