//! Floating-point and vector registers of a guest that waits in a hypercall. That is a call of a C function to the guest, which may change
//! all of them but two words of control: the x87's and MXCSR.
//!
//! They go through the XSAVE area, because `KVM_GET_FPU` and `KVM_SET_FPU` leave MXCSR out, though their structure has room for it. Nothing here
//! is inlined: the area's 4 KiB are no part of the frame of who waits.

use kvm_bindings::kvm_xsave;

use super::machine::{Machine, failed};
use crate::error::Error;

/// Where the area has these, in words of 32 bits (Intel SDM vol. 1, 13.4).
const X87_CONTROL: usize = 0;
const MXCSR: usize = 6;
const COMPONENTS: usize = 512 / 4;
/// The components x87 and SSE. KVM takes over only what is said to be there, and MXCSR only with one of these; everything else
/// becomes what it is in a new process.
const X87_AND_SSE: u32 = 3;

/// The words of control.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    pub x87: u16,
    pub mxcsr: u32,
}

impl Control {
    /// What the processor has.
    #[inline(never)]
    pub fn of(machine: &Machine) -> Result<Self, Error> {
        let area = machine.processor.get_xsave().map_err(failed("reading registers"))?;
        Ok(Self {
            x87: area.region[X87_CONTROL] as u16,
            mxcsr: area.region[MXCSR],
        })
    }

    /// Set them, and every other floating-point and vector register as in a new process.
    #[inline(never)]
    pub fn set(self, machine: &Machine) -> Result<(), Error> {
        let mut area = kvm_xsave::default();
        area.region[X87_CONTROL] = u32::from(self.x87);
        area.region[MXCSR] = self.mxcsr;
        area.region[COMPONENTS] = X87_AND_SSE;
        // SAFETY: the area is as large as the structure says; no dynamic state (AMX) is ever allowed to a guest (host.rs).
        unsafe { machine.processor.set_xsave(&area) }.map_err(failed("setting registers"))
    }
}
