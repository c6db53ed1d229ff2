//! Where everything lies in guest physical memory.
//!
//! One compact piece, page tables first, and the heap right behind it. The piece and the first part of the heap are one memory slot:
//! a slot costs the kernel half a dozen pages whatever its size. The rest of the heap comes by further slots when the guest asks for it.
//! Where a slot costs next to nothing, the first one holds the whole heap. Fixed layouts begin at 0. Under aslr the heap's place comes
//! first, and the piece ends where the heap begins. A heap of random address is mapped by one table and large pages from there on: so even
//! a very large one costs a page directory for each GiB.

use std::sync::Arc;

use super::descriptor_tables;
use super::page_tables::{Access, LARGE_PAGE, LargePages, Mapping, Plan};
use crate::image::{Content, PAGE, Rights};
use crate::placing::placement::Placement;
use crate::placing::{self, Extent};

/// Pages that the first slot has at least, if the heap is large enough: up to here its bookkeeping takes the same few pages.
const FIRST_SLOT_PAGES: u64 = 512;
/// Of heap that needs no hypercall, however large the image is.
const FIRST_HEAP: u64 = 128 << 10;

/// Guest physical address of a heap of random address, but for its offset into a large page: above every compact piece.
const HEAP_PHYSICAL: u64 = 1 << 30;

/// What a stretch of the compact piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    PageTables,
    /// The hypercall page: the same frame in all instances.
    Hypercall,
    /// The boot page, which the guest reads, and the processor's tables at its end.
    Boot,
    /// The stack that fault handlers run on. The guest may scribble on it, but not between a fault and its report.
    FaultStack,
    /// The placed image's extent of this number.
    Extent(usize),
    /// The instance's own frames, which extents show at several addresses.
    Frames,
    Stack,
}

/// A part and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    pub part: Part,
    pub physical_address: u64,
    pub pages: u64,
}

/// Guest memory of a placed image with a heap of some size.
#[derive(Debug)]
pub struct Layout {
    pub placement: Placement,
    pub parts: Vec<Located>,
    /// Guest virtual addresses of the compact piece.
    pub views: Vec<Mapping>,
    /// Guest physical address of the compact piece, where the page tables' root is.
    pub base: u64,
    /// Bytes of the compact piece and of the heap.
    pub size: u64,
    pub heap: u64,
    /// Whether large pages map the heap, but for its first pages.
    large: bool,
}

impl Layout {
    pub fn new(placed: &placing::Placed, heap: u64) -> Self {
        let (image, placement) = (&*placed.image, placed.placement);
        let mut plot = Plot::default();
        let is_random = image.is_random();
        if !is_random {
            plot.show(Part::Hypercall, placement.hypercall, 1, Rights::ReadExecute);
        }
        let boot = plot.show(Part::Boot, placement.boot, 1, Rights::Read);
        plot.view(descriptor_tables::page(&placement), boot, 1, Access::Processor);
        plot.show(Part::FaultStack, placement.tender_page, 1, Rights::ReadWrite);
        let framed = !image.frames.is_empty() && placed.resumption.is_none();
        let frames = framed.then(|| plot.add(Part::Frames, image.frames.len() as u64));
        if is_random {
            plot.show(Part::Hypercall, placement.hypercall, 1, Rights::ReadExecute);
        }
        let order = if is_random {
            order(placed)
        } else {
            (0..placed.extents.len()).collect()
        };
        let mut before: Option<(&Extent, u64)> = None;
        for number in order {
            let extent = &placed.extents[number];
            let at = match (&extent.content, frames, before) {
                (Content::Frames { first }, Some(frames), _) => frames + u64::from(*first),
                // A snapshot's page that is seen at several addresses.
                (_, _, Some((same, at))) if is_random && shows_same(extent, same) => at,
                _ => plot.add(Part::Extent(number), extent.pages()),
            };
            plot.view(extent.address, at, extent.pages(), Access::Guest(extent.rights));
            before = Some((extent, at));
        }
        plot.show(Part::Stack, placement.stack_bottom, image.stack / PAGE, Rights::ReadWrite);
        plot.finish(placement, heap, is_random)
    }

    /// Bytes of the heap that the first memory slot holds.
    pub fn first_heap(&self, slots_are_cheap: bool) -> u64 {
        if slots_are_cheap {
            return self.heap;
        }
        FIRST_HEAP
            .max((FIRST_SLOT_PAGES * PAGE).saturating_sub(self.size))
            .min(self.heap)
    }

    /// Pages of page tables.
    pub fn table_pages(&self) -> u64 {
        self.parts
            .iter()
            .find(|located| located.part == Part::PageTables)
            .map_or(0, |located| located.pages)
    }

    /// The page tables.
    pub fn tables(&self) -> Plan {
        Plan {
            mappings: self.mappings(),
            large: self.large_pages(),
            base: self.base,
        }
    }

    /// What is mapped page by page; of the heap, if the rest is large pages, what its first table reaches.
    fn mappings(&self) -> Vec<Mapping> {
        let mut mappings = self.views.clone();
        let heap = self.heap.min(if self.large { self.first_table_bytes() } else { self.heap });
        if heap > 0 {
            mappings.push(Mapping {
                virtual_address: self.placement.heap_start,
                physical_address: self.base + self.size,
                pages: heap / PAGE,
                access: Access::Guest(Rights::ReadWrite),
            });
        }
        mappings
    }

    /// How much heap the table reaches that its start is in. What is below the start must lead nowhere.
    fn first_table_bytes(&self) -> u64 {
        LARGE_PAGE - self.placement.heap_start % LARGE_PAGE
    }

    /// The heap behind that. The last page reaches beyond the heap's end, where no memory slot is.
    fn large_pages(&self) -> LargePages {
        let first = self.first_table_bytes();
        LargePages {
            virtual_address: self.placement.heap_start + first,
            physical_address: self.base + self.size + first,
            count: if self.large {
                self.heap.saturating_sub(first).div_ceil(LARGE_PAGE)
            } else {
                0
            },
        }
    }
}

/// The extents in an order that takes few mappings of the kernel's, where the pool has no page tables that fix one: first what is shared,
/// by file and place in it, so that what follows each other in a file does so here; then what is the instance's own. Pieces of what was one
/// extent stay together, for a guest may name them as one.
fn order(placed: &placing::Placed) -> Vec<usize> {
    let extents = &placed.extents;
    let mut files = Vec::new();
    let mut groups: Vec<((bool, usize, u32), std::ops::Range<usize>)> = Vec::new();
    for (number, extent) in extents.iter().enumerate() {
        match groups.last_mut() {
            Some((_, group)) if extents[group.start].source() == extent.source() => group.end = number + 1,
            _ => {
                let key = match &extent.content {
                    Content::Run { file, first } if extent.rights != Rights::ReadWrite => {
                        let file = Arc::as_ptr(file);
                        let known = files.iter().position(|known| *known == file);
                        let place = known.unwrap_or_else(|| {
                            files.push(file);
                            files.len() - 1
                        });
                        (false, place, *first)
                    }
                    _ => (true, number, 0),
                };
                groups.push((key, number..number + 1));
            }
        }
    }
    groups.sort_by_key(|(key, _)| *key);
    groups.into_iter().flat_map(|(_, group)| group).collect()
}

/// Whether two extents are the same pages of a file, which nobody changes.
fn shows_same(extent: &Extent, other: &Extent) -> bool {
    match (&extent.content, &other.content) {
        (
            Content::Run { file, first },
            Content::Run {
                file: other_file,
                first: other_first,
            },
        ) => {
            let rights = [extent.rights, other.rights];
            Arc::ptr_eq(file, other_file)
                && (first, extent.pages()) == (other_first, other.pages())
                && !rights.contains(&Rights::ReadWrite)
        }
        _ => false,
    }
}

/// The compact piece while it is laid out: page numbers from its start, behind page tables whose size is not known yet.
#[derive(Default)]
struct Plot {
    parts: Vec<(Part, u64, u64)>,
    views: Vec<(u64, u64, u64, Access)>,
    next: u64,
}

impl Plot {
    fn add(&mut self, part: Part, pages: u64) -> u64 {
        let at = self.next;
        self.parts.push((part, at, pages));
        self.next += pages;
        at
    }

    fn view(&mut self, address: u64, at: u64, pages: u64, access: Access) {
        self.views.push((address, at, pages, access));
    }

    fn show(&mut self, part: Part, address: u64, pages: u64, rights: Rights) -> u64 {
        let at = self.add(part, pages);
        self.view(address, at, pages, Access::Guest(rights));
        at
    }

    /// Put the page tables before all and find where the piece begins.
    fn finish(self, placement: Placement, heap: u64, large: bool) -> Layout {
        let mut layout = Layout {
            placement,
            parts: Vec::with_capacity(self.parts.len() + 1),
            views: self.mappings(0),
            base: 0,
            size: 0,
            heap,
            large,
        };
        let tables = layout.tables().count();
        layout.size = (tables + self.next) * PAGE;
        if large {
            layout.base = HEAP_PHYSICAL + placement.heap_start % LARGE_PAGE - layout.size;
        }
        let start = layout.base + tables * PAGE;
        layout.views = self.mappings(start);
        layout.parts.push(Located {
            part: Part::PageTables,
            physical_address: layout.base,
            pages: tables,
        });
        layout.parts.extend(self.parts.into_iter().map(|(part, at, pages)| Located {
            part,
            physical_address: start + at * PAGE,
            pages,
        }));
        layout
    }

    fn mappings(&self, start: u64) -> Vec<Mapping> {
        let mapping = |&(virtual_address, at, pages, access)| Mapping {
            virtual_address,
            physical_address: start + at * PAGE,
            pages,
            access,
        };
        self.views.iter().map(mapping).collect()
    }
}

#[cfg(test)]
mod tests;
