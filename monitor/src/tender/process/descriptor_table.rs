//! Gives a forked child a descriptor table of its own size.
//!
//! fork copies the parent's table with room for the parent's highest descriptor. A launcher of a thousand instances holds thousands
//! of descriptors, so every child would keep some 32 KiB of kernel memory for two of its own. Closing them frees no room: the kernel
//! makes a smaller table only when one that is *shared* is unshared. So a short-lived task shares it for that moment.

use std::io;

use crate::error::Error;

/// Tables up to this size are part of a structure that every process has (NR_OPEN_DEFAULT).
const SMALLEST: i32 = 64;
const STACK: usize = 16 << 10;
/// How long the other task lives if nothing ends it earlier.
const PATIENCE_NS: i64 = 1_000_000_000;

/// Close every descriptor from `first` on. `highest` is one that the parent had: it tells whether the table is large.
///
/// # Safety
/// No owner of such a descriptor uses or closes it afterwards.
pub unsafe fn close_from(first: u32, highest: i32) -> Result<(), Error> {
    let failed = |error| Error::io("closing the monitor's descriptors", error);
    if highest < SMALLEST {
        return close_range(first, 0).map_err(failed);
    }
    // Closed before they are shared: the last owner of the large table frees it, and this is cheaper with little in it.
    close_range(first, 0).map_err(failed)?;
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end.cast();
    // SAFETY: the task runs `sleep` on a stack that outlives it, as it is waited for below. It touches nothing else of this process.
    let task = unsafe { libc::clone(sleep, top, libc::CLONE_VM | libc::CLONE_FILES, std::ptr::null_mut()) };
    if task < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    let closed = close_range(first, libc::CLOSE_RANGE_UNSHARE).map_err(failed);
    // SAFETY: ends and reaps the task made above; __WALL because it sends no signal when it ends.
    let reaped = unsafe {
        libc::kill(task, libc::SIGKILL);
        libc::waitpid(task, std::ptr::null_mut(), libc::__WALL)
    };
    if reaped != task {
        // Its stack must not be freed under it.
        std::mem::forget(stack);
    }
    closed
}

extern "C" fn sleep(_: *mut libc::c_void) -> libc::c_int {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: PATIENCE_NS - 1,
    };
    // SAFETY: waits, and reads `time`.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    0
}

fn close_range(first: u32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: `close_from`'s caller promises that nobody uses them.
    if unsafe { libc::close_range(first, u32::MAX, flags as i32) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
