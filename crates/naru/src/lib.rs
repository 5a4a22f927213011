//! The command line: one binary that runs any part of Naru
