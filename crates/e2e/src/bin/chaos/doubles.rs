//! Messages that Genesys has twice, and which of them nobody can be blamed for: the first of a conversation, whose
//! answer never came. Nobody knows the conversation yet, so nobody can ask whether the message is there.

use std::collections::{BTreeMap, BTreeSet};

use standins::{Received, marked};

/// Why an answer never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The stand-in cut the connection after the work.
    Cut,
    /// Egress or the broker was struck while the call or its record was under way.
    Struck,
}

/// The doubled messages, each with the reason that excuses it.
pub(crate) fn doubles(
    received: &[Received],
    cut: &BTreeSet<String>,
    struck: &[(u64, u64)],
) -> BTreeMap<u32, Option<Why>> {
    let mut copies: BTreeMap<u32, Vec<&Received>> = BTreeMap::new();
    let mut opens: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in received {
        let Some(message) = marked(&entry.text) else { continue };
        opens.entry(&entry.conversation_id).or_insert(message);
        copies.entry(message).or_default().push(entry);
    }
    copies.retain(|_, copies| copies.len() > 1);
    let why = |(message, copies): (u32, Vec<&Received>)| {
        let first = copies[0];
        let is_first = opens.get(first.conversation_id.as_str()) == Some(&message);
        let is_cut = first.message_id.as_ref().is_some_and(|id| cut.contains(id));
        let is_struck = struck.iter().any(|(from, to)| (*from..=*to).contains(&first.time));
        let why = match (is_first, is_cut, is_struck) {
            (true, true, _) => Some(Why::Cut),
            (true, false, true) => Some(Why::Struck),
            _ => None,
        };
        (message, why)
    };
    copies.into_iter().map(why).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(conversation: &str, message: u32, time: u64) -> Received {
        Received {
            seq: 0,
            conversation: conversation.to_owned(),
            conversation_id: conversation.to_owned(),
            integration: String::new(),
            text: standins::marker(message),
            message_id: Some(format!("id-{message}")),
            id: String::new(),
            event_time: String::new(),
            nickname: None,
            attributes: serde_json::Value::Null,
            metadata: serde_json::Map::new(),
            time,
        }
    }

    #[test]
    fn only_the_first_of_a_conversation_is_excused_and_only_with_a_reason() {
        let ledger = [
            received("a", 1, 100),
            received("a", 1, 200),
            received("a", 2, 300),
            received("a", 2, 400),
            received("b", 3, 500),
            received("b", 3, 600),
            received("c", 4, 700),
            received("c", 4, 800),
            received("c", 5, 900),
        ];
        let cut: BTreeSet<String> = ["id-1", "id-2"].map(str::to_owned).into();
        let found = doubles(&ledger, &cut, &[(450, 550)]);
        let expected = [(1, Some(Why::Cut)), (2, None), (3, Some(Why::Struck)), (4, None)];
        assert_eq!(found, expected.into());
    }
}
