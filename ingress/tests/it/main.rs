//! Ingress through its real port on loopback, with a double of the log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end")]

mod addresses;
mod broker;
mod ends;
mod harness;
mod limits;
mod odd_bodies;
mod own_platform;
mod quiet;
mod signatures;
mod slices;
mod spool;
mod tls;
mod upgrade;
