//! Every adapter: configuration, clock, metrics, TLS, shutdown, the Kafka worker and the sled store.

pub mod clock;
pub mod config;
pub mod kafka;
pub mod metrics;
pub mod secret;
pub mod shutdown;

pub use clock::Clock;
pub use secret::Secret;
pub use shutdown::Shutdown;
