//! Ingress through its real port on loopback, with a double of the log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end")]

mod broker;
mod cutting;
mod ends;
mod harness;
mod limits;
mod odd_bodies;
mod quiet;
mod signatures;
mod spool;
mod tls;
