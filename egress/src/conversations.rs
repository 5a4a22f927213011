//! Which conversation a person was last in: it only helps to settle unknown outcomes, so it may be
//! forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// How many persons are remembered by default; about 100 bytes each.
pub const REMEMBERED: usize = 100_000;

/// A bounded map from person to conversation; the one that came first is forgotten first.
#[derive(Debug)]
pub struct Conversations {
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_person: HashMap<String, String>,
    order: VecDeque<String>,
}

impl Default for Conversations {
    fn default() -> Self {
        Self::new(REMEMBERED)
    }
}

impl Conversations {
    /// A map of at most `most` persons.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), inner: Mutex::default() }
    }

    /// The person's messages go to this conversation.
    pub fn set(&self, person: &str, conversation: &str) {
        let mut inner = self.lock();
        if inner.by_person.insert(person.to_owned(), conversation.to_owned()).is_none() {
            inner.order.push_back(person.to_owned());
            if inner.order.len() > self.most
                && let Some(first) = inner.order.pop_front()
            {
                inner.by_person.remove(&first);
            }
        }
    }

    /// All that is remembered: person, conversation; the one that came first is first.
    #[must_use]
    pub fn take(&self) -> Vec<(String, String)> {
        let Inner { mut by_person, order } = std::mem::take(&mut *self.lock());
        let pair = |person: String| by_person.remove_entry(&person);
        order.into_iter().filter_map(pair).collect()
    }

    /// The person's conversation, if it is remembered.
    #[must_use]
    pub fn of(&self, person: &str) -> Option<String> {
        self.lock().by_person.get(person).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the map")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_a_new_conversation_replaces() {
        let map = Conversations::new(2);
        map.set("a", "1");
        map.set("b", "2");
        map.set("a", "3");
        assert_eq!(map.of("a").as_deref(), Some("3"));
        map.set("c", "4");
        assert_eq!(
            (map.of("a"), map.of("b").as_deref(), map.of("c").as_deref()),
            (None, Some("2"), Some("4"))
        );
        assert_eq!(map.take(), [("b".into(), "2".into()), ("c".into(), "4".into())]);
        assert_eq!(map.of("b"), None);
    }
}
