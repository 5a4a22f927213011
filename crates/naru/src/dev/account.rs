//! The account: every record of a direction is in exactly one state.

use std::fmt;

use platforms::{Platform, Role};
use runtime::config::Config;

use super::Dev;
use super::cluster::Counter;
use super::show::End;
use crate::Failure;

/// Where the records of one direction are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
        let mut account = Self::default();
        let (mut unread, mut unfinished) = (0, 0);
        let statuses = dev.status.sources();
        for source in &direction.sources {
            let status = statuses.get(source.name).copied().unwrap_or_default();
            let received = counter.written(source.source.webhooks)?;
            account.received += received;
            account.duplicate += status.counts.duplicate;
            account.filtered += status.counts.filtered;
            account.dead += status.counts.dead;
            account.held += status.held;
            unread += received.saturating_sub(status.counts.finished() + status.held);
        }
        for destination in &direction.destinations {
            let delivered = dev.watcher.count(destination.name, End::Delivered);
            let dead = dev.watcher.count(destination.name, End::Dead);
            account.delivered += delivered;
            account.dead += dead;
            unfinished += counter.written(destination.destination.outbox)?.saturating_sub(delivered + dead);
        }
        account.in_flight = unread + unfinished;
        Ok(account)
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

/// A direction and the platforms on both ends of it.
pub(crate) struct Direction {
    sources: Vec<&'static Platform>,
    destinations: Vec<&'static Platform>,
}

impl Direction {
    /// From the channels to the contact centre, and back.
    pub(crate) fn both(config: &Config) -> [Self; 2] {
        let is_channel = |platform: &&'static Platform| matches!(platform.role, Role::Channel(_));
        let (channels, centres): (Vec<_>, Vec<_>) =
            config.platforms.platforms().into_iter().partition(is_channel);
        [
            Self { sources: channels.clone(), destinations: centres.clone() },
            Self { sources: centres, destinations: channels },
        ]
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = |platforms: &[&'static Platform]| {
            platforms.iter().map(|platform| platform.title).collect::<Vec<_>>().join(" + ")
        };
        write!(f, "{} → {}", titles(&self.sources), titles(&self.destinations))
    }
}

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
