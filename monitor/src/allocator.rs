//! The monitor's allocator: the C library's, until a forked instance takes memory of its own.
//!
//! A child that goes on with its parent's heap copies a page for every free chunk that it takes, and keeps all of them for life. So
//! it allocates from an arena instead, and frees nothing: what it needs is known and small, and an arena is given back as a whole.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::error::Error;

const PAGE: usize = crate::memory::PAGE as usize;

/// The arena's next free address and its end; 0 while the C library serves. A child has one thread: these are atomic only because a
/// static has to be.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// Up to here the arena has been written: what it hands out above are zeros.
static WRITTEN: AtomicUsize = AtomicUsize::new(0);

pub struct Allocator;

// SAFETY: arena memory is handed out once, aligned and inside the arena; everything else is the C library's own allocator, which gets
// back only what it gave and only while no arena is in use.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = NEXT.load(Ordering::Relaxed);
        if next == 0 {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let start = next.next_multiple_of(layout.align());
        match start
            .checked_add(layout.size())
            .filter(|end| *end <= END.load(Ordering::Relaxed))
        {
            Some(end) => {
                NEXT.store(end, Ordering::Relaxed);
                std::ptr::with_exposed_provenance_mut(start)
            }
            None => std::ptr::null_mut(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if NEXT.load(Ordering::Relaxed) == 0 {
            // SAFETY: the caller's promise. The C library knows which of its pages are zeros; so does an arena: all that it hands out.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: the caller's promise.
        let start = unsafe { self.alloc(layout) };
        let written = WRITTEN
            .load(Ordering::Relaxed)
            .saturating_sub(start.expose_provenance())
            .min(layout.size());
        if !start.is_null() {
            // SAFETY: it was handed out just now, and is at least so long.
            unsafe { start.write_bytes(0, written) };
        }
        start
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if NEXT.load(Ordering::Relaxed) == 0 {
            // SAFETY: the caller's promise.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        // SAFETY: the caller's promise: `size` is not 0 and does not overflow when rounded up to the alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both are as long as what is copied, and the new one was never handed out before.
            unsafe { std::ptr::copy_nonoverlapping(pointer, moved, layout.size().min(size)) };
        }
        moved
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if NEXT.load(Ordering::Relaxed) == 0 {
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(pointer, layout) }
        }
    }
}

/// An arena of a child. It stays until it is given back.
pub struct Arena {
    start: usize,
    bytes: usize,
}

/// Give back what the arena has behind all that is allocated.
pub fn trim() -> Result<(), Error> {
    let (start, end) = (
        NEXT.load(Ordering::Relaxed).next_multiple_of(PAGE),
        END.load(Ordering::Relaxed),
    );
    WRITTEN.store(start, Ordering::Relaxed);
    // SAFETY: pages of the arena in which nothing is allocated.
    unsafe {
        madvise(
            std::ptr::with_exposed_provenance_mut(start),
            end - start,
            Advice::LinuxDontNeed,
        )
    }
    .map_err(|error| Error::io("giving back unused memory", error))
}

/// Do something whose allocations are all freed when it returns, in a child that allocates from an arena: which frees nothing by itself.
pub fn scratch<T>(act: impl FnOnce() -> T) -> T {
    let before = NEXT.load(Ordering::Relaxed);
    let result = act();
    WRITTEN.fetch_max(NEXT.load(Ordering::Relaxed), Ordering::Relaxed);
    NEXT.store(before, Ordering::Relaxed);
    result
}

impl Arena {
    /// Allocate from a fresh arena from now on: addresses of so many bytes, and pages when they are touched. It lies at `wish`
    /// if nothing else does. Only for a forked child.
    pub fn switch(bytes: usize, wish: Option<u64>) -> Result<Self, Error> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let wish = crate::memory::address::pointer(wish.unwrap_or(0));
        // SAFETY: a new mapping at an address that the kernel chooses: it replaces nothing.
        let start = unsafe { mmap_anonymous(wish, bytes, ProtFlags::READ | ProtFlags::WRITE, flags) }
            .map_err(|error| Error::io("mapping an instance's arena", error))?;
        let start = start.expose_provenance();
        END.store(start + bytes, Ordering::Relaxed);
        WRITTEN.store(0, Ordering::Relaxed);
        NEXT.store(start, Ordering::Relaxed);
        Ok(Self { start, bytes })
    }

    /// Give the arena back.
    ///
    /// # Safety
    /// Nothing that was allocated from it is used any more, and another arena has taken its place.
    pub unsafe fn give_back(self) -> Result<(), Error> {
        // SAFETY: the mapping is this arena's alone; the caller's promise.
        unsafe { munmap(std::ptr::with_exposed_provenance_mut(self.start), self.bytes) }
            .map_err(|error| Error::io("giving an instance's arena back", error))
    }
}
