//! The Rust mirror of guest/abi/include/unishare/abi.h, which is the truth; a test compiles it and compares.

#![allow(dead_code)] // A mirror holds what its original holds, used or not.

use bytemuck::{Pod, Zeroable};

pub const MAGIC: u64 = 0x4552_4148_5349_4e55;
pub const VERSION: u32 = 0x0001_0001;
pub const APP_BASE: u64 = 0x0040_0000;
pub const APP_END: u64 = 0x0800_0000;
pub const INSTANCE_BASE: u64 = 0x0800_0000;
pub const INSTANCE_END: u64 = 0x2000_0000;
pub const LIBRARY_BASE: u64 = 0x2000_0000;
pub const LIBRARY_END: u64 = 0x7f00_0000;
pub const STACK_OFFSET: u64 = 0x4000;
pub const BOOT_NO_WRFSBASE: u32 = 1;
pub const BOOT_SNAPSHOT: u32 = 2;
pub const BOOT_RESET: u32 = 4;

pub const CALL_EXIT: u64 = 0;
pub const CALL_CONSOLE_WRITE: u64 = 1;
pub const CALL_CLOCK: u64 = 2;
pub const CALL_RANDOM: u64 = 3;
pub const CALL_POLL: u64 = 4;
pub const CALL_CHANNEL_RECEIVE: u64 = 5;
pub const CALL_CHANNEL_SEND: u64 = 6;
pub const CALL_HEAP_GROW: u64 = 7;
pub const CALL_SET_FS_BASE: u64 = 8;
pub const CALL_DISCARD: u64 = 9;
pub const CALL_CHANNEL_RECEIVE_SOON: u64 = 10;
pub const CALL_RESET: u64 = 11;
pub const CALL_PROTECT: u64 = 12;
/// Of CALL_PROTECT: nothing, reading, reading and writing.
pub const PROTECT_RIGHTS: [u64; 3] = [0, 1, 3];
pub const RANDOM_MAX: u64 = 256;

/// A crash's fault address that no one knows.
pub const CRASH_ADDRESS_UNKNOWN: u64 = u64::MAX;
pub const CRASH_STACK_MAX: usize = 1024;
pub const MESSAGE_MAX: usize = 65536;
pub const MESSAGE_MORE: u32 = 1;
pub const MESSAGE_REQUEST: u32 = 1;
pub const MESSAGE_REPLY: u32 = 2;
pub const MESSAGE_READY: u32 = 3;
pub const MESSAGE_CRASH: u32 = 4;

/// `struct unishare_message`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Message {
    pub kind: u32,
    pub flags: u32,
    pub id: u64,
    pub status: i32,
    pub reserved: u32,
}

/// `struct unishare_boot`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Boot {
    pub magic: u64,
    pub abi_version: u32,
    pub flags: u32,
    pub hypercall: u64,
    pub stack_bottom: u64,
    pub stack_top: u64,
    pub heap_start: u64,
    pub heap_ready: u64,
    pub heap_limit: u64,
    pub tsc_hz: u64,
    pub tsc_start: u64,
    pub monotonic_start: u64,
    pub realtime_start: u64,
    pub image_base: u64,
    pub random: [u8; 32],
    pub argc: u32,
    pub argv_offset: u32,
    pub envc: u32,
    pub env_offset: u32,
    pub generation: u64,
    pub waiting: Waiting,
    pub resets: u32,
    pub resets_offset: u32,
}

/// `struct unishare_waiting`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Waiting {
    pub rsp: u64,
    pub rbx: u64,
    pub rbp: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub fs_base: u64,
    pub receive_address: u64,
    pub receive_bytes: u64,
    pub mxcsr: u32,
    pub x87_control: u32,
}

/// `struct unishare_crash`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Crash {
    pub exception: u32,
    pub error_code: u32,
    pub fault_address: u64,
    pub rip: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub rflags: u64,
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// r8 to r15.
    pub r: [u64; 8],
    pub stack_bytes: u32,
    pub reserved: u32,
    pub stack: [u8; CRASH_STACK_MAX],
}

#[cfg(test)]
mod tests;
