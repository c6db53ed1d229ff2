//! The hypercall page of a virtual machine: the hypercall, and what faults lead to. The same frame in all instances.
//!
//! The gates of the interrupt descriptor table (descriptor_tables.rs) lead here, to code of ring 3 that says by a port of its own which
//! gate it was. The tender finds all else in the frame that the processor pushed (fault.rs), and the guest does not run again.

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

use crate::error::Error;
use crate::image::PAGE;
use crate::memory::sealed;

/// The hypercall's port.
pub const PORT: u16 = 0x55;
/// The first of the handlers' ports: exception `n` comes by port `n` of them.
pub const FIRST_FAULT_PORT: u16 = 0x80;
/// Exceptions that the manual numbers (Intel SDM vol. 3, table 6-1), and the handler behind theirs, of the `syscall` instruction.
pub const EXCEPTIONS: u16 = 32;
pub const SYSTEM_CALL: u16 = EXCEPTIONS;
pub const LAST_FAULT_PORT: u16 = FIRST_FAULT_PORT + SYSTEM_CALL;

/// `out PORT, al; ret`. The number is in RDI, the arguments in RSI, RDX, RCX; the result comes in RAX (abi.h).
const HYPERCALL: [u8; 3] = [OUT, PORT as u8, 0xc3];
/// `out imm8, al` (Intel SDM vol. 2), and its length.
const OUT: u8 = 0xe6;
pub const OUT_BYTES: u64 = 2;
/// `jmp .`: behind a handler's `out` nothing is to run.
const STAY: [u8; 2] = [0xeb, 0xfe];
const HANDLERS: u64 = 0x100;
const HANDLER_BYTES: u64 = OUT_BYTES + STAY.len() as u64;

static PAGE_FILE: OnceLock<File> = OnceLock::new();

/// Where a handler is in the page.
pub fn handler(number: u16) -> u64 {
    HANDLERS + u64::from(number) * HANDLER_BYTES
}

/// The page as a file. Made once a process; instances inherit it.
pub fn file() -> Result<&'static File, Error> {
    if let Some(file) = PAGE_FILE.get() {
        return Ok(file);
    }
    let file = sealed::file("unishare-kvm", |file| file.write_all(&bytes()))?;
    Ok(PAGE_FILE.get_or_init(|| file))
}

fn bytes() -> Vec<u8> {
    let mut page = vec![0; PAGE as usize];
    page[..HYPERCALL.len()].copy_from_slice(&HYPERCALL);
    for number in 0..=SYSTEM_CALL {
        let start = handler(number) as usize;
        page[start..start + 2].copy_from_slice(&[OUT, (FIRST_FAULT_PORT + number) as u8]);
        page[start + 2..start + 4].copy_from_slice(&STAY);
    }
    page
}
