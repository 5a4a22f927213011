//! Egress against the stand-ins of both platforms, over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod doubt;
mod genesys;
mod kafka;
mod limit;
mod line;
mod retry;
mod rig;
