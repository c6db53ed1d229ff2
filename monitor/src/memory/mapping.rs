//! Mapping memory at addresses of our choice: for both tenders.

use std::fs::File;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};

use super::PAGE;
use super::address::pointer;

pub const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// What may be at the addresses that are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing: an address that is taken is an error.
    Nothing,
    /// A reservation of the caller's, which nothing refers to.
    Reservation,
}

impl Over {
    fn flags(self) -> MapFlags {
        match self {
            Self::Nothing => MapFlags::FIXED_NOREPLACE,
            Self::Reservation => MapFlags::FIXED,
        }
    }
}

/// Addresses for `bytes` bytes, where the kernel chooses, and nothing at them yet.
pub fn reserve(bytes: u64) -> std::io::Result<u64> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at an address that the kernel chooses.
    let address = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes as usize, ProtFlags::empty(), flags) }?;
    Ok(address.expose_provenance() as u64)
}

/// Writable zero pages on demand. NORESERVE: a heap that is never touched costs nothing, not even a promise.
pub fn anonymous(address: u64, pages: u64, over: Over) -> std::io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | over.flags();
    // SAFETY: `Over` says why nothing that is in use is replaced.
    unsafe { mmap_anonymous(pointer(address), (pages * PAGE) as usize, READ_WRITE, flags) }?;
    Ok(())
}

/// Pages of a file from page `first` on.
pub fn of_file(
    address: u64,
    pages: u64,
    (rights, flags): (ProtFlags, MapFlags),
    (file, first): (&File, u64),
    over: Over,
) -> std::io::Result<()> {
    // SAFETY: `Over` says why nothing that is in use is replaced.
    unsafe {
        mmap(
            pointer(address),
            (pages * PAGE) as usize,
            rights,
            flags | over.flags(),
            file,
            first * PAGE,
        )
    }?;
    Ok(())
}

/// Zero pages, and at once what `write` puts there.
pub fn filled(
    address: u64,
    pages: u64,
    over: Over,
    write: impl FnOnce(&mut [u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    anonymous(address, pages, over)?;
    // SAFETY: these pages were mapped just now, writable; nothing else refers to them.
    write(unsafe { std::slice::from_raw_parts_mut(pointer(address).cast::<u8>(), (pages * PAGE) as usize) })
}
