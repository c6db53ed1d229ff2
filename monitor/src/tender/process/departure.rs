//! The monitor's last steps in an instance: forget what the C library told the kernel of this thread, then jump to the hypercall
//! page, which unmaps everything above the guest and enters it.

use std::arch::asm;
use std::ffi::c_void;

use super::hypercall_page::Label;
use crate::error::Error;
use crate::placing::placement::Placement;

/// Everything of the monitor, a position-independent program, is above every guest (placing/draw.rs) and below the end of user addresses
/// (4-level paging; Linux, Documentation/arch/x86/x86_64/mm.rst).
pub const UNMAP_FROM: u64 = 0x1400_0000_0000;
pub const UNMAP_BYTES: u64 = 0x7fff_ffff_f000 - UNMAP_FROM;

/// linux/rseq.h and the signature that glibc chose for x86.
const RSEQ_UNREGISTER: u32 = 1;
const RSEQ_SIGNATURE: u32 = 0x5305_3053;
/// The lengths that C libraries register: 32 bytes at first, more in steps of 32 where the kernel has more to tell.
const RSEQ_LENGTHS: [u32; 4] = [32, 64, 96, 128];

/// The kernel writes into a thread's `struct rseq` whenever it moves the thread to another processor, and kills it when that memory
/// is gone. So it has to be told before.
pub fn forget_rseq() -> Result<(), Error> {
    let Some(area) = rseq_area() else { return Ok(()) };
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
fn rseq_area() -> Option<*mut c_void> {
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

/// Leave the address space to the guest: at its entry, or without one where the boot page's registers say that it waits.
///
/// # Safety
/// The hypercall page, the boot page and the stack of `placement` are mapped, `entry` is the guest's, and the kernel knows of no
/// memory of the monitor that it would write to.
pub unsafe fn depart(placement: &Placement, entry: Option<u64>) -> ! {
    // SAFETY: the caller's promise; the code never comes back.
    unsafe {
        asm!(
            "jmp {depart}",
            depart = in(reg) placement.hypercall + Label::Depart.offset(),
            in("rdi") placement.boot,
            in("rsi") entry.unwrap_or(0),
            in("rdx") placement.stack_top,
            in("r8") UNMAP_FROM,
            in("r9") UNMAP_BYTES,
            in("r12") 0,
            in("r13") 0,
            options(noreturn),
        )
    }
}
