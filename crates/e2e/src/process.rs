//! The product's own processes.
