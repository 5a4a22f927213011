//! The chain: parse, filter, dedupe, reorder, identify, map
