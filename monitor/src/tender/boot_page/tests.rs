use std::collections::BTreeMap;

use super::*;
use std::sync::Arc;

use crate::image::Image;
use crate::placing::Placed;
use crate::placing::draw::Draw;
use crate::tender::{Prepared, Sharing};

fn build_for(argv: &[&str], env: &[(&str, &str)]) -> Result<Page, Error> {
    let image = Arc::new(Image::empty().expect("the floor guest"));
    let placed = Placed::new(&image, &Draw::fixed(&image).expect("a fixed layout"));
    let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let spec = Spec {
        placed: &placed,
        beginning: Beginning::Entry,
        sharing: Sharing::Pool,
        heap: 8192,
        argv: &argv,
        env: &env,
        park_after: None,
        log_bytes: None,
        prepared: &Prepared::default(),
    };
    build(&spec, Clock::read(1000), spec.heap, &[])
}

#[test]
fn strings_lie_where_the_header_says() {
    let page = build_for(&["a", "", "cd"], &[("B", "2"), ("A", "1")]).expect("a page");
    let boot: Boot = bytemuck::pod_read_unaligned(&page[..size_of::<Boot>()]);
    let at = |offset: u32, text: &[u8]| assert_eq!(&page[offset as usize..offset as usize + text.len()], text);
    assert_eq!((boot.argc, boot.envc), (3, 2));
    at(boot.argv_offset, b"a\0\0cd\0");
    at(boot.env_offset, b"A=1\0B=2\0");
    assert_eq!((boot.heap_ready, boot.heap_limit, boot.tsc_hz), (8192, 8192, 1000));
    assert!(boot.tsc_start != 0 && boot.monotonic_start != 0 && boot.realtime_start > 1_600_000_000_000_000_000);
}

#[test]
fn seeds_differ() {
    let seed = |page: Page| bytemuck::pod_read_unaligned::<Boot>(&page[..size_of::<Boot>()]).random;
    assert_ne!(
        seed(build_for(&[], &[]).expect("a page")),
        seed(build_for(&[], &[]).expect("a page"))
    );
}

#[test]
fn the_limit_is_exact() {
    let fits = "x".repeat(STRINGS_MAX - 1);
    assert!(build_for(&[&fits], &[]).is_ok());
    let error = build_for(&[&fits, ""], &[]).expect_err("one byte too many");
    assert!(error.to_string().contains(&STRINGS_MAX.to_string()), "{error}");
}
