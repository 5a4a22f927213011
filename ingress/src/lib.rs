//! HTTP edge: verify, cut into events, write raw records, answer
