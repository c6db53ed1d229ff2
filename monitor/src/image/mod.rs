//! An image: its manifest was checked, its runs were opened and verified. Addresses are relative: where it lies is for placing/.

mod floor;
mod loading;
pub mod manifest;
pub mod names;
pub mod pool;
pub mod relocations;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::abi;
use crate::error::Error;
pub use crate::memory::PAGE;
pub use loading::Outline;
use manifest::Digest;
use pool::Pool;
use relocations::Relocations;

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
    Run { file: Arc<File>, first: u32 },
    /// Frames of this instance alone, from frame `first` on (`Image::frames`). Several extents may show the same.
    Frames { first: u32 },
}

/// A stretch of an image: `pages` pages from byte `offset` of its module on. A fixed layout has no modules: offsets are addresses.
///
/// The zygote keeps hundreds for each image: small types, whose limits the manifest's are far below.
#[derive(Clone, Debug)]
pub struct Extent {
    pub offset: u64,
    pub content: Content,
    pub pages: u32,
    pub module: u16,
    pub rights: Rights,
    pub part: Arc<Part>,
}

/// What an extent is of, for reports only: the same few for all images.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// `None`: the app, or a page that several libraries share.
    pub library: Option<Arc<str>>,
    pub section: Arc<str>,
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
    pub name: Arc<str>,
    pub pages: u64,
    /// Its ELF file for crash reports, beside the manifest.
    pub elf: Option<Arc<str>>,
}

/// A verified image. Extents ascend by module and offset and do not overlap.
#[derive(Clone, Debug)]
pub struct Image {
    pub name: String,
    /// The SHA-256 of its manifest, which a snapshot names; empty for the floor guest.
    pub identity: String,
    /// Relative to the app's own module, which is the first.
    pub entry: u64,
    /// Bytes, multiples of a page.
    pub stack: u64,
    pub heap: u64,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// It says that it keeps nothing between requests, so it may be reset after each.
    pub is_stateless: bool,
    pub extents: Arc<[Extent]>,
    /// The KVM tender's page tables as pool content: neither opened nor verified, for only that tender needs them, and compares them.
    pub page_tables: Option<manifest::PageTables>,
    /// The ELF file for crash reports, beside the manifest.
    pub elf: Option<PathBuf>,
    /// Layout aslr: modules, the frames of each instance, and what depends on bases. Empty in fixed layouts.
    pub modules: Box<[Module]>,
    pub frames: Box<[Frame]>,
    pub relocations: Option<Relocations>,
    /// The runs of the last two, by name.
    entry_runs: Arc<EntryRuns>,
}

/// What of a drawn image only an instance needs that begins at its entry, not one that begins from a snapshot: what frames hold at first,
/// and relocations.
#[derive(Debug, Default)]
struct EntryRuns {
    frames: Vec<(usize, Digest)>,
    relocations: Option<(Digest, u64)>,
}

impl Image {
    /// Whether each instance lies elsewhere (layout aslr).
    pub fn is_random(&self) -> bool {
        !self.modules.is_empty()
    }

    /// The same without the files that no snapshot of it needs: each open one costs the kernel more than what it holds.
    pub fn for_snapshots(&self) -> Self {
        let closed = |frame: &Frame| Frame {
            content: None,
            ..frame.clone()
        };
        Self {
            frames: self.frames.iter().map(closed).collect(),
            relocations: None,
            ..self.clone()
        }
    }

    /// Whether an instance can begin at its entry.
    pub fn is_whole(&self) -> bool {
        self.relocations.is_some() == self.entry_runs.relocations.is_some()
    }

    /// The same with all files, verified again.
    pub fn whole(&self, pool: &Pool) -> Result<Self, Error> {
        let mut frames = self.frames.to_vec();
        for (frame, digest) in &self.entry_runs.frames {
            frames[*frame].content = Some(pool.run(digest)?.file);
        }
        let relocations = match &self.entry_runs.relocations {
            None => None,
            Some((digest, count)) => {
                let checked = Relocations::check(pool.run(digest)?, *count, self.modules.len(), &mut frames);
                Some(checked.map_err(|what| Error::BadManifest {
                    what: format!("relocations: {what}"),
                })?)
            }
        };
        Ok(Self {
            frames: frames.into(),
            relocations,
            ..self.clone()
        })
    }

    /// The heap of an instance that was asked to have `memory` bytes of it, rounded up to pages; the manifest's without a wish.
    pub fn heap_for(&self, memory: Option<u64>) -> Result<u64, Error> {
        let Some(memory) = memory else { return Ok(self.heap) };
        let limit = heap_limit(self.stack, self.is_random()).unwrap_or(0);
        match memory.checked_next_multiple_of(PAGE) {
            Some(heap) if heap <= limit => Ok(heap),
            _ => Err(Error::BadRequest {
                what: if self.is_random() {
                    format!("memory: {memory} bytes are more than a heap of the layout aslr can have ({limit}; docs/limits.md)")
                } else {
                    format!(
                        "memory: {memory} bytes are more than the {limit} that a fixed layout's addresses leave for the heap; under aslr \
                         it can have {RANDOM_HEAP_LIMIT} (docs/limits.md)"
                    )
                },
            }),
        }
    }
}

/// The largest heap under random addresses. A heap is address space, not memory; what one costs before it is used are page directories,
/// one for each GiB, and under KVM shared page tables.
pub const RANDOM_HEAP_LIMIT: u64 = 64 << 30;

/// Bytes that a heap can have beside a stack of `stack` bytes: under fixed addresses, what the instance region of abi.h leaves. `None` when
/// the stack alone is too big.
pub fn heap_limit(stack: u64, random: bool) -> Option<u64> {
    let room = abi::INSTANCE_END - abi::INSTANCE_BASE - abi::STACK_OFFSET - PAGE;
    let left = room.checked_sub(stack)?;
    Some(if random { RANDOM_HEAP_LIMIT } else { left })
}
