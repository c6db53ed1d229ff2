//! Restartable sequences, which the C library registers for every thread (rseq(2)). The kernel writes into the thread's `struct rseq` whenever
//! it moves the thread to another processor: an instance's tender would have a page of its own for that, and the kernel kills a guest for
//! which that memory is gone.

use std::arch::asm;
use std::ffi::c_void;

use crate::error::Error;

/// linux/rseq.h and the signature that glibc chose for x86.
const RSEQ_UNREGISTER: u32 = 1;
const RSEQ_SIGNATURE: u32 = 0x5305_3053;
/// The lengths that C libraries register: 32 bytes at first, more in steps of 32 where the kernel has more to tell.
const RSEQ_LENGTHS: [u32; 4] = [32, 64, 96, 128];

/// Tell the kernel that the calling thread has no such area. Once, before the first instance is forked: they inherit it.
pub fn forget() -> Result<(), Error> {
    let Some(area) = area() else { return Ok(()) };
    let unregister = |length: u32| {
        // SAFETY: ends the kernel's use of the area; nothing here depends on it.
        unsafe { libc::syscall(libc::SYS_rseq, area, length, RSEQ_UNREGISTER, RSEQ_SIGNATURE) == 0 }
    };
    if RSEQ_LENGTHS.into_iter().any(unregister) {
        Ok(())
    } else {
        Err(Error::Defect {
            what: "the C library's rseq area could not be unregistered".into(),
        })
    }
}

/// Where glibc (2.35 and later) registered it, if it did.
fn area() -> Option<*mut c_void> {
    // SAFETY: both are read-only variables of libc.so with the types given here (glibc manual, "Restartable Sequences").
    let (size, offset) = unsafe {
        let size = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr())
            .cast::<u32>()
            .as_ref()?;
        (
            *size,
            *libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr())
                .cast::<isize>()
                .as_ref()?,
        )
    };
    let thread: *mut u8;
    // SAFETY: on x86-64 the word at FS:0 is the thread pointer itself.
    unsafe { asm!("mov {}, fs:0", out(reg) thread, options(nostack, readonly, preserves_flags)) };
    (size != 0).then(|| thread.wrapping_offset(offset).cast())
}
