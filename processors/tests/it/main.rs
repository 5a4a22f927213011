//! The chains as production wires them, run by the real task.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bounds;
mod driver;
mod goldens;
mod sealed;
mod unknown;
mod upgrade;
mod vault;
