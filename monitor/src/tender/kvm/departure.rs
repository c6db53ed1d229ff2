//! What a guest's tender leaves behind before it runs: the parent's heap and stack, and its own set-up. All of that would stay this process's
//! for life: pages that the parent writes to after the fork are copied, and the old ones are then the child's alone. It goes on with a heap
//! and a stack of its own, side by side.

use std::alloc::{Layout, alloc};
use std::arch::asm;
use std::convert::Infallible;
use std::ffi::c_void;
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, madvise, munmap};
use seccompiler::BpfProgram;

use super::{Guest, sandbox};
use crate::allocator::{self, Arena};
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

/// What is taken along. It stays where it is allocated: the stack is to be small.
struct Taken<F> {
    guest: Guest,
    filter: BpfProgram,
    /// The parent's stack.
    stack: Option<(u64, u64)>,
    go_on: Option<F>,
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

    /// Give up the arena of the set-up and the parent's heap and stack, and go on with the guest. The sandbox's filter comes along, for what
    /// the parent made goes with its heap: so the sandbox need not allow what is done here.
    ///
    /// # Safety
    /// Nothing that was allocated before, and nothing on the stack, is used any more but for the guest, whose memory's lists are moved. The
    /// process does not panic, and ends by `_exit`.
    pub unsafe fn leave<F>(self, arena: Arena, mut guest: Guest, go_on: F) -> Result<Infallible, Error>
    where
        F: FnOnce(&mut Guest, &BpfProgram) -> Infallible,
    {
        // Right below the guest's memory, so that one page table serves both.
        let _own = Arena::switch(STACK + HEAP, guest.service.memory.base.checked_sub((STACK + HEAP) as u64))?;
        let top = own_stack()?;
        guest.service.memory.reallocate();
        let filter = sandbox::prepare()?.clone();
        // SAFETY: the caller's promise.
        unsafe { arena.give_back() }?;
        if let Some((start, end)) = self.heap {
            // SAFETY: the C library's heap, which the arena has replaced; the caller's promise.
            unsafe { munmap(pointer(start), (end - start) as usize) }
                .map_err(|error| Error::io("giving up the parent's heap", error))?;
        }
        let taken = Box::new(Taken {
            guest,
            filter,
            stack: self.stack,
            go_on: Some(go_on),
        });
        // SAFETY: the stack was allocated just now, and is aligned as calls want it; `arrive` never returns.
        unsafe {
            asm!(
                "mov rsp, {top}",
                "xor ebp, ebp",
                "call {arrive}",
                "ud2",
                top = in(reg) top,
                arrive = sym arrive::<F>,
                in("rdi") Box::into_raw(taken),
                options(noreturn),
            )
        }
    }
}

/// The first function on the tender's own stack.
extern "C" fn arrive<F>(taken: *mut Taken<F>) -> !
where
    F: FnOnce(&mut Guest, &BpfProgram) -> Infallible,
{
    // SAFETY: `leave` allocated it, and uses it no more.
    let taken = unsafe { &mut *taken };
    if let Some((start, end)) = taken.stack {
        // Where the kernel will not have it, it stays: that costs memory only.
        // SAFETY: no frame is there any more; `leave`'s caller promised that nothing of it is used.
        let _ = unsafe { munmap(pointer(start), (end - start) as usize) };
    }
    match taken.go_on.take() {
        Some(go_on) => match go_on(&mut taken.guest, &taken.filter) {},
        None => std::process::abort(),
    }
}

/// Give back the stack below the caller, and all of the arena that is not in use. Only from the stack that `leave` went to.
pub fn trim() -> Result<(), Error> {
    let here = 0_u8;
    let below = (std::ptr::from_ref(&here).expose_provenance() as u64 - FRAMES) / PAGE * PAGE;
    let bottom = STACK_BOTTOM.load(Ordering::Relaxed);
    // SAFETY: stack that no frame uses: what is called from here does not reach so far down.
    unsafe { madvise(pointer(bottom), (below - bottom) as usize, Advice::LinuxDontNeed) }
        .map_err(|error| Error::io("giving back used stack", error))?;
    allocator::trim()
}

/// The upper end of a new stack at the arena's start: what is used of it is next to what is allocated behind it.
fn own_stack() -> Result<*mut c_void, Error> {
    let layout = Layout::from_size_align(STACK, PAGE as usize).map_err(|error| Error::Defect { what: error.to_string() })?;
    // SAFETY: it is not of size 0.
    let bottom = unsafe { alloc(layout) };
    if bottom.is_null() {
        return Err(Error::Defect {
            what: "an arena has no room for a stack".into(),
        });
    }
    STACK_BOTTOM.store(bottom.expose_provenance() as u64, Ordering::Relaxed);
    Ok(bottom.wrapping_add(STACK).cast())
}

/// Each far more than the run loop, waking and a crash report take. Addresses, not memory.
const STACK: usize = 256 << 10;
const HEAP: usize = 256 << 10;
/// What a call of the kernel takes below its caller.
const FRAMES: u64 = 1 << 10;
/// A process has one such stack.
static STACK_BOTTOM: AtomicU64 = AtomicU64::new(0);
/// Far more than the zygote's own work takes; below it are other mappings only after a gap (mmap_base(), arch/x86/mm/mmap.c).
const USED_STACK: u64 = 1 << 20;
