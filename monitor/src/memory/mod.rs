//! Memory by numbers: addresses, and files of memory that instances share.

pub mod address;
pub mod sealed;
