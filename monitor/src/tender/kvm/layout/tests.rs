//! Every mapping of finished page tables is walked, the heap's large pages included: as a processor would find them, not as they
//! were meant.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;

use crate::image::{Extent, Frame, Image, Module};
use crate::placing::Placed as PlacedImage;
use crate::placing::draw::{DEFAULT_GAPS, Draw, Source};

const ENTRIES: u64 = 512;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

/// What one page of addresses leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaf {
    physical: u64,
    user: bool,
    writable: bool,
    executable: bool,
}

/// Guest physical pages that hold tables.
fn tables(layout: &Layout) -> HashMap<u64, Vec<u8>> {
    let mut pages = HashMap::new();
    for placed in &layout.parts {
        let bytes = match placed.part {
            Part::PageTables => layout.tables().bytes(),
            _ => continue,
        };
        assert_eq!(bytes.len() as u64, placed.pages * PAGE);
        for (number, page) in bytes.chunks_exact(PAGE as usize).enumerate() {
            pages.insert(placed.physical_address + number as u64 * PAGE, page.to_vec());
        }
    }
    pages
}

/// All that the tables map, by guest virtual address.
fn walk(layout: &Layout) -> HashMap<u64, Leaf> {
    let (tables, mut leaves) = (tables(layout), HashMap::new());
    let rights = Leaf {
        physical: 0,
        user: true,
        writable: true,
        executable: true,
    };
    let mut open = vec![(layout.base, 3_u32, 0_u64, rights)];
    while let Some((table, level, virtual_address, rights)) = open.pop() {
        let bytes = tables
            .get(&table)
            .unwrap_or_else(|| panic!("{table:#x} is taken for a table of level {level}"));
        for (index, entry) in (0..ENTRIES).zip(bytes.chunks_exact(8)) {
            let entry = u64::from_le_bytes(entry.try_into().expect("8 bytes"));
            if entry & PRESENT == 0 {
                assert_eq!(entry, 0, "an entry that is not there says nothing");
                continue;
            }
            let address = virtual_address | index << (12 + 9 * level);
            let below = Leaf {
                physical: entry & ADDRESS,
                user: rights.user && entry & USER != 0,
                writable: rights.writable && entry & WRITABLE != 0,
                executable: rights.executable && entry & NO_EXECUTE == 0,
            };
            if level == 0 {
                leaves.insert(address, below);
            } else if level == 1 && entry & LARGE != 0 {
                assert_eq!(below.physical % LARGE_PAGE, 0);
                leaves.extend((0..LARGE_PAGE).step_by(PAGE as usize).map(|offset| {
                    let physical = below.physical + offset;
                    (address + offset, Leaf { physical, ..below })
                }));
            } else {
                assert_eq!(entry & LARGE, 0);
                open.push((below.physical, level - 1, address, below));
            }
        }
    }
    leaves
}

fn check(layout: &Layout, heap: u64) {
    let mut leaves = walk(layout);
    let held = |physical: u64| {
        layout
            .parts
            .iter()
            .find(|placed| (placed.physical_address..placed.physical_address + placed.pages * PAGE).contains(&physical))
    };
    let heap_physical = layout.base + layout.size;
    for (address, leaf) in &leaves {
        assert!(!(leaf.writable && leaf.executable), "{address:#x} is writable and executable");
        assert!(
            leaf.user || !leaf.writable && !leaf.executable,
            "{address:#x} gives ring 0 something"
        );
        let part = held(leaf.physical).map(|placed| placed.part);
        assert!(part != Some(Part::PageTables), "{address:#x} leads to page tables");
        if part.is_none() {
            assert!(leaf.physical >= heap_physical, "{address:#x} leads to nothing");
        }
    }
    for view in &layout.views {
        for page in 0..view.pages {
            let found = leaves.remove(&(view.virtual_address + page * PAGE)).expect("mapped");
            let expected = Leaf {
                physical: view.physical_address + page * PAGE,
                user: view.access != Access::Processor,
                writable: view.access == Access::Guest(Rights::ReadWrite),
                executable: view.access == Access::Guest(Rights::ReadExecute),
            };
            assert_eq!(found, expected, "{:#x}", view.virtual_address + page * PAGE);
        }
    }
    let mut behind = 0;
    for (address, leaf) in leaves {
        let page = address
            .checked_sub(layout.placement.heap_start)
            .unwrap_or_else(|| panic!("{address:#x} is mapped, and neither a part's nor the heap's"))
            / PAGE;
        assert!(leaf.user && leaf.writable && !leaf.executable);
        assert_eq!(leaf.physical, heap_physical + page * PAGE);
        behind += u64::from(page >= heap / PAGE);
    }
    // What the last large page names behind the heap is in no memory slot.
    assert!(behind < LARGE_PAGE / PAGE && (behind == 0 || layout.large), "{behind}");
}

fn image() -> Image {
    let mut image = Image::empty().expect("the floor guest");
    (image.stack, image.heap) = (16 * PAGE, 1000 * PAGE);
    image
}

/// An image with two modules, each with code, constants and a view of the instance's own frames.
fn modules() -> Image {
    let mut image = image();
    let module = Module {
        name: "m".into(),
        pages: 8,
        elf: None,
    };
    let code = image.extents[0].clone();
    let extent = |module, page, rights, content: &Content| Extent {
        offset: page * PAGE,
        module,
        rights,
        content: content.clone(),
        ..code.clone()
    };
    let own = Content::Frames { first: 0 };
    image.extents = vec![
        extent(0, 0, Rights::ReadExecute, &code.content),
        extent(0, 2, Rights::Read, &own),
        extent(0, 3, Rights::ReadWrite, &Content::Frames { first: 1 }),
        extent(1, 0, Rights::ReadExecute, &code.content),
        extent(1, 1, Rights::Read, &own),
    ]
    .into();
    image.modules = vec![module; 2].into();
    image.frames = vec![Frame::default(); 2].into();
    image
}

#[test]
fn fixed_tables_map_what_they_are_to_and_nothing_else() {
    let image = Arc::new(image());
    let placed = PlacedImage::new(&image, &Draw::fixed(&image).expect("a fixed layout"));
    for heap in [0, PAGE, image.heap, 5000 * PAGE] {
        check(&Layout::new(&placed, heap), heap);
    }
}

#[test]
fn drawn_tables_map_what_they_are_to_and_nothing_else() {
    let image = Arc::new(modules());
    for seed in 0..200 {
        let heap = [0, PAGE, 300 * PAGE, 1000 * PAGE, 4000 * PAGE][seed as usize % 5];
        let draw = Draw::of(&image, heap, DEFAULT_GAPS, &mut Source::Seed(seed)).expect("a draw");
        check(&Layout::new(&PlacedImage::new(&image, &draw), heap), heap);
    }
}

#[test]
fn a_heap_of_many_gibibytes_costs_a_directory_for_each() {
    let image = Arc::new(modules());
    let heap = 3 << 30;
    let draw = Draw::of(&image, heap, DEFAULT_GAPS, &mut Source::Seed(7)).expect("a draw");
    let layout = Layout::new(&PlacedImage::new(&image, &draw), heap);
    check(&layout, heap);
    assert!(layout.table_pages() < 20, "{}", layout.table_pages());
}
