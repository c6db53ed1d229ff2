//! A plan: an image whose manifest was checked and whose runs were opened and verified, ready to be mapped any number of times.

mod floor;
mod loading;
mod manifest;
pub mod pool;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::error::Error;
use crate::placing::draw::Draw;
use crate::placing::placement::Placement;

/// Bytes in a page of x86-64.
pub const PAGE: u64 = 4096;

/// What the guest may do with an extent's pages. Writable and executable does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    ReadExecute,
    Read,
    ReadWrite,
}

/// Where an extent's bytes come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// Zeros, on demand.
    Zero,
    /// Pages of a run, from page `first` on. The file was opened read-only and its digest verified.
    Run { file: Arc<File>, first: u64 },
    /// Frames of this instance alone, from frame `first` on (`Plan::frames`). Several extents may show the same.
    Frames { first: u64 },
}

/// A stretch of guest memory: `pages` pages from `address` on.
#[derive(Clone, Debug)]
pub struct Extent {
    pub address: u64,
    pub pages: u64,
    pub rights: Rights,
    pub content: Content,
    /// The library it belongs to, and which section: for reports only.
    pub library: Option<String>,
    pub section: String,
    /// Under the layout aslr: which module's base `address` counts from until it is placed. 0 in fixed layouts.
    pub module: usize,
}

impl Extent {
    /// Whether an address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.pages * PAGE
    }
}

/// A page frame that every instance has for itself: tables of addresses, or data (layout aslr).
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What it holds at first: one verified page. `None`: zeros.
    pub content: Option<Arc<File>>,
    /// The loader writes addresses into it.
    pub relocated: bool,
    /// It is seen at more than one address.
    pub aliased: bool,
}

/// A part of an image with a base of its own.
#[derive(Clone, Debug)]
pub struct Module {
    pub name: String,
    pub pages: u64,
    /// Its ELF file, for crash reports.
    pub elf: Option<PathBuf>,
}

/// The 8 bytes at byte `place` of the frames become `target`'s base (none: 0) + `addend`.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub place: u64,
    pub target: Option<usize>,
    pub addend: i64,
}

/// A verified image. Extents ascend by address and do not overlap.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: String,
    pub entry: u64,
    /// Bytes, multiples of a page.
    pub stack: u64,
    pub heap: u64,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub extents: Vec<Extent>,
    /// The KVM tender's page tables as pool content: verified as a run, not yet compared with what the image needs.
    pub page_tables: Option<Arc<File>>,
    /// The ELF file for crash reports, if it is there.
    pub elf: Option<PathBuf>,
    /// The KVM tender's page tables once they were made or compared (`tender::prepare`), for all instances forked after that.
    pub kvm_tables: OnceLock<Arc<File>>,
    /// Layout aslr: modules, the frames of each instance, and what depends on bases. Empty in fixed layouts.
    pub modules: Arc<[Module]>,
    pub frames: Arc<[Frame]>,
    pub records: Arc<[Record]>,
    /// Set when the plan was placed at an instance's addresses.
    pub drawn: Option<Draw>,
}

impl Plan {
    /// Where the instance's own pages are.
    pub fn placement(&self) -> Placement {
        self.drawn
            .as_ref()
            .map_or_else(|| Placement::fixed(self.stack), |draw| draw.placement)
    }

    /// The base that an image's addresses were raised by.
    pub fn image_base(&self) -> u64 {
        self.drawn.as_ref().map_or(0, |draw| draw.bases[0])
    }

    /// The heap of an instance that was asked to have `memory` bytes of it, rounded up to pages; the manifest's without a wish.
    pub fn heap_for(&self, memory: Option<u64>) -> Result<u64, Error> {
        let Some(memory) = memory else { return Ok(self.heap) };
        let limit = Placement::heap_limit(self.stack).unwrap_or(0);
        match memory.checked_next_multiple_of(PAGE) {
            Some(heap) if heap <= limit => Ok(heap),
            _ => Err(Error::BadRequest {
                what: format!("memory: {memory} is more than the heap can have ({limit} bytes)"),
            }),
        }
    }
}
