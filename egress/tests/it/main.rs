//! Egress against the stand-ins of the platforms, over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod accounts;
mod doubt;
mod genesys;
mod kafka;
mod limit;
mod line;
mod released;
mod retry;
mod rig;
mod web;
