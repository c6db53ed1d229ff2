//! Where everything lies in guest physical memory.
//!
//! One compact piece from 0 up, which is one memory slot: page tables, hypercall page, TSS page, boot page, the image's extents, the
//! stack. The heap follows, grown by further slots: a slot costs kernel memory for each of its pages. Close together, all of it is in
//! few of the host's own page tables.

use super::page_tables::{self, Mapping};
use crate::placement::Placement;
use crate::plan::{PAGE, Plan, Rights};

/// What a stretch of the compact piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Hypercall page and TSS page: the same frames in all instances.
    Constant {
        first: u64,
    },
    Boot,
    /// The plan's extent of this number.
    Extent(usize),
    Stack,
}

/// A part and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub part: Part,
    pub mapping: Mapping,
}

/// Guest memory of a plan with a heap of some size.
#[derive(Debug)]
pub struct Layout {
    pub placement: Placement,
    pub parts: Vec<Placed>,
    pub table_pages: u64,
    pub heap: u64,
}

impl Layout {
    pub fn new(plan: &Plan, heap: u64) -> Self {
        let placement = plan.placement();
        let mut parts = vec![
            place(Part::Constant { first: 0 }, placement.hypercall, 1, Rights::ReadExecute),
            place(Part::Constant { first: 1 }, placement.tender_page, 1, Rights::Read),
            place(Part::Boot, placement.boot, 1, Rights::Read),
        ];
        parts.extend(
            plan.extents
                .iter()
                .enumerate()
                .map(|(number, extent)| place(Part::Extent(number), extent.address, extent.pages, extent.rights)),
        );
        let stack_pages = plan.stack / PAGE;
        parts.push(place(Part::Stack, placement.stack_bottom, stack_pages, Rights::ReadWrite));
        let mut layout = Self {
            placement,
            parts,
            table_pages: 0,
            heap,
        };
        layout.table_pages = page_tables::count(&layout.mappings());
        let mut next = layout.table_pages * PAGE;
        for placed in &mut layout.parts {
            placed.mapping.physical_address = next;
            next += placed.mapping.pages * PAGE;
        }
        layout
    }

    /// Bytes of the compact piece.
    pub fn size(&self) -> u64 {
        (self.table_pages + self.parts.iter().map(|placed| placed.mapping.pages).sum::<u64>()) * PAGE
    }

    /// What the page tables say.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut mappings: Vec<_> = self.parts.iter().map(|placed| placed.mapping).collect();
        if self.heap > 0 {
            mappings.push(Mapping {
                virtual_address: self.placement.heap_start,
                physical_address: self.size(),
                pages: self.heap / PAGE,
                rights: Rights::ReadWrite,
            });
        }
        mappings
    }
}

fn place(part: Part, address: u64, pages: u64, rights: Rights) -> Placed {
    Placed {
        part,
        mapping: Mapping {
            virtual_address: address,
            physical_address: 0,
            pages,
            rights,
        },
    }
}
