//! What a guest's tender leaves behind before it runs: the parent's heap, and its own set-up. All of that would stay this process's for
//! life: pages that the parent writes to after the fork are copied, and the old ones are then the child's alone.

use std::fs;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::mm::{Advice, madvise, munmap};
use seccompiler::BpfProgram;

use super::{Guest, sandbox};
use crate::allocator::Arena;
use crate::error::Error;
use crate::image::PAGE;
use crate::memory::address::pointer;

/// Where the zygote's heap begins, and where its stack ends.
static PARENT: OnceLock<(Option<u64>, Option<u64>)> = OnceLock::new();

/// Find what instances will give up, while files can be opened (proc(5): maps). Once, in the zygote.
pub fn remember() -> Result<(), Error> {
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| Error::io("reading /proc/self/maps", error))?;
    let named = |name: &str| {
        let line = maps.lines().find(|line| line.ends_with(name))?;
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    };
    let heap = named("[heap]").map(|(start, _)| start);
    let _ = PARENT.set((heap, named("[stack]").map(|(_, end)| end)));
    Ok(())
}

/// Addresses that are given up.
pub struct Left {
    heap: Option<(u64, u64)>,
    stack: Option<(u64, u64)>,
}

impl Left {
    /// The parent's heap as it is now, and what of its stack can have been used.
    pub fn find() -> Self {
        let (heap, stack) = PARENT.get().copied().unwrap_or_default();
        // SAFETY: asks where the heap ends, and moves nothing.
        let end = unsafe { libc::sbrk(0) }.expose_provenance() as u64;
        Self {
            heap: heap.map(|start| (start, end)).filter(|(start, end)| start < end),
            stack: stack.map(|end| (end.saturating_sub(USED_STACK), end)),
        }
    }

    /// Give up the parent's heap, the arena of the set-up, and the stack below the caller. Returns the sandbox's filter, for what the
    /// parent made goes with its heap: so the sandbox need not allow what is done here.
    ///
    /// # Safety
    /// Nothing that was allocated before is used any more but for the guest's list of regions, which is moved. The process does not
    /// panic, and ends by `_exit`.
    pub unsafe fn leave(self, arena: Arena, guest: &mut Guest) -> Result<BpfProgram, Error> {
        let _own = Arena::switch()?;
        guest.service.memory.reallocate();
        let filter = sandbox::prepare()?.clone();
        // SAFETY: the caller's promise.
        unsafe { arena.give_back() }?;
        if let Some((start, end)) = self.heap {
            // SAFETY: the C library's heap, which the arena has replaced; the caller's promise.
            unsafe { munmap(pointer(start), (end - start) as usize) }
                .map_err(|error| Error::io("giving up the parent's heap", error))?;
        }
        let here = 0_u8;
        let below = (std::ptr::from_ref(&here).expose_provenance() as u64).saturating_sub(KEPT_STACK) / PAGE * PAGE;
        if let Some((start, _)) = self.stack.filter(|(start, end)| (*start..*end).contains(&below)) {
            // SAFETY: stack that no frame uses: it is further below this one than anything that is called from here reaches.
            match unsafe { madvise(pointer(start), (below - start) as usize, Advice::LinuxDontNeed) } {
                // NOMEM: the stack never reached so far down; what there is of it was given up (madvise(2)).
                Ok(()) | Err(Errno::NOMEM) => {}
                Err(error) => return Err(Error::io("giving up used stack", error)),
            }
        }
        Ok(filter)
    }
}

/// More than the frames that the call of the kernel below takes, red zone included.
const KEPT_STACK: u64 = 2 * PAGE;
/// Far more than the zygote's own work takes; below it are other mappings only after a gap (mmap_base(), arch/x86/mm/mmap.c).
const USED_STACK: u64 = 1 << 20;
