//! Who owns which partition: read from the log lines that both instances of a service write when they take one.

use std::collections::BTreeMap;

use schemas::partition_for;
use standins::Direction;

use crate::fleet::logged;
use crate::scene::{Account, PARTITIONS};

/// A partition that somebody owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Of a source of the processors.
    Source(Direction, i32),
    /// Of an outbox.
    Outbox(Direction, i32),
}

impl Part {
    fn of(topic: &str, partition: i32) -> Option<Self> {
        Some(match topic.rsplit_once('.').map(|(rest, last)| (rest.ends_with("webhooks"), last))? {
            (true, "line") => Part::Source(Direction::Inbound, partition),
            (true, _) => Part::Source(Direction::Outbound, partition),
            (false, "genesys") => Part::Outbox(Direction::Inbound, partition),
            (false, _) => Part::Outbox(Direction::Outbound, partition),
        })
    }

    /// Whether a message goes through it: by the account, the person's LINE id and her GUID at Genesys.
    pub(crate) fn carries(self, direction: Direction, account: &Account, user: &str, guid: &str) -> bool {
        let place = |key: &str| partition_for(key.as_bytes(), PARTITIONS);
        match self {
            Part::Source(own, partition) | Part::Outbox(own, partition)
                if own != direction || partition < 0 =>
            {
                false
            }
            Part::Source(Direction::Inbound, partition) => {
                place(&format!("{}:{user}", account.line)) == partition
            }
            Part::Source(Direction::Outbound, partition) => place(guid) == partition,
            Part::Outbox(Direction::Inbound, partition) => place(&account.client) == partition,
            Part::Outbox(Direction::Outbound, partition) => place(&account.line) == partition,
        }
    }
}

/// What the nth of these logs' writers has taken last.
pub(crate) fn owned(logs: &[String], instance: usize) -> Vec<Part> {
    let mut takers: BTreeMap<Part, (String, usize)> = BTreeMap::new();
    for (nth, log) in logs.iter().enumerate() {
        for line in log.lines().filter(|line| {
            line.contains("\"partition restored\"") || line.contains("\"partitions assigned\"")
        }) {
            let Some(line) = logged(line) else { continue };
            let (Some(topic), Some(at)) = (line["topic"].as_str(), line["timestamp"].as_str()) else {
                continue;
            };
            let one = line["partition"].as_i64();
            let several =
                line["partitions"].as_str().and_then(|list| serde_json::from_str::<Vec<i64>>(list).ok());
            for partition in one.into_iter().chain(several.into_iter().flatten()) {
                let Some(part) =
                    i32::try_from(partition).ok().and_then(|partition| Part::of(topic, partition))
                else {
                    continue;
                };
                let taker = takers.entry(part).or_default();
                if taker.0.as_str() <= at {
                    *taker = (at.to_owned(), nth);
                }
            }
        }
    }
    takers.into_iter().filter(|(_, (_, taker))| *taker == instance).map(|(part, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_take_a_partition_owns_it() {
        let restored = |at: &str, topic: &str, partition: i32| {
            format!(
                r#"{{"timestamp":"{at}","message":"partition restored","topic":"x.{topic}","partition":{partition}}}"#
            )
        };
        let first = [
            restored("2026-01-01T00:00:01Z", "webhooks.line", 0),
            restored("2026-01-01T00:00:01Z", "webhooks.genesys", 3),
            r#"{"timestamp":"2026-01-01T00:00:01Z","message":"partitions assigned","topic":"x.outbox.genesys","partitions":"[1, 2]"}"#.to_owned(),
            "not a line of ours".to_owned(),
        ]
        .join("\n");
        let second = restored("2026-01-01T00:00:02Z", "webhooks.line", 0);
        let logs = [first, second];
        assert_eq!(
            owned(&logs, 0),
            [
                Part::Source(Direction::Outbound, 3),
                Part::Outbox(Direction::Inbound, 1),
                Part::Outbox(Direction::Inbound, 2)
            ]
        );
        assert_eq!(owned(&logs, 1), [Part::Source(Direction::Inbound, 0)]);
    }
}
