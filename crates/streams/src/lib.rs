//! The stream engine: a task is one source partition, a plain value that is told what was read and what time it is.
//!
//! No clock, file, socket, thread or Kafka client: the manifest has no dependency. A driver passes records and time
//! in, and takes effects and what to commit out.

mod chain;
mod record;
mod time;

pub use chain::{Chain, ChainBuilder, Placed};
pub use record::{DeadLetter, Effect, Output, OwnedRecord, Record, Released};
pub use time::{AppendTime, EventTime, Millis, Minute, Offset, Position, TaskTime};
