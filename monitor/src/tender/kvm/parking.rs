//! Parking: an instance that has waited long for a request gives its virtual machine back and gets another when it is asked. What a machine
//! costs the kernel is several times what an idle guest costs; its memory stays mapped, and its registers are kept here meanwhile.
//!
//! Only in the hypercall that waits, which is a call of a C function to the guest: the registers that such a call may change need not be
//! kept, so of the floating-point state only its control words are.

use std::mem::ManuallyDrop;

use kvm_bindings::{kvm_regs, kvm_sregs};

use super::hypercall_page;
use super::machine::{Machine, failed};
use super::states::Control;
use crate::allocator;
use crate::error::Error;
use crate::placing::placement::Placement;

/// A processor that is not there, as it was.
pub struct Parked {
    registers: kvm_regs,
    special: kvm_sregs,
    control: Control,
    /// The guest's time-stamp counter is the host's plus this.
    clock_offset: u64,
}

/// Give the machine back. It must not be used until it was replaced.
pub fn park(machine: &mut Machine, placement: &Placement) -> Result<Parked, Error> {
    let (_, clock) = allocator::scratch(|| machine.clock());
    let parked = Parked {
        registers: kvm_regs {
            // Whether a stopped `out` has been left already differs between kinds of KVM.
            rip: placement.hypercall + hypercall_page::OUT_BYTES,
            ..machine.processor.sync_regs().regs
        },
        special: machine.processor.get_sregs().map_err(failed("reading registers"))?,
        control: Control::of(machine)?,
        clock_offset: clock.wrapping_sub(host_clock()),
    };
    // SAFETY: neither is used again: the caller replaces both before anything else.
    unsafe {
        ManuallyDrop::drop(&mut machine.processor);
        ManuallyDrop::drop(&mut machine.vm);
    }
    Ok(parked)
}

/// Go on with another machine.
pub fn wake(machine: &mut Machine, placement: &Placement, parked: &Parked) -> Result<(), Error> {
    allocator::scratch(|| {
        machine.replace()?;
        machine
            .processor
            .set_sregs(&parked.special)
            .map_err(failed("setting registers"))?;
        machine.set_states(placement)?;
        parked.control.set(machine)?;
        machine
            .processor
            .set_regs(&parked.registers)
            .map_err(failed("setting registers"))?;
        machine.processor.sync_regs_mut().regs = parked.registers;
        machine.set_clock(host_clock().wrapping_add(parked.clock_offset))
    })
}

fn host_clock() -> u64 {
    // SAFETY: RDTSC reads a counter and has no other effect; every x86-64 processor has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}
