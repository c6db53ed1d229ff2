//! Signals: the faults go to the handler in the hypercall page.

use std::io;

use super::hypercall_page::Label;
use crate::error::Error;
use crate::image::PAGE;
use crate::placing::placement::Placement;

/// What a guest can cause by itself.
const FAULTS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];
const SA_RESTORER: u64 = 0x0400_0000;
/// Bytes of the kernel's signal set.
const SET_BYTES: usize = 8;

/// The kernel's `struct sigaction`. The C library's own would put its restorer there, in memory that goes away.
#[repr(C)]
struct Action {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

/// Install the page's handlers. All else is as in a fresh process: the zygote saw to that (zygote/confine.rs), but for SIGPIPE, which stays
/// ignored: a console whose reader has gone is an error to the guest, not its end.
pub fn install(placement: &Placement) -> Result<(), Error> {
    let failed = |error| Error::io("setting the instance's signal handlers", error);
    let action = Action {
        handler: placement.hypercall + Label::Fault.offset(),
        flags: (libc::SA_SIGINFO | libc::SA_ONSTACK) as u64 | SA_RESTORER,
        restorer: placement.hypercall + Label::FaultReturn.offset(),
        mask: 0,
    };
    for signal in FAULTS {
        act(signal, &action).map_err(failed)?;
    }
    use_stack(placement.tender_page).map_err(failed)
}

fn act(signal: i32, action: &Action) -> io::Result<()> {
    let none = std::ptr::null_mut::<Action>();
    // SAFETY: the kernel reads one `struct sigaction`; handlers run only after the departure, from the hypercall page.
    check(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, std::ptr::from_ref(action), none, SET_BYTES) })
}

fn use_stack(page: u64) -> io::Result<()> {
    let stack = libc::stack_t {
        ss_sp: std::ptr::with_exposed_provenance_mut(page as usize),
        ss_flags: 0,
        ss_size: PAGE as usize,
    };
    // SAFETY: memory.rs mapped this page for this purpose.
    check(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }.into())
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
