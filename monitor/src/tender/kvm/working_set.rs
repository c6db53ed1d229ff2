//! Pages that every first request to a snapshot's instance writes. It gets its copies of them when it has said that it is ready: the request
//! is still on its way then, and an exit for each of them would come between it and its answer. Under shadow paging one that is read first
//! costs two, and one that is there and writable brings its neighbours along. A process's own faults cost no more than this: there it was
//! measured, and nothing was won.

use rustix::mm::{Advice, madvise};

use super::memory::Memory;
use crate::memory::address::pointer;
use crate::tender::{Sharing, Spec};

/// Make the copies; whether there are any. A kernel that cannot (before Linux 5.14) leaves that to the faults.
pub fn populate(spec: &Spec<'_>, memory: &Memory) -> bool {
    let ranges = match &spec.placed.resumption {
        Some(resumption) if spec.sharing == Sharing::Pool => &resumption.first_writes[..],
        _ => &[],
    };
    for [host, bytes] in ranges.iter().flat_map(|&[address, bytes]| memory.pieces(address, bytes)) {
        // SAFETY: writable memory of the guest, which does not run yet: what is read there stays the same.
        let _ = unsafe { madvise(pointer(host), bytes as usize, Advice::LinuxPopulateWrite) };
    }
    !ranges.is_empty()
}
