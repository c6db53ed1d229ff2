//! A guest that goes on where a snapshot was taken: at its start and, where it is reset, after each answer.

use kvm_bindings::kvm_regs;
use rustix::mm::{Advice, MprotectFlags, madvise, mprotect};

use super::hypercall_page::OUT_BYTES;
use super::hypercalls::Service;
use super::machine::{Machine, RFLAGS, failed};
use super::states::Control;
use crate::abi::Waiting;
use crate::allocator;
use crate::error::Error;
use crate::memory::address::pointer;

/// What a tender keeps of the snapshot that its guest began from.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    pub waiting: Waiting,
    /// Guest physical address of the page tables' root.
    pub root: u64,
    /// Return to the snapshot after each answer.
    pub reset: bool,
}

/// Wait with the guest where it waits, for long without a machine: it runs again with the next message in its memory. No code of its own
/// has run.
pub fn wait(machine: &mut Machine, service: &mut Service, resume: &Resume) -> Result<(), Error> {
    let waiting = &resume.waiting;
    let control = Control {
        x87: waiting.x87_control as u16,
        mxcsr: waiting.mxcsr,
    };
    // Before it waits: parking reads these registers, and nothing of the last request shall be in them. Waking sets the same.
    control.set(machine)?;
    let received = service.receive_long(machine, waiting.receive_address, waiting.receive_bytes)?;
    // Only now: it may be another machine.
    allocator::scratch(|| machine.set_mode(resume.root, &service.placement, waiting.fs_base))?;
    let registers = kvm_regs {
        rax: received as u64,
        rip: service.placement.hypercall + OUT_BYTES,
        rsp: waiting.rsp,
        rbx: waiting.rbx,
        rbp: waiting.rbp,
        r12: waiting.r12,
        r13: waiting.r13,
        r14: waiting.r14,
        r15: waiting.r15,
        rflags: RFLAGS,
        ..kvm_regs::default()
    };
    machine.processor.set_regs(&registers).map_err(failed("setting registers"))
}

/// Forget all that was written since the snapshot: its pages, and zeros, are seen again.
pub fn forget(service: &mut Service) -> Result<(), Error> {
    if std::mem::take(&mut service.protects) {
        let rights = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the guest's heap, which nothing of the tender's refers into.
        unsafe { mprotect(pointer(service.memory.heap), service.heap_ready as usize, rights) }
            .map_err(|error| Error::io("resetting the rights of the guest's heap", error))?;
    }
    for (host, bytes) in service.memory.writable() {
        // SAFETY: memory of the guest, which does not run now; nothing of the tender's refers into it.
        unsafe { madvise(pointer(host), bytes as usize, Advice::LinuxDontNeed) }
            .map_err(|error| Error::io("resetting the guest's memory", error))?;
    }
    Ok(())
}
