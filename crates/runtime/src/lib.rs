//! Every adapter: configuration, clock, metrics, TLS, shutdown, the Kafka worker and the sled store.

pub mod config;
pub mod secret;

pub use secret::Secret;
