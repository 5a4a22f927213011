//! What arrived at the platforms, as the audit reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use crate::audit::{Arrival, Message};
use crate::ledger::Ledger;
use crate::plan::{Direction, marked};
use crate::server::Standins;

/// The ledgers of all platforms; entries without a marker are left out.
#[must_use]
pub fn arrivals(standins: &Standins) -> Vec<Arrival> {
    let genesys = standins.genesys().received().after(0);
    let line = standins.line().received().after(0);
    let custom = standins.custom().received().after(0);
    let inbound = genesys.iter().filter_map(Arrival::at_genesys);
    let outbound =
        line.iter().filter_map(Arrival::at_line).chain(custom.iter().filter_map(Arrival::at_custom));
    inbound.chain(outbound).collect()
}

/// Waits until every accepted message is in a ledger; `false` where that is not so `within` that time.
pub async fn settled(standins: &Standins, messages: &[Message], within: Duration) -> bool {
    let accepted = messages.iter().filter(|message| message.accepted_ms.is_some());
    let mut missing: BTreeSet<(Direction, u32)> =
        accepted.map(|message| (message.direction, message.message)).collect();
    let mut seen = Seen::default();
    let waits = async {
        while !missing.is_empty() {
            let (direction, numbers) = seen.next(standins).await;
            for number in numbers.into_iter().flatten() {
                missing.remove(&(direction, number));
            }
        }
    };
    timeout(within, waits).await.is_ok()
}

/// How many entries of each ledger have been looked at.
#[derive(Default)]
struct Seen {
    genesys: usize,
    line: usize,
    custom: usize,
}

impl Seen {
    /// Waits for new entries of any ledger, and gives the number that each entry's text carries.
    async fn next(&mut self, standins: &Standins) -> (Direction, Vec<Option<u32>>) {
        tokio::select! {
            numbers = numbers(standins.genesys().received(), &mut self.genesys, |entry| &entry.text) => {
                (Direction::Inbound, numbers)
            }
            numbers = numbers(standins.line().received(), &mut self.line, |entry| &entry.text) => {
                (Direction::Outbound, numbers)
            }
            numbers = numbers(standins.custom().received(), &mut self.custom, |entry| &entry.text) => {
                (Direction::Outbound, numbers)
            }
        }
    }
}

/// Waits for entries beyond those `seen`, and counts them as seen.
async fn numbers<T: Clone>(ledger: &Ledger<T>, seen: &mut usize, text: fn(&T) -> &str) -> Vec<Option<u32>> {
    let entries = ledger.beyond(*seen).await;
    *seen += entries.len();
    entries.iter().map(|entry| marked(text(entry))).collect()
}
