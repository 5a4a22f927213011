//! The stream engine: a task is one source partition, a plain value that is told what was read and what time it is.
//!
//! No clock, file, socket, thread or Kafka client: the manifest has no dependency. A driver passes records and time
//! in, and takes effects and what to commit out.
//!
//! Along the data path: [`Record`] → [`Chain`] (parse, filter) → [`DedupeSet`] → `reorder` → [`Chain`] (identify,
//! map) → [`Effects`], with [`Task`] holding them together and [`changelog`] carrying the set across crashes.

mod burst;
mod chain;
pub mod changelog;
mod commit;
mod dedupe;
mod record;
mod reorder;
mod task;
mod time;
mod window;

pub use chain::{Chain, ChainBuilder, Placed};
pub use commit::{Commit, CommitMetadata, Counts};
pub use dedupe::{Batch, Blocks, DedupeSet, Entry, KeyMap, MemoryBlocks, StoreFault, position_key};
pub use record::{DeadLetter, Effects, Output, OwnedRecord, Record, Released};
pub use task::{Limits, Task};
pub use time::{AppendTime, EventTime, Millis, Minute, Offset, Position, ReceiptTime, TaskTime};
