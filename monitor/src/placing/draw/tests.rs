//! Draws: disjoint, different, without bias, and repeatable with a seed only.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::image::{Module, RANDOM_HEAP_LIMIT};

fn image() -> Image {
    let mut image = Image::empty().expect("the floor guest");
    image.stack = 16 * PAGE;
    image.modules = [7, 1, 120, 3, 40]
        .map(|pages| Module {
            name: "m".into(),
            pages,
            elf: None,
        })
        .into();
    image
}

fn blocks(image: &Image, draw: &Draw, heap: u64) -> Vec<(u64, u64)> {
    let mut blocks: Vec<_> = image
        .modules
        .iter()
        .zip(&draw.bases)
        .map(|(module, base)| (*base, base + module.pages * PAGE))
        .collect();
    let placement = &draw.placement;
    blocks.push((placement.hypercall, placement.hypercall + INSTANCE_PAGES * PAGE));
    blocks.push((placement.stack_bottom, placement.stack_top));
    blocks.push((placement.heap_start, placement.heap_start + heap));
    blocks.sort_unstable();
    blocks
}

#[test]
fn blocks_are_disjoint_with_a_guard_page_between_and_in_one_region() {
    let (image, heap) = (image(), 64 * PAGE);
    for seed in 0..500 {
        let draw = draw(&image, heap, DEFAULT_GAPS, &mut Source::Seed(seed)).expect("a draw");
        let (stack, heap_end) = (draw.placement.stack_bottom, draw.placement.heap_start + heap);
        assert!(stack < heap_end || stack - heap_end >= STACK_REACH * PAGE);
        let blocks = blocks(&image, &draw, heap);
        assert!(blocks.windows(2).all(|pair| pair[0].1 + PAGE <= pair[1].0), "{blocks:x?}");
        assert_eq!(
            blocks[0].0 / PAGE / REGION_PAGES,
            (blocks.last().expect("some").1 - 1) / PAGE / REGION_PAGES
        );
        assert!(blocks[0].0 >= REGIONS_FROM * REGION_PAGES * PAGE);
    }
}

#[test]
fn a_heap_of_many_gibibytes_has_a_region_of_its_size() {
    let image = image();
    for heap in [256 << 20, 1 << 30, 16 << 30, RANDOM_HEAP_LIMIT] {
        let heap_pages = heap / PAGE;
        let mut places = HashSet::new();
        for seed in 0..200 {
            let draw = draw(&image, heap, DEFAULT_GAPS, &mut Source::Seed(seed)).expect("a draw");
            let (start, stack) = (draw.placement.heap_start, draw.placement.stack_bottom);
            assert!(stack < start || stack - (start + heap) >= STACK_REACH * PAGE);
            let blocks = blocks(&image, &draw, heap);
            assert!(blocks.windows(2).all(|pair| pair[0].1 + PAGE <= pair[1].0), "{blocks:x?}");
            assert!(blocks[0].0 >= REGIONS_FROM * REGION_PAGES * PAGE);
            assert!(blocks.last().expect("some").1 <= REGIONS_TO * REGION_PAGES * PAGE);
            places.insert(start);
        }
        assert!(places.len() > 195, "{heap_pages} pages: {} places", places.len());
    }
    assert!(draw(&image, RANDOM_HEAP_LIMIT * 2, DEFAULT_GAPS, &mut Source::Seed(1)).is_err());
}

#[test]
fn the_same_seed_draws_the_same_and_the_kernel_never_does() {
    let image = image();
    let with = |seed| draw(&image, 0, DEFAULT_GAPS, &mut Source::Seed(seed)).expect("a draw");
    assert_eq!(with(7), with(7));
    assert_ne!(with(7), with(8));
    let bases: HashSet<_> = (0..200)
        .map(|_| draw(&image, 0, DEFAULT_GAPS, &mut Source::Kernel).expect("a draw").bases)
        .collect();
    assert_eq!(bases.len(), 200);
}

#[test]
fn differences_of_bases_vary_and_low_bits_have_no_bias() {
    let image = image();
    let (mut differences, mut low) = (HashSet::new(), BTreeMap::new());
    let count = 10_000;
    for seed in 0..count {
        let bases = draw(&image, 0, DEFAULT_GAPS, &mut Source::Seed(seed)).expect("a draw").bases;
        differences.insert(bases[1].wrapping_sub(bases[0]));
        *low.entry(bases[2] / PAGE % 16).or_insert(0_u32) += 1;
    }
    assert!(differences.len() > 500);
    // Chi-square with 15 degrees of freedom: 37.7 is passed by chance once in a thousand.
    let expected = count as f64 / 16.0;
    let chi_square: f64 = low
        .values()
        .map(|seen| (f64::from(*seen) - expected).powi(2) / expected)
        .sum();
    assert!(low.len() == 16 && chi_square < 37.7, "{chi_square} {low:?}");
}

#[test]
fn gaps_that_no_region_holds_are_refused() {
    let image = image();
    for gaps in [REGION_PAGES / 2, REGION_PAGES, u64::MAX - 7, u64::MAX] {
        let error = draw(&image, 0, gaps, &mut Source::Seed(1)).expect_err("more than there is room for");
        assert!(error.to_string().contains(&gaps.to_string()), "{error}");
    }
}
