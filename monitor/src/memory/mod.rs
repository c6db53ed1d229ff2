//! Memory by numbers: addresses, and files of memory that instances share.

pub mod address;
pub mod mapping;
pub mod sealed;

/// Bytes in a page of x86-64.
pub const PAGE: u64 = 4096;
