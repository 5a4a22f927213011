//! Free ports for what a test starts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes the ports of outgoing connections, so that a port that was free stays
/// free until the process that it was chosen for listens on it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// Apart for two test processes that run at once.
const STRIDE: u16 = 97;

/// A port of 127.0.0.1 on which nobody listens.
///
/// # Panics
/// If all are taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (u32::from(start) * u32::from(STRIDE) + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + offset as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {} is free", FIRST + COUNT);
}
