//! The key ring, and values sealed with it: what a customer wrote lies sealed in raw topics, dead letters and the spool.
//!
//! A value is sealed with AES-256-GCM under the key of its day, which HKDF-SHA256 makes of the ring's newest key; its
//! nonce stands before it, and the key that it belongs to is bound to it. The name of the day's key travels in a header,
//! so that a ring can be rotated while values of older keys are still read.
//!
//! The vault's values are sealed with a data key of their person's, which is wrapped by a key of the ring: without the
//! person's key nothing opens them.

mod ring_file;
mod seal;
mod vault;

pub use ring_file::{Added, KeyRing, KeyRingError, Secret};
pub use seal::{Nonce, OpenError, Sealed};
pub use vault::{PersonKey, Wrapped, letters};
