//! The system's random bytes.

use ring::rand::{SecureRandom, SystemRandom};

/// As many as are wanted.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("a system without random bytes runs no TLS either");
    bytes
}
