//! The masker as another crate uses it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod mask_corpus;
