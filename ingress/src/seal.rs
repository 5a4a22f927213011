//! Sealing: the value of a record lies in topics, dead letters and the spool as nobody can read it without the key ring.

use std::sync::Arc;

use keys::{KeyRing, Nonce, Sealed};
use ring::rand::{SecureRandom, SystemRandom};
use schemas::header;

use crate::log::NewRecord;

/// Seals values with the ring's newest key.
pub(crate) struct Sealer {
    keys: Arc<KeyRing>,
    random: SystemRandom,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Sealer {
    pub(crate) fn new(keys: Arc<KeyRing>) -> Self {
        Self { keys, random: SystemRandom::new() }
    }

    /// Seals the value of a record, bound to its key: it opens in no other conversation.
    pub(crate) fn seal(&self, record: &mut NewRecord, now_ms: i64) {
        let mut nonce = [0; 12];
        self.random.fill(&mut nonce).expect("a system without random bytes runs no TLS either");
        let Sealed { key, value } =
            self.keys.seal(now_ms, &Nonce(nonce), record.key.as_bytes(), &record.value);
        record.headers.push((header::KEY.into(), key.into()));
        record.value = value.into();
    }
}
