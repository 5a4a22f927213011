//! Units for the bounds of a row: durations are counted in ms, sizes in bytes.

/// A millisecond.
pub const MS: u64 = 1;
/// A second, in ms.
pub const S: u64 = 1_000 * MS;
/// A minute, in ms.
pub const M: u64 = 60 * S;
/// An hour, in ms.
pub const H: u64 = 60 * M;
/// 1,024 bytes.
pub const KIB: u64 = 1024;
/// 1,024 KiB, in bytes.
pub const MIB: u64 = 1024 * KIB;
/// 1,024 MiB, in bytes.
pub const GIB: u64 = 1024 * MIB;
