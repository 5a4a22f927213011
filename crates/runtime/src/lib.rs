//! Every adapter: configuration, clock, metrics, TLS, shutdown, the Kafka worker and the sled store.

pub mod admin;
pub mod clock;
pub mod config;
pub mod kafka;
pub mod keyed;
pub mod logging;
pub mod metrics;
pub mod registry;
pub mod shutdown;
pub mod store;
pub mod table;
pub mod tls;
pub mod topics;
pub mod worker;

pub use ::config::Secret;
pub use admin::Readiness;
pub use clock::Clock;
pub use shutdown::Shutdown;
