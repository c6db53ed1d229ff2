//! The hypercall page: assembled into the monitor, copied from there once into a sealed memory file that every instance maps.

use core::mem::offset_of;
use std::arch::global_asm;
use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

use crate::abi::{self, Boot};
use crate::error::Error;
use crate::image::PAGE;
use crate::memory::sealed;

/// The instance's only descriptors.
pub const CHANNEL_FD: i32 = 0;
pub const CONSOLE_FD: i32 = 1;
/// The monitor's own word, until the departure.
pub const WORD_FD: i32 = super::super::WORD_FD;

const BOOT_PAGE: usize = PAGE as usize;
const SIGNAL_PAGE: usize = 2 * PAGE as usize;
const RECORD: usize = SIGNAL_PAGE + size_of::<abi::Message>();
/// Of an instance that a snapshot will be taken of: how far its heap has grown, in the last word of the tender's page, which nothing else
/// uses until a fault ends it.
pub const HEAP_GROWN_OFFSET: u64 = PAGE - 8;
/// What a heap grows by at least before a snapshot.
pub const HEAP_STEP: u64 = 128 << 10;

global_asm!(
    include_str!("hypercall_page.s"),
    LAST_CALL = const abi::CALL_PROTECT,
    RANDOM_MAX = const abi::RANDOM_MAX,
    MESSAGE_MAX = const abi::MESSAGE_MAX,
    MESSAGE_CRASH = const abi::MESSAGE_CRASH,
    CHANNEL_FD = const CHANNEL_FD,
    CONSOLE_FD = const CONSOLE_FD,
    WORD_FD = const WORD_FD,
    BOOT_HEAP_LIMIT = const BOOT_PAGE + offset_of!(Boot, heap_limit),
    BOOT_HEAP_START = const BOOT_PAGE + offset_of!(Boot, heap_start),
    BOOT_STACK_BOTTOM = const BOOT_PAGE + offset_of!(Boot, stack_bottom),
    BOOT_STACK_TOP = const BOOT_PAGE + offset_of!(Boot, stack_top),
    BOOT_PAGE = const BOOT_PAGE,
    BOOT_FLAGS = const offset_of!(Boot, flags),
    BOOT_RESETS = const offset_of!(Boot, resets),
    BOOT_RESETS_OFFSET = const offset_of!(Boot, resets_offset),
    WAITING = const offset_of!(Boot, waiting),
    WAITING_RSP = const offset_of!(abi::Waiting, rsp),
    WAITING_RBX = const offset_of!(abi::Waiting, rbx),
    WAITING_RBP = const offset_of!(abi::Waiting, rbp),
    WAITING_R12 = const offset_of!(abi::Waiting, r12),
    WAITING_R13 = const offset_of!(abi::Waiting, r13),
    WAITING_R14 = const offset_of!(abi::Waiting, r14),
    WAITING_R15 = const offset_of!(abi::Waiting, r15),
    WAITING_FS_BASE = const offset_of!(abi::Waiting, fs_base),
    WAITING_RECEIVE_ADDRESS = const offset_of!(abi::Waiting, receive_address),
    WAITING_RECEIVE_BYTES = const offset_of!(abi::Waiting, receive_bytes),
    WAITING_MXCSR = const offset_of!(abi::Waiting, mxcsr),
    WAITING_X87_CONTROL = const offset_of!(abi::Waiting, x87_control),
    NO_WRFSBASE = const abi::BOOT_NO_WRFSBASE,
    RESET = const abi::BOOT_RESET,
    SNAPSHOT = const abi::BOOT_SNAPSHOT,
    HEAP_STEP = const HEAP_STEP,
    HEAP_GROWN = const SIGNAL_PAGE + HEAP_GROWN_OFFSET as usize,
    MADV_DONTNEED = const libc::MADV_DONTNEED,
    SYS_madvise = const libc::SYS_madvise,
    SIGNAL_PAGE = const SIGNAL_PAGE,
    RECORD = const RECORD,
    STACK_COPY = const RECORD + offset_of!(abi::Crash, stack),
    PROTECT_MAX = const abi::PROTECT_RIGHTS[2],
    PAGE = const PAGE,
    ENOSYS = const libc::ENOSYS,
    EINVAL = const libc::EINVAL,
    EAGAIN = const libc::EAGAIN,
    EMSGSIZE = const libc::EMSGSIZE,
    ENOMEM = const libc::ENOMEM,
    POLLIN = const libc::POLLIN,
    MSG_TRUNC = const libc::MSG_TRUNC,
    MSG_NOSIGNAL = const libc::MSG_NOSIGNAL,
    SIGSYS = const libc::SIGSYS,
    SIGILL = const libc::SIGILL,
    ARCH_SET_FS = const super::ARCH_SET_FS,
    SYS_exit_group = const libc::SYS_exit_group,
    SYS_write = const libc::SYS_write,
    SYS_clock_gettime = const libc::SYS_clock_gettime,
    SYS_getrandom = const libc::SYS_getrandom,
    SYS_ppoll = const libc::SYS_ppoll,
    SYS_recvfrom = const libc::SYS_recvfrom,
    SYS_sendto = const libc::SYS_sendto,
    SYS_arch_prctl = const libc::SYS_arch_prctl,
    SYS_munmap = const libc::SYS_munmap,
    SYS_close = const libc::SYS_close,
    SYS_mprotect = const libc::SYS_mprotect,
);

unsafe extern "C" {
    #[link_name = "unishare_hypercall_page"]
    static CODE: [u8; PAGE as usize];
    #[link_name = "unishare_hypercall_page_end"]
    static CODE_END: [u8; 0];
    #[link_name = "unishare_fault"]
    static FAULT: [u8; 0];
    #[link_name = "unishare_fault_return"]
    static FAULT_RETURN: [u8; 0];
    #[link_name = "unishare_received"]
    static RECEIVED: [u8; 0];
    #[link_name = "unishare_depart"]
    static DEPART: [u8; 0];
}

/// Where something is in the page.
#[derive(Clone, Copy)]
pub enum Label {
    Fault,
    FaultReturn,
    /// Behind the system call that takes a message.
    Received,
    Depart,
    End,
}

impl Label {
    /// Its distance from the page's start.
    pub fn offset(self) -> u64 {
        let symbol = match self {
            Self::Fault => &raw const FAULT,
            Self::FaultReturn => &raw const FAULT_RETURN,
            Self::Received => &raw const RECEIVED,
            Self::Depart => &raw const DEPART,
            Self::End => &raw const CODE_END,
        };
        (symbol.addr() - (&raw const CODE).addr()) as u64
    }
}

static FRAME: OnceLock<File> = OnceLock::new();

/// The page as a file, made when first asked for. That must be before the first fork, or each instance has a frame of its own.
pub fn file() -> Result<&'static File, Error> {
    if let Some(file) = FRAME.get() {
        return Ok(file);
    }
    if Label::End.offset() > PAGE {
        return Err(Error::Defect {
            what: "the hypercall page is more than a page".into(),
        });
    }
    // SAFETY: hypercall_page.s defines this symbol as one page of constant bytes.
    let code = unsafe { &CODE };
    let file = sealed::file("unishare-hypercalls", |file| file.write_all(code))?;
    Ok(FRAME.get_or_init(|| file))
}
