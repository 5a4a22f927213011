//! Integration, crash and benchmark harness
