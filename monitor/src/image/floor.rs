//! The floor guest as an image: the least that is an instance, run the same way as any image. It is what benchmarks measure
//! everything else against.

use core::mem::offset_of;
use std::arch::global_asm;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use crate::abi;
use crate::error::Error;
use crate::image::{Content, Extent, Image, PAGE, Rights, names};
use crate::memory::sealed;

global_asm!(
    include_str!("floor.s"),
    BOOT_HYPERCALL = const offset_of!(abi::Boot, hypercall),
    BOOT_STACK_BOTTOM = const offset_of!(abi::Boot, stack_bottom),
    CALL_CHANNEL_SEND = const abi::CALL_CHANNEL_SEND,
    CALL_CHANNEL_RECEIVE = const abi::CALL_CHANNEL_RECEIVE,
    CALL_EXIT = const abi::CALL_EXIT,
    HEADER = const size_of::<abi::Message>(),
    MESSAGE_FLAGS = const offset_of!(abi::Message, flags),
    MESSAGE_MAX = const abi::MESSAGE_MAX,
    MESSAGE_MORE = const abi::MESSAGE_MORE,
    MESSAGE_READY = const abi::MESSAGE_READY,
    MESSAGE_REQUEST = const abi::MESSAGE_REQUEST,
    MESSAGE_REPLY = const abi::MESSAGE_REPLY,
);

unsafe extern "C" {
    #[link_name = "unishare_floor"]
    static CODE: [u8; PAGE as usize];
}

/// The message buffer at its bottom, calls at its top.
const STACK: u64 = abi::MESSAGE_MAX as u64 + 2 * PAGE;

impl Image {
    /// The floor guest: it says READY and gives an empty answer to every request.
    pub fn empty() -> Result<Self, Error> {
        // SAFETY: floor.s defines this symbol as one page of constant bytes.
        let code = unsafe { &CODE };
        let file = sealed::file("unishare-floor", |file| file.write_all(code))?;
        Ok(Self {
            name: "empty".into(),
            identity: String::new(),
            entry: abi::APP_BASE,
            stack: STACK,
            heap: 0,
            argv: Vec::new(),
            env: BTreeMap::new(),
            is_stateless: false,
            extents: Arc::new([Extent {
                module: 0,
                offset: abi::APP_BASE,
                pages: 1,
                rights: Rights::ReadExecute,
                content: Content::Run {
                    file: Arc::new(file),
                    first: 0,
                },
                part: names::part(None, "text"),
            }]),
            page_tables: None,
            elf: None,
            modules: Box::default(),
            frames: Box::default(),
            relocations: None,
            entry_runs: Arc::default(),
        })
    }
}
