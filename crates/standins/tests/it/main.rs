//! The stand-ins over real HTTP on loopback: every call, every error shape, faults, webhooks, traffic and audit.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod bench;
mod crossing;
mod custom;
mod custom_people;
mod faults;
mod genesys;
mod line;
mod overview;
mod webhooks;
