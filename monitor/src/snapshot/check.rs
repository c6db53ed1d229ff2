//! What a snapshot must fulfil beyond its form: it lies where its image may lie, and replaces only what a guest writes.

use super::Stretch;
use super::manifest::{DrawText, RangeText};
use crate::abi::Waiting;
use crate::image::{Content, Image, PAGE, Rights};
use crate::placing::draw::{Draw, LARGEST_REGION_PAGES, REGION_PAGES, REGIONS_FROM, REGIONS_TO};
use crate::placing::placement::Placement;
use crate::placing::{Extent, Placed};

/// Hypercall page, boot page, tender's page.
const INSTANCE_PAGES: u64 = 3;
/// Pages that an instance may have before its first request: 512 KiB.
pub const FIRST_WRITES: u64 = 128;

/// The addresses that a snapshot's image lay at: there if the image's are drawn, in one region, none over another.
pub fn draw(text: Option<&DrawText>, image: &Image) -> Result<Draw, String> {
    let text = match (text, Draw::fixed(image)) {
        (None, Some(fixed)) => return Ok(fixed),
        (Some(text), None) => text,
        _ => return Err("draw: is for the layout aslr, and there for every image of it".into()),
    };
    if text.modules.len() != image.modules.len() {
        return Err(format!(
            "draw.modules: {} addresses for {} modules",
            text.modules.len(),
            image.modules.len()
        ));
    }
    let bases: Vec<u64> = text.modules.iter().map(|address| address.0).collect();
    let sizes = image.modules.iter().map(|module| module.pages);
    let mut blocks: Vec<(u64, u64)> = bases.iter().copied().zip(sizes).collect();
    let heap_pages = image.heap / PAGE;
    blocks.extend([
        (text.instance.0, INSTANCE_PAGES),
        (text.stack.0, image.stack / PAGE),
        (text.heap.0, heap_pages),
    ]);
    blocks.sort_unstable();
    // A region that holds every region of a large heap: both are powers of two.
    let region_pages = if heap_pages <= REGION_PAGES / 4 {
        REGION_PAGES
    } else {
        LARGEST_REGION_PAGES
    };
    let first = blocks[0].0 / PAGE;
    if !(REGIONS_FROM * REGION_PAGES..REGIONS_TO * REGION_PAGES).contains(&first) {
        return Err(format!("draw: {:#x} is outside all regions", blocks[0].0));
    }
    let region = first / region_pages * region_pages;
    let mut free = region;
    for &(address, pages) in &blocks {
        let first = address / PAGE;
        let end = first.saturating_add(pages);
        if address % PAGE != 0 || first < free || end > region + region_pages {
            return Err(format!(
                "draw: {pages} pages at {address:#x} overlap others or leave the region"
            ));
        }
        free = end;
    }
    Ok(Draw {
        bases: bases.into(),
        placement: Placement {
            hypercall: text.instance.0,
            boot: text.instance.0 + PAGE,
            tender_page: text.instance.0 + 2 * PAGE,
            stack_bottom: text.stack.0,
            stack_top: text.stack.0 + image.stack,
            heap_start: text.heap.0,
        },
    })
}

/// Stretches ascend, do not overlap, and each replaces writable pages or an aslr image's tables.
pub fn stretches(stretches: &[Stretch], placed: &Placed) -> Result<(), String> {
    let places = replaceable(placed);
    let mut free = 0;
    for (index, stretch) in stretches.iter().enumerate() {
        let end = stretch
            .pages
            .checked_mul(PAGE)
            .and_then(|bytes| stretch.address.checked_add(bytes));
        let Some(end) = end.filter(|_| stretch.address % PAGE == 0 && stretch.pages > 0 && stretch.address >= free) else {
            return Err(format!("pages[{index}]: {:#x} is out of order, or no page", stretch.address));
        };
        if !places.iter().any(|&(from, to)| from <= stretch.address && end <= to) {
            return Err(format!(
                "pages[{index}]: {} pages at {:#x} are not all writable memory of {}",
                stretch.pages, stretch.address, placed.image.name
            ));
        }
        free = end;
    }
    Ok(())
}

/// The stack and the place for a message are the guest's own writable memory.
pub fn waiting(waiting: &Waiting, placed: &Placed) -> Result<(), String> {
    let Placement {
        stack_bottom, stack_top, ..
    } = placed.placement;
    if !(stack_bottom..=stack_top - 8).contains(&waiting.rsp) || waiting.rsp % 8 != 0 {
        return Err(format!("waiting.rsp: {:#x} is not in the stack", waiting.rsp));
    }
    let end = waiting.receive_address.checked_add(waiting.receive_bytes);
    let inside = |&(from, to): &(u64, u64)| waiting.receive_address >= from && end.is_some_and(|end| end <= to);
    if replaceable(placed).iter().any(inside) {
        Ok(())
    } else {
        Err(format!(
            "waiting.receive_address: {:#x} is not writable memory",
            waiting.receive_address
        ))
    }
}

/// All of the heap that the snapshot holds something of, and that the waiting guest has its message in, is usable.
pub fn heap_ready(bytes: u64, stretches: &[Stretch], waiting: &Waiting, placed: &Placed) -> Result<(), String> {
    let (heap, size) = (placed.placement.heap_start, placed.image.heap);
    let message = (waiting.receive_address, waiting.receive_address + waiting.receive_bytes);
    let used = stretches
        .iter()
        .map(|stretch| (stretch.address, stretch.end()))
        .chain([message]);
    let used = used.filter(|(from, _)| (heap..heap + size).contains(from));
    let end = used.map(|(_, end)| end - heap).max().unwrap_or(0);
    if bytes % PAGE == 0 && (end..=size).contains(&bytes) {
        Ok(())
    } else {
        Err(format!(
            "heap_ready: is {bytes}, of a heap of {size} bytes that is used up to {end}"
        ))
    }
}

/// What a first request writes: ascending, and writable. A few pages: an instance that is not asked has them for a while.
pub fn first_writes(ranges: &[RangeText], placed: &Placed) -> Result<Vec<[u64; 2]>, String> {
    let places = writable(placed);
    let (mut free, mut pages) = (0, 0_u64);
    let mut checked = Vec::with_capacity(ranges.len().min(FIRST_WRITES as usize));
    for (index, range) in ranges.iter().enumerate() {
        let (address, bytes) = (range.address.0, range.pages.checked_mul(PAGE));
        let end = bytes.and_then(|bytes| address.checked_add(bytes));
        let Some(end) = end.filter(|_| address % PAGE == 0 && range.pages > 0 && address >= free) else {
            return Err(format!("first_writes[{index}]: {address:#x} is out of order, or no page"));
        };
        if !places.iter().any(|&(from, to)| from <= address && end <= to) {
            return Err(format!(
                "first_writes[{index}]: {} pages at {address:#x} are not all writable memory of {}",
                range.pages, placed.image.name
            ));
        }
        pages = pages.saturating_add(range.pages);
        if pages > FIRST_WRITES {
            return Err(format!("first_writes[{index}]: they are more than {FIRST_WRITES} pages"));
        }
        checked.push([address, end - address]);
        free = end;
    }
    Ok(checked)
}

/// From and to of all that a snapshot may replace, what touches each other joined.
fn replaceable(placed: &Placed) -> Vec<(u64, u64)> {
    places(placed, |extent| {
        extent.rights == Rights::ReadWrite || matches!(extent.content, Content::Frames { .. })
    })
}

/// The same of what a guest may write.
pub fn writable(placed: &Placed) -> Vec<(u64, u64)> {
    places(placed, |extent| extent.rights == Rights::ReadWrite)
}

fn places(placed: &Placed, is_meant: impl Fn(&Extent) -> bool) -> Vec<(u64, u64)> {
    let extents = placed.extents.iter().filter(|extent| is_meant(extent));
    let mut places: Vec<(u64, u64)> = extents.map(|extent| (extent.address, extent.end())).collect();
    let Placement {
        stack_bottom,
        stack_top,
        heap_start,
        ..
    } = placed.placement;
    places.extend([(stack_bottom, stack_top), (heap_start, heap_start + placed.image.heap)]);
    places.sort_unstable();
    places.dedup_by(|next, before| {
        let joined = next.0 == before.1;
        if joined {
            before.1 = next.1;
        }
        joined
    });
    places
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::image::manifest::Address;

    const HEAP_PAGES: u64 = 40;

    fn placed() -> Placed {
        let mut image = Image::empty().expect("the floor guest");
        image.heap = HEAP_PAGES * PAGE;
        let image = Arc::new(image);
        let draw = Draw::fixed(&image).expect("a layout without a draw");
        Placed::new(&image, &draw)
    }

    fn range(address: u64, pages: u64) -> RangeText {
        RangeText {
            address: Address(address),
            pages,
        }
    }

    /// The same rules, page by page.
    fn is_right(ranges: &[RangeText], placed: &Placed) -> bool {
        let Placement {
            stack_bottom,
            stack_top,
            heap_start,
            ..
        } = placed.placement;
        let mut writable: HashSet<u64> = (stack_bottom / PAGE..stack_top / PAGE).collect();
        writable.extend(heap_start / PAGE..heap_start / PAGE + HEAP_PAGES);
        let mut pages = Vec::new();
        for range in ranges {
            if range.pages == 0 || range.pages > FIRST_WRITES || range.address.0 % PAGE != 0 {
                return false;
            }
            pages.extend((0..range.pages).map(|page| range.address.0 / PAGE + page));
        }
        pages.len() as u64 <= FIRST_WRITES
            && pages.windows(2).all(|pair| pair[0] < pair[1])
            && pages.iter().all(|page| writable.contains(page))
    }

    #[test]
    fn first_writes_are_taken_exactly_where_each_page_of_them_is_right() {
        let placed = placed();
        let Placement {
            stack_bottom,
            heap_start,
            ..
        } = placed.placement;
        // Knuth's MMIX generator: numbers that are the same each time.
        let mut state = 13_u64;
        let mut below = |limit: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut taken = 0;
        for _ in 0..20_000 {
            let ranges: Vec<RangeText> = (0..below(4))
                .map(|_| {
                    let from = if below(2) == 0 { stack_bottom } else { heap_start };
                    let odd = if below(20) == 0 { below(PAGE) } else { 0 };
                    range(from.wrapping_add(below(70) * PAGE).wrapping_sub(2 * PAGE) + odd, below(70))
                })
                .collect();
            let checked = first_writes(&ranges, &placed);
            assert_eq!(checked.is_ok(), is_right(&ranges, &placed), "{ranges:x?}: {checked:?}");
            if let Ok(checked) = checked {
                taken += usize::from(!checked.is_empty());
                let same = checked
                    .iter()
                    .zip(&ranges)
                    .all(|(found, range)| *found == [range.address.0, range.pages * PAGE]);
                assert!(same && checked.len() == ranges.len());
            }
        }
        assert!(taken > 500, "{taken} of them had anything to say");
    }

    #[test]
    fn numbers_that_overflow_are_refused() {
        let placed = placed();
        for (address, pages) in [
            (0, u64::MAX),
            (u64::MAX - PAGE + 1, 1),
            (u64::MAX, 1),
            (placed.placement.heap_start, 1 << 52),
        ] {
            assert!(first_writes(&[range(address, pages)], &placed).is_err());
        }
    }
}
