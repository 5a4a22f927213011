//! The end-to-end harness: a real Apache Kafka, the product's own processes, and a table of tests that counts what
//! could not run.

pub mod broker;
pub mod figures;
mod guard;
pub mod harness;
mod ports;
pub mod process;
pub mod records;
pub mod role;
pub mod search;
pub mod sim;
pub mod wait;
pub mod world;

pub use broker::Broker;
pub use guard::Guarded;
pub use ports::free_port;
pub use process::{Product, Running, Service};
pub use world::World;

/// What a step of a test gives: its value, or one sentence for the person who reads the failure.
pub type Outcome<T = ()> = Result<T, String>;

/// A variable of the environment, where it is set and not empty.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the tests' own switches, read in this one place")]
pub fn switch(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
