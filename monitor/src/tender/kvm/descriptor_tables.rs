//! What the processor looks at when the guest faults or uses a port: GDT, IDT and TSS, at the end of the boot page's frame.
//!
//! The guest runs at ring 3 and stays there: every gate leads to a handler of ring 3 (hypercall_page.rs) on a stack of its own, so a fault
//! is exact, and no instruction ever runs at ring 0. The tables hold addresses of the instance, so they share the frame that is the
//! instance's own anyway; the processor sees them at an address of their own, which is the supervisor's alone: the guard below the stack.

use super::hypercall_page::{self, EXCEPTIONS, FIRST_FAULT_PORT, LAST_FAULT_PORT, PORT};
use super::machine::{CODE, DATA};
use crate::image::PAGE;
use crate::placing::placement::Placement;
use crate::tender::boot_page::{self, TENDER_PART};

/// Offsets in the page.
const GDT: usize = PAGE as usize - TENDER_PART;
const IDT: usize = GDT + 64;
const TSS: usize = IDT + EXCEPTIONS as usize * GATE_BYTES;
const END: usize = TSS + TSS_LIMIT as usize + 1;
const _: () = assert!(END <= PAGE as usize && IDT > GDT + GDT_LIMIT as usize);

const DESCRIPTOR_BYTES: usize = 8;
const GATE_BYTES: usize = 16;
/// The GDT holds two segments, the code's last.
pub const GDT_LIMIT: u16 = (CODE & !7) + DESCRIPTOR_BYTES as u16 - 1;
pub const IDT_LIMIT: u16 = EXCEPTIONS * GATE_BYTES as u16 - 1;
/// A 64-bit TSS: the first stack of the interrupt stack table, the offset of the bitmap's offset, the size (Intel SDM vol. 3, figure 8-11).
const TSS_STACK: usize = 36;
const TSS_BITMAP_FIELD: usize = 102;
const TSS_BITMAP: usize = 104;
const BITMAP_BYTES: usize = LAST_FAULT_PORT as usize / 8 + 1;
/// The bitmap and the byte of ones that must follow it (Intel SDM vol. 1, 19.5.2).
pub const TSS_LIMIT: u32 = (TSS_BITMAP + BITMAP_BYTES) as u32;

/// Code of 64 bits at ring 3, present, its accessed bit set: the processor need not write it (Intel SDM vol. 3, 3.4.5).
const CODE_DESCRIPTOR: u64 = 0x00af_fb00_0000_ffff;
/// Flat data of ring 3, likewise. A guest may load what it has: a paravirtual KVM could not keep it from that.
const DATA_DESCRIPTOR: u64 = 0x00cf_f300_0000_ffff;
/// An interrupt gate on the first stack of the table (Intel SDM vol. 3, figure 6-8): it clears the interrupt flag, which no guest can.
const GATE: u64 = 0x8e << 40 | 1 << 32;
/// Ring 3 may come through it by an instruction of its own.
const GATE_OPEN: u64 = 3 << 45;
const BREAKPOINT: u16 = 3;

/// Guest virtual addresses of the tables.
pub struct Addresses {
    pub gdt: u64,
    pub idt: u64,
    pub tss: u64,
}

/// The page that shows the boot page's frame to the processor alone.
pub fn page(placement: &Placement) -> u64 {
    placement.stack_bottom - PAGE
}

pub fn addresses(placement: &Placement) -> Addresses {
    let page = page(placement);
    Addresses {
        gdt: page + GDT as u64,
        idt: page + IDT as u64,
        tss: page + TSS as u64,
    }
}

/// The top of the stack that handlers are entered on.
pub fn fault_stack(placement: &Placement) -> u64 {
    placement.tender_page + PAGE
}

/// Write the tables into the tender's part of a boot page.
pub fn write(page: &mut boot_page::Page, placement: &Placement) {
    let mut word = |at: usize, value: u64| page[at..at + 8].copy_from_slice(&value.to_le_bytes());
    word(GDT + usize::from(DATA & !7), DATA_DESCRIPTOR);
    word(GDT + usize::from(CODE & !7), CODE_DESCRIPTOR);
    for exception in 0..EXCEPTIONS {
        let handler = placement.hypercall + hypercall_page::handler(exception);
        let open = if exception == BREAKPOINT { GATE_OPEN } else { 0 };
        let gate = IDT + usize::from(exception) * GATE_BYTES;
        word(
            gate,
            handler & 0xffff | u64::from(CODE) << 16 | GATE | open | (handler >> 16 & 0xffff) << 48,
        );
        word(gate + 8, handler >> 32);
    }
    word(TSS + TSS_STACK, fault_stack(placement));
    let tss = &mut page[TSS..END];
    tss[TSS_BITMAP_FIELD..TSS_BITMAP_FIELD + 2].copy_from_slice(&(TSS_BITMAP as u16).to_le_bytes());
    tss[TSS_BITMAP..].fill(0xff);
    for port in [PORT].into_iter().chain(FIRST_FAULT_PORT..=LAST_FAULT_PORT) {
        tss[TSS_BITMAP + usize::from(port) / 8] &= !(1 << (port % 8));
    }
}
