//! The monitor's last step in an instance: jump to the hypercall page, which unmaps everything above the guest and enters it.

use std::arch::asm;

use super::hypercall_page::Label;
use crate::placing::placement::Placement;

/// Everything of the monitor, a position-independent program, is above every guest (placing/draw.rs) and below the end of user addresses
/// (4-level paging; Linux, Documentation/arch/x86/x86_64/mm.rst).
pub const UNMAP_FROM: u64 = 0x1400_0000_0000;
pub const UNMAP_BYTES: u64 = 0x7fff_ffff_f000 - UNMAP_FROM;

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
