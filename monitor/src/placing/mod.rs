//! Where an image lies in one instance: fixed by its layout, or drawn (docs/formats/aslr.md).

pub mod draw;
pub mod frames;
pub mod placement;
pub mod seed;

use std::sync::Arc;

use crate::abi::Waiting;
use crate::image::manifest::PageTables;
use crate::image::{self, Content, Image, PAGE, Rights};
use draw::Draw;
use placement::Placement;

/// A stretch of an instance's memory: `pages` pages from `address` on.
#[derive(Clone, Debug)]
pub struct Extent {
    pub address: u64,
    pub content: Content,
    pages: u32,
    /// Which of the image's extents it is.
    source: u16,
    pub rights: Rights,
}

impl Extent {
    /// Of the snapshot of an instance: pages of its stack or heap.
    pub fn own(address: u64, pages: u64, content: Content) -> Self {
        Self {
            address,
            content,
            pages: pages as u32,
            source: 0,
            rights: Rights::ReadWrite,
        }
    }

    /// A part of it, with another content.
    pub fn part(&self, address: u64, pages: u64, content: Content) -> Self {
        Self {
            address,
            content,
            pages: pages as u32,
            ..*self
        }
    }

    pub fn pages(&self) -> u64 {
        self.pages.into()
    }

    pub fn end(&self) -> u64 {
        self.address + self.pages() * PAGE
    }

    /// Which of the image's extents it is.
    pub fn source(&self) -> usize {
        self.source.into()
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.pages() * PAGE
    }
}

/// An image at the addresses of one instance. Only this can be mapped. Extents ascend by address and do not overlap.
#[derive(Clone, Debug)]
pub struct Placed {
    pub image: Arc<Image>,
    pub entry: u64,
    pub extents: Box<[Extent]>,
    pub placement: Placement,
    /// Where each module lies: one base of 0 in fixed layouts.
    pub draw: Draw,
    /// The pool's page tables for these places, if it has some.
    pub page_tables: Option<PageTables>,
    /// Of a snapshot: where it goes on.
    pub resumption: Option<Resumption>,
}

/// What a snapshot adds to an image: the waiting guest's registers, and pages of its stack and heap.
#[derive(Clone, Debug)]
pub struct Resumption {
    pub waiting: Waiting,
    /// Bytes of the heap that the guest takes for usable.
    pub heap_ready: u64,
    pub own: Box<[Extent]>,
    /// Address and bytes of what every first request writes: an instance gets its copies of these pages at once (tender/kvm/working_set.rs).
    pub first_writes: Box<[[u64; 2]]>,
}

impl Placed {
    /// An image where a draw for it says.
    pub fn new(image: &Arc<Image>, draw: &Draw) -> Self {
        let bases = &draw.bases;
        let mut extents: Vec<Extent> = image
            .extents
            .iter()
            .enumerate()
            .map(|(source, extent)| Extent {
                address: bases[usize::from(extent.module)] + extent.offset,
                content: extent.content.clone(),
                pages: extent.pages,
                source: source as u16,
                rights: extent.rights,
            })
            .collect();
        extents.sort_unstable_by_key(|extent| extent.address);
        Self {
            image: Arc::clone(image),
            entry: image.entry + bases[0],
            extents: extents.into(),
            placement: draw.placement,
            draw: draw.clone(),
            page_tables: image.page_tables.clone(),
            resumption: None,
        }
    }

    /// The image's extent that an address lies in, and where in this instance that is.
    pub fn find(&self, address: u64) -> Option<(&image::Extent, &Extent)> {
        let extent = self.extents.iter().find(|extent| extent.contains(address))?;
        Some((&self.image.extents[extent.source()], extent))
    }

    /// The base that the app's own addresses were raised by.
    pub fn image_base(&self) -> u64 {
        self.draw.bases[0]
    }
}
