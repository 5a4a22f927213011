//! Configuration as data: a table of keys, a reader that finds all mistakes at once, and the example file.
//!
//! Nothing here knows a key. Whoever declares a section gives its rows ([`Field`]); a [`Schema`] is made of all of them,
//! and [`Reader`] reads a TOML text and the environment by it. There is no clock and no network, and the environment is
//! an argument ([`Environment`]).

mod environment;
mod example;
mod field;
mod mistake;
mod reader;
mod schema;
mod secret;
mod tree;
pub mod unit;
mod value;

#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use example::example;
pub use field::{Fallback, Field, Kind, Shown};
pub use mistake::{Fault, Mistake, Mistakes, fault, suggest};
pub use reader::Reader;
pub use schema::{Moved, Schema};
pub use secret::Secret;
pub use value::{NAME_RULE, is_name};
