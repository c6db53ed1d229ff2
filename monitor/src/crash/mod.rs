//! Crashes: what an instance's end leaves (`Evidence`, numbers only), and what can be said of it with the image's files at hand.
//!
//! The launcher keeps evidence and reads no file for it. Explaining is done by who asks, in a process of its own: `explain-crash`.

mod cause;
mod code;
mod explain;
mod symbols;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::abi;
use crate::placing::draw::Draw;
pub use explain::{Explained, run};

/// What a crashed instance left, and which image it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub image: String,
    /// `None` for the floor guest.
    pub manifest: Option<PathBuf>,
    /// SHA-256 of the manifest that the instance was started from.
    pub digest: String,
    pub draw: Draw,
    pub exception: u32,
    pub error_code: u32,
    pub fault_address: u64,
    pub rip: u64,
    pub rflags: u64,
    /// In the order of `REGISTERS`.
    pub registers: [u64; 16],
    /// From RSP on.
    pub stack: Vec<u64>,
}

pub const REGISTERS: [&str; 16] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];

/// Which image a crashed instance was of, and where that lay.
pub struct Origin<'a> {
    pub image: &'a str,
    pub manifest: Option<&'a std::path::Path>,
    pub digest: &'a str,
    pub draw: &'a Draw,
}

impl Evidence {
    pub fn new(record: &abi::Crash, origin: &Origin<'_>) -> Self {
        let mut registers = [
            record.rax, record.rbx, record.rcx, record.rdx, record.rsi, record.rdi, record.rbp, record.rsp, 0, 0, 0, 0, 0, 0,
            0, 0,
        ];
        registers[8..].copy_from_slice(&record.r);
        let stack = &record.stack[..(record.stack_bytes as usize).min(record.stack.len())];
        Self {
            image: origin.image.into(),
            manifest: origin.manifest.map(Into::into),
            digest: origin.digest.into(),
            draw: origin.draw.clone(),
            exception: record.exception,
            error_code: record.error_code,
            fault_address: record.fault_address,
            rip: record.rip,
            rflags: record.rflags,
            registers,
            stack: stack
                .chunks_exact(8)
                .map(|word| word.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
                .collect(),
        }
    }

    pub fn rsp(&self) -> u64 {
        self.registers[7]
    }

    /// One line: the cause and the address, as far as they are known without the image's files.
    pub fn headline(&self) -> String {
        format!("{} at {:#x}", cause::describe(self, None), self.rip)
    }
}
