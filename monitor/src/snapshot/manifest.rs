//! A snapshot's file as it is written (docs/formats/snapshot.md): JSON text in, checked numbers out. Nothing here opens another file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::abi::{self, Waiting};
use crate::error::Error;
use crate::image::manifest::{Address, Digest, PageTables};

pub const FORMAT: &str = "unishare-snapshot";
pub const VERSION: u32 = 1;
/// No snapshot that is taken comes near: more is a mistake or an attack.
pub const MAX_BYTES: u64 = 4 << 20;
/// MXCSR bits that processors may lack: setting one of the others is a fault (Intel SDM vol. 1, 10.2.3).
const MXCSR_MASK: u32 = 0xffff;
/// The first address that no user program has, with 4-level paging.
const USER_END: u64 = 1 << 47;

/// What is read before the rest, so that another format or version is named as such.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// Where the image lay.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DrawText {
    pub modules: Vec<Address>,
    pub instance: Address,
    pub stack: Address,
    pub heap: Address,
}

/// Registers of the waiting guest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingText {
    rsp: Address,
    rbx: Address,
    rbp: Address,
    r12: Address,
    r13: Address,
    r14: Address,
    r15: Address,
    fs_base: Address,
    receive_address: Address,
    receive_bytes: u64,
    mxcsr: u32,
    x87_control: u32,
}

/// `pages` pages from `address` on hold what page `first` of a run and those behind it hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StretchText {
    pub address: Address,
    pub pages: u64,
    pub run: Digest,
    pub first: u64,
}

/// `pages` pages from `address` on.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RangeText {
    pub address: Address,
    pub pages: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotText {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u32,
    #[serde(rename = "name")]
    _name: String,
    /// The SHA-256 of the image's manifest.
    pub image: Digest,
    pub processor: Vec<String>,
    #[serde(default)]
    pub draw: Option<DrawText>,
    waiting: WaitingText,
    /// Bytes of the heap that the guest takes for usable; all where nothing is said.
    #[serde(default)]
    pub heap_ready: Option<u64>,
    pub pages: Vec<StretchText>,
    /// What a first request writes.
    #[serde(default)]
    pub first_writes: Vec<RangeText>,
    /// Of an image whose addresses are drawn: the KVM tender's for this draw.
    #[serde(default)]
    pub page_tables: Option<PageTables>,
}

impl SnapshotText {
    /// Parse `text`; `path` is named in errors.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, Error> {
        let named = |what: String| Error::BadSnapshot {
            what: format!("{}: {what}", path.display()),
        };
        let header: Header = decode(text).map_err(named)?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(named(format!(
                "format: is {:?} of version {}, not {FORMAT:?} of version {VERSION}",
                header.format, header.version
            )));
        }
        decode(text).map_err(named)
    }

    /// The registers, none of which could do harm when it is loaded.
    pub fn waiting(&self) -> Result<Waiting, String> {
        let waiting = Waiting::from(&self.waiting);
        if waiting.mxcsr & !MXCSR_MASK != 0 {
            return Err(format!("waiting.mxcsr: {:#x} has bits that do not exist", waiting.mxcsr));
        }
        if waiting.x87_control > u32::from(u16::MAX) {
            return Err(format!(
                "waiting.x87_control: {:#x} has more than 16 bits",
                waiting.x87_control
            ));
        }
        if waiting.fs_base >= USER_END {
            return Err(format!("waiting.fs_base: {:#x} is no user address", waiting.fs_base));
        }
        if waiting.receive_bytes > abi::MESSAGE_MAX as u64 + 1 {
            return Err(format!(
                "waiting.receive_bytes: {} is more than a message",
                waiting.receive_bytes
            ));
        }
        Ok(waiting)
    }
}

fn decode<'text, T: Deserialize<'text>>(text: &'text [u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| match error.path().to_string() {
        field if field == "." => error.inner().to_string(),
        field => format!("{field}: {}", error.inner()),
    })?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

impl From<&WaitingText> for Waiting {
    fn from(text: &WaitingText) -> Self {
        Self {
            rsp: text.rsp.0,
            rbx: text.rbx.0,
            rbp: text.rbp.0,
            r12: text.r12.0,
            r13: text.r13.0,
            r14: text.r14.0,
            r15: text.r15.0,
            fs_base: text.fs_base.0,
            receive_address: text.receive_address.0,
            receive_bytes: text.receive_bytes,
            mxcsr: text.mxcsr,
            x87_control: text.x87_control,
        }
    }
}

impl From<&Waiting> for WaitingText {
    fn from(waiting: &Waiting) -> Self {
        Self {
            rsp: Address(waiting.rsp),
            rbx: Address(waiting.rbx),
            rbp: Address(waiting.rbp),
            r12: Address(waiting.r12),
            r13: Address(waiting.r13),
            r14: Address(waiting.r14),
            r15: Address(waiting.r15),
            fs_base: Address(waiting.fs_base),
            receive_address: Address(waiting.receive_address),
            receive_bytes: waiting.receive_bytes,
            mxcsr: waiting.mxcsr,
            x87_control: waiting.x87_control,
        }
    }
}
