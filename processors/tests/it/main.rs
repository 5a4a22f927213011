//! The chains as production wires them, run by the real task.

mod bounds;
mod driver;
mod goldens;
