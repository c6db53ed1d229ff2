//! The floating-point state of a guest that waits in a hypercall, which is a call of a C function to it: two control words, which such a call
//! keeps; all else is as in a new process (System V ABI for x86-64, 3.2.3).
//!
//! Not by KVM_GET_FPU and KVM_SET_FPU: they leave MXCSR out. Nothing here is inlined: an area of 4 KiB is no part of the frame of who waits.

use kvm_bindings::kvm_xsave;

use super::machine::{Machine, failed};
use crate::error::Error;

// Places in an XSAVE area, in words of 32 bits (Intel SDM vol. 1, 13.4), and the components that the two words belong to: x87 and SSE.
const X87_CONTROL: usize = 0;
const MXCSR: usize = 6;
const COMPONENTS: usize = 128;
const X87_AND_SSE: u32 = 3;

/// The two words.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    pub x87: u16,
    pub mxcsr: u32,
}

impl Control {
    #[inline(never)]
    pub fn read(machine: &Machine) -> Result<Self, Error> {
        let area = machine
            .processor
            .get_xsave()
            .map_err(failed("reading the processor's states"))?;
        Ok(Self {
            x87: area.region[X87_CONTROL] as u16,
            mxcsr: area.region[MXCSR],
        })
    }

    /// Set them, and every vector and floating-point register as in a new process.
    #[inline(never)]
    pub fn set(self, machine: &Machine) -> Result<(), Error> {
        let mut area = kvm_xsave::default();
        area.region[X87_CONTROL] = self.x87.into();
        area.region[MXCSR] = self.mxcsr;
        area.region[COMPONENTS] = X87_AND_SSE;
        // SAFETY: the area is as large as the structure says; no dynamic state (AMX) is ever allowed to a guest (host.rs).
        unsafe { machine.processor.set_xsave(&area) }.map_err(failed("setting the processor's states"))
    }
}
