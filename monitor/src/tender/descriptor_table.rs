//! Gives a forked child a descriptor table of its own size.
//!
//! fork copies the parent's table with room for the parent's highest descriptor. A zygote of a thousand images holds thousands
//! of descriptors, so every child would keep tens of KiB of kernel memory for its own few. Closing them frees no room: the kernel
//! makes a smaller table only when one that is *shared* is unshared. So a short-lived task shares it for that moment. And it is only as small
//! as the child's highest descriptor lets it be: so the zygote leaves low numbers to its children.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::error::Error;

/// Tables up to this size are part of a structure that every process has (NR_OPEN_DEFAULT).
const SMALLEST: i32 = 64;
/// The numbers that a zygote's files do not have: more than any instance keeps, above the standard ones.
const CHILDRENS: std::ops::RangeInclusive<i32> = 3..=12;
const STACK: usize = 16 << 10;
/// How long the other task lives if nothing ends it earlier.
const PATIENCE_NS: i64 = 1_000_000_000;

/// Keep low numbers from whatever the calling zygote opens from now on. What has one of them already, no child needs.
pub fn reserve(placeholder: BorrowedFd<'_>) -> Result<(), Error> {
    for number in CHILDRENS {
        // SAFETY: asks for a descriptor's flags; then takes a number that nobody has.
        let taken = unsafe {
            libc::fcntl(number, libc::F_GETFD) >= 0
                || libc::fcntl(placeholder.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) == number
        };
        if !taken {
            return Err(Error::io("keeping descriptors for instances", io::Error::last_os_error()));
        }
    }
    Ok(())
}

/// In a child: have these numbers.
///
/// # Safety
/// No owner of such a descriptor uses or closes it afterwards.
pub unsafe fn take_reserved() -> Result<(), Error> {
    close_range(*CHILDRENS.start() as u32, *CHILDRENS.end() as u32, 0)
        .map_err(|error| Error::io("closing the zygote's descriptors", error))
}

/// Close every descriptor but those kept. `highest` is one that the parent had: it tells whether the table is large.
///
/// # Safety
/// No owner of another descriptor uses or closes it afterwards.
pub unsafe fn keep_only(kept: &mut [i32], highest: i32) -> Result<(), Error> {
    let failed = |error| Error::io("closing the monitor's descriptors", error);
    kept.sort_unstable();
    let mut first = 0_u32;
    for descriptor in kept.iter().map(|descriptor| *descriptor as u32) {
        if descriptor > first {
            close_range(first, descriptor - 1, 0).map_err(failed)?;
        }
        first = descriptor + 1;
    }
    // Closed before they are shared: the last owner of the large table frees it, and this is cheaper with little in it.
    close_range(first, u32::MAX, 0).map_err(failed)?;
    if highest < SMALLEST {
        return Ok(());
    }
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end.cast();
    // SAFETY: the task runs `sleep` on a stack that outlives it, as it is waited for below. It touches nothing else of this process.
    let task = unsafe { libc::clone(sleep, top, libc::CLONE_VM | libc::CLONE_FILES, std::ptr::null_mut()) };
    if task < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    let closed = close_range(first, u32::MAX, libc::CLOSE_RANGE_UNSHARE).map_err(failed);
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

fn close_range(first: u32, last: u32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the callers promise that nobody uses them.
    if unsafe { libc::close_range(first, last, flags as i32) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
