//! Address space layout randomisation: a base for every module, for the stack, the heap and the instance's own pages, drawn for each
//! instance, and the few pages that depend on them (docs/formats/aslr.md).

use rustix::rand::GetRandomFlags;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::image::{Image, PAGE};
use crate::placing::placement::Placement;

/// Pages of a region, which begins at a multiple of its size: one page directory reaches all of it. An instance with a large heap gets a
/// larger one, a power of two.
pub const REGION_PAGES: u64 = 1 << 18;
/// Below the first region nothing of ours or the kernel's is, above the last the monitor itself.
pub const REGIONS_FROM: u64 = 4;
pub const REGIONS_TO: u64 = 0x5000;
/// Room for the largest heap (image::RANDOM_HEAP_LIMIT), an image's parts, and as much again.
pub const LARGEST_REGION_PAGES: u64 = REGION_PAGES * 256;
/// Pages that one page-table page reaches. The heap has such stretches for itself, so that large pages can map it under KVM
/// (tender/kvm/layout.rs); it begins at one of the first `HEAP_OFFSETS` pages.
pub const TABLE_PAGES: u64 = 512;
const HEAP_OFFSETS: u64 = 256;
/// Pages that lie between the parts of an instance in all, unless it is told otherwise. More would make relative places harder to
/// guess, and spread the parts over more page-table pages, which every instance pays for (docs/aslr.md has the table).
pub const DEFAULT_GAPS: u64 = 512;
/// C libraries do not grow the break towards the stack nearer than this (musl, malloc/expand_heap.c: 8 MiB): a span above the heap begins
/// so far from it.
const STACK_REACH: u64 = 2048;
/// Hypercall page, boot page, tender's page.
const INSTANCE_PAGES: u64 = 3;

/// Where the parts of one instance lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Of each module.
    pub bases: Box<[u64]>,
    pub placement: Placement,
}

impl Draw {
    /// Of an image of a fixed layout there is one: what it was linked for. `None` where places are drawn.
    pub fn fixed(image: &Image) -> Option<Self> {
        (!image.is_random()).then(|| Self {
            bases: [0].into(),
            placement: Placement::fixed(image.stack),
        })
    }

    /// Of any image: a fixed layout takes nothing from `source`.
    pub fn of(image: &Image, heap: u64, gaps: u64, source: &mut Source) -> Result<Self, Error> {
        match Self::fixed(image) {
            Some(fixed) => Ok(fixed),
            None => draw(image, heap, gaps, source),
        }
    }
}

/// Where numbers come from.
pub enum Source {
    Kernel,
    /// The same draw every time: for debugging only.
    Seed(u64),
}

impl Source {
    fn next(&mut self) -> Result<u64, Error> {
        match self {
            Self::Kernel => {
                let mut bytes = [0; 8];
                rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty())
                    .map_err(|error| Error::io("reading random bytes", error))?;
                Ok(u64::from_le_bytes(bytes))
            }
            // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
            Self::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                Ok(mixed ^ (mixed >> 31))
            }
        }
    }

    /// A number below `limit`, each as likely: what would favour small ones is thrown away.
    fn below(&mut self, limit: u64) -> Result<u64, Error> {
        let fair = u64::MAX - u64::MAX % limit;
        loop {
            let drawn = self.next()?;
            if drawn < fair {
                return Ok(drawn % limit);
            }
        }
    }
}

/// Draw a region; in it the heap, and beside it one span with all other parts: their order, and the gaps between them. A library's base
/// says nothing of another's: order and gaps are drawn independently, so differences of bases vary as bases do.
pub fn draw(image: &Image, heap: u64, gaps: u64, source: &mut Source) -> Result<Draw, Error> {
    let mut sizes: Vec<u64> = image.modules.iter().map(|module| module.pages).collect();
    sizes.extend([INSTANCE_PAGES, image.stack / PAGE]);
    // Bounded before it is added to: `gaps` is whatever a client asked for.
    if gaps >= REGION_PAGES / 2 {
        return Err(Error::BadRequest {
            what: format!(
                "gaps: {gaps} is not less than the {} pages of half a region",
                REGION_PAGES / 2
            ),
        });
    }
    // A guard page below each part, and one at the end.
    let span = sizes.iter().sum::<u64>() + sizes.len() as u64 + 1 + gaps;
    let offset = source.below(HEAP_OFFSETS)?;
    let heap_pages = (offset + heap / PAGE).next_multiple_of(TABLE_PAGES);
    let region_pages = region_pages(span.saturating_add(heap_pages));
    if region_pages > LARGEST_REGION_PAGES {
        return Err(Error::BadRequest {
            what: format!(
                "{}: its parts and heap take {} pages, and gaps of {gaps} between them are more than the {} that there is room for",
                image.name,
                span - gaps + heap_pages,
                LARGEST_REGION_PAGES / 2 - STACK_REACH
            ),
        });
    }
    let (from, to) = (REGIONS_FROM * REGION_PAGES, REGIONS_TO * REGION_PAGES);
    let (first, end) = (from.div_ceil(region_pages), to / region_pages);
    let region = region_pages * (first + source.below(end - first)?);
    let heap_from = source.below((region_pages - heap_pages) / TABLE_PAGES + 1)? * TABLE_PAGES;
    let span_from = beside(heap_from, heap_pages, span, region_pages, source)?;
    let mut starts = vec![0; sizes.len()];
    let mut next = region + span_from;
    for (block, gap) in shuffled(sizes.len(), source)?
        .into_iter()
        .zip(cuts(sizes.len(), gaps, source)?)
    {
        next += gap + 1;
        starts[block] = next * PAGE;
        next += sizes[block];
    }
    let modules = image.modules.len();
    let (instance, stack_bottom) = (starts[modules], starts[modules + 1]);
    Ok(Draw {
        bases: starts[..modules].into(),
        placement: Placement {
            hypercall: instance,
            boot: instance + PAGE,
            tender_page: instance + 2 * PAGE,
            stack_bottom,
            stack_top: stack_bottom + image.stack,
            heap_start: (region + heap_from + offset) * PAGE,
        },
    })
}

/// Pages of a region for this many pages: as many again stay free, to draw places from.
fn region_pages(pages: u64) -> u64 {
    let wanted = pages.saturating_add(STACK_REACH).saturating_mul(2);
    wanted.checked_next_power_of_two().unwrap_or(u64::MAX).max(REGION_PAGES)
}

/// A start for a span of pages in the region, below the heap or far enough above it, each as likely.
fn beside(heap_from: u64, heap_pages: u64, span: u64, region_pages: u64, source: &mut Source) -> Result<u64, Error> {
    let above_from = heap_from + heap_pages + STACK_REACH;
    let below = (heap_from + 1).saturating_sub(span);
    let above = (region_pages + 1).saturating_sub(above_from + span);
    let drawn = source.below(below + above)?;
    Ok(if drawn < below { drawn } else { above_from + drawn - below })
}

/// The numbers below `count` in an order that is drawn (Fisher and Yates).
fn shuffled(count: usize, source: &mut Source) -> Result<Vec<usize>, Error> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, source.below(last as u64 + 1)? as usize);
    }
    Ok(order)
}

/// `gaps` pages cut into `count` gaps at random places; what is behind the last cut stays free.
fn cuts(count: usize, gaps: u64, source: &mut Source) -> Result<Vec<u64>, Error> {
    let mut cuts = (0..count).map(|_| source.below(gaps + 1)).collect::<Result<Vec<_>, _>>()?;
    cuts.sort_unstable();
    for index in (1..count).rev() {
        cuts[index] -= cuts[index - 1];
    }
    Ok(cuts)
}

#[cfg(test)]
mod tests;
