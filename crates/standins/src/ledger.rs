//! The ledger: what a stand-in has accepted, each effect once, in order of arrival.

use std::sync::Mutex;

use tokio::sync::watch;

/// Entries in order of arrival.
#[derive(Debug)]
pub struct Ledger<T> {
    entries: Mutex<Vec<T>>,
    length: watch::Sender<usize>,
}

impl<T: Clone> Ledger<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()), length: watch::Sender::new(0) }
    }

    /// Adds an entry, made from its place: 1 for the first.
    pub(crate) fn record(&self, make: impl FnOnce(usize) -> T) {
        let mut entries = self.entries.lock().expect("no code panics while it holds the ledger");
        let place = entries.len() + 1;
        entries.push(make(place));
        self.length.send_replace(place);
    }

    /// The entries after the first `seen`.
    #[must_use]
    pub fn after(&self, seen: usize) -> Vec<T> {
        let entries = self.entries.lock().expect("no code panics while it holds the ledger");
        entries.get(seen..).unwrap_or_default().to_vec()
    }

    /// The latest entry that is so.
    pub(crate) fn last(&self, is_so: impl Fn(&T) -> bool) -> Option<T> {
        let entries = self.entries.lock().expect("no code panics while it holds the ledger");
        entries.iter().rev().find(|entry| is_so(entry)).cloned()
    }

    /// How many entries are so.
    pub(crate) fn count(&self, is_so: impl Fn(&T) -> bool) -> usize {
        let entries = self.entries.lock().expect("no code panics while it holds the ledger");
        entries.iter().filter(|entry| is_so(entry)).count()
    }

    /// Entries so far.
    #[must_use]
    pub fn len(&self) -> usize {
        *self.length.borrow()
    }

    /// Whether nothing was accepted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there is an entry after the first `seen`, and gives all of them.
    pub async fn beyond(&self, seen: usize) -> Vec<T> {
        let mut length = self.length.subscribe();
        // The sender lives in this ledger, which is borrowed: the wait cannot fail.
        let _ = length.wait_for(|length| *length > seen).await;
        self.after(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn entries_keep_their_order_and_wake_who_waits() {
        let ledger = std::sync::Arc::new(Ledger::new());
        ledger.record(|place| place * 10);
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.beyond(1).await }
        });
        ledger.record(|place| place * 10);
        assert_eq!(waiting.await.unwrap(), [20]);
        assert_eq!(ledger.after(0), [10, 20]);
        assert_eq!(ledger.after(5), [0; 0]);
        assert_eq!(ledger.len(), 2);
        assert_eq!(ledger.last(|entry| *entry < 30), Some(20));
        assert_eq!(ledger.last(|entry| *entry > 30), None);
        assert_eq!(ledger.count(|entry| *entry > 10), 1);
    }
}
