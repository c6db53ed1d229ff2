//! The two pages that are the same in every virtual machine: the hypercall page and the TSS page.
//!
//! At ring 3 without I/O privilege, a port is open if its bit in the TSS's permission bitmap is clear (Intel SDM vol. 1, 19.5.2). One
//! is: the hypercall's. The guest maps the page read-only and has no way to load another task register.

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

use crate::error::Error;
use crate::image::PAGE;
use crate::memory::sealed;

/// The hypercall's port.
pub const PORT: u16 = 0x55;
/// `out 0x55, al; ret`. The number is in RDI, the arguments in RSI, RDX, RCX; the result comes in RAX (abi.h).
const HYPERCALL: [u8; 3] = [0xe6, PORT as u8, 0xc3];
/// Offset of the bitmap's offset in a 64-bit TSS, and the TSS's size (Intel SDM vol. 3, figure 8-11).
const BITMAP_FIELD: usize = 102;
const BITMAP: usize = 104;
const BITMAP_BYTES: usize = PORT as usize / 8 + 1;
/// Limit of the TSS: the bitmap and the byte of ones that must follow it.
pub const TSS_LIMIT: u32 = (BITMAP + BITMAP_BYTES) as u32;

static PAGES: OnceLock<File> = OnceLock::new();

/// The file with both pages. Made once a process; instances inherit it.
pub fn file() -> Result<&'static File, Error> {
    if let Some(file) = PAGES.get() {
        return Ok(file);
    }
    let file = sealed::file("unishare-kvm", |file| file.write_all(&bytes()))?;
    Ok(PAGES.get_or_init(|| file))
}

fn bytes() -> Vec<u8> {
    let mut pages = vec![0; 2 * PAGE as usize];
    pages[..HYPERCALL.len()].copy_from_slice(&HYPERCALL);
    let tss = &mut pages[PAGE as usize..];
    tss[BITMAP_FIELD..BITMAP_FIELD + 2].copy_from_slice(&(BITMAP as u16).to_le_bytes());
    tss[BITMAP..=BITMAP + BITMAP_BYTES].fill(0xff);
    tss[BITMAP + PORT as usize / 8] &= !(1 << (PORT % 8));
    pages
}
