//! Snapshots: an image as it was when it first waited for a request, from which any number of instances begin
//! (docs/formats/snapshot.md).

pub mod check;
pub mod choice;
pub mod manifest;
pub mod processor;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::abi::Waiting;
use crate::error::Error;
use crate::image::pool::Pool;
use crate::image::{Content, Image, PAGE};
use crate::placing::placement::Placement;
use crate::placing::{Extent, Placed, Resumption};
use manifest::SnapshotText;

/// `pages` pages from `address` on, from page `first` of a verified run.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub address: u64,
    pub pages: u64,
    pub file: Arc<File>,
    pub first: u64,
}

impl Stretch {
    fn end(&self) -> u64 {
        self.address + self.pages * PAGE
    }

    fn content(&self, address: u64) -> Content {
        Content::Run {
            file: Arc::clone(&self.file),
            first: (self.first + (address - self.address) / PAGE) as u32,
        }
    }
}

/// Check the snapshot at `path` against its image and this processor, and open the runs that it names: the image at the snapshot's
/// addresses and with its pages.
///
/// `file` is the snapshot at `path`, open.
pub fn load(file: File, path: &Path, image: &Arc<Image>, pool: &Pool) -> Result<Placed, Error> {
    let text = SnapshotText::parse(&read(file, path)?, path)?;
    let named = |what: String| Error::BadSnapshot {
        what: format!("{}: {what}", path.display()),
    };
    if text.image.to_string() != image.identity {
        return Err(named(format!("{} was built again since it was taken", image.name)));
    }
    let missing = processor::missing(&text.processor);
    if !missing.is_empty() {
        return Err(named(format!(
            "it was taken on a processor that has {}, which this one lacks",
            missing.join(", ")
        )));
    }
    let draw = check::draw(text.draw.as_ref(), image).map_err(named)?;
    let waiting = text.waiting().map_err(named)?;
    let mut stretches = Vec::with_capacity(text.pages.len());
    for (index, stretch) in text.pages.iter().enumerate() {
        let run = pool.run(&stretch.run)?;
        if stretch.first.checked_add(stretch.pages).is_none_or(|end| end > run.pages) {
            return Err(named(format!(
                "pages[{index}].first: {} + {} pages are more than the run's {}",
                stretch.first, stretch.pages, run.pages
            )));
        }
        stretches.push(Stretch {
            address: stretch.address.0,
            pages: stretch.pages,
            file: run.file,
            first: stretch.first,
        });
    }
    let mut placed = Placed::new(image, &draw);
    // Where addresses are fixed, the image's serve its snapshots too.
    placed.page_tables = text.page_tables.or(placed.page_tables);
    check::stretches(&stretches, &placed).map_err(named)?;
    let heap_ready = text.heap_ready.unwrap_or(image.heap);
    check::waiting(&waiting, &placed).map_err(named)?;
    check::heap_ready(heap_ready, &stretches, &waiting, &placed).map_err(named)?;
    let first_writes = check::first_writes(&text.first_writes, &placed).map_err(named)?;
    let mut placed = with_pages(placed, waiting, heap_ready, &stretches);
    if let Some(resumption) = &mut placed.resumption {
        resumption.first_writes = first_writes.into();
    }
    Ok(placed)
}

/// The image with the snapshot's pages in place of its own. Frames are plain pages from now on: what shows the same frame at several
/// addresses shows the same page of a run, and nothing reaches a library's data but through the library's own address.
fn with_pages(placed: Placed, waiting: Waiting, heap_ready: u64, stretches: &[Stretch]) -> Placed {
    let mut extents = Vec::with_capacity(placed.extents.len() + stretches.len());
    for extent in &placed.extents {
        cut(extent, stretches, &mut extents);
    }
    let Placement {
        stack_bottom,
        stack_top,
        heap_start,
        ..
    } = placed.placement;
    let heap_end = heap_start + placed.image.heap;
    let own = stretches
        .iter()
        .filter(|stretch| {
            (stack_bottom..stack_top).contains(&stretch.address) || (heap_start..heap_end).contains(&stretch.address)
        })
        .map(|stretch| Extent::own(stretch.address, stretch.pages, stretch.content(stretch.address)))
        .collect();
    Placed {
        extents: extents.into(),
        resumption: Some(Resumption {
            waiting,
            heap_ready,
            own,
            first_writes: Box::default(),
        }),
        ..placed
    }
}

/// An extent as stretches of the snapshot and what lies between them.
fn cut(extent: &Extent, stretches: &[Stretch], into: &mut Vec<Extent>) {
    let end = extent.end();
    let mut at = extent.address;
    let part = |from: u64, to: u64, content| extent.part(from, (to - from) / PAGE, content);
    for stretch in stretches {
        if stretch.end() <= at || stretch.address >= end {
            continue;
        }
        if stretch.address > at {
            into.push(part(at, stretch.address, original(extent, at)));
        }
        let (from, to) = (stretch.address.max(at), stretch.end().min(end));
        into.push(part(from, to, stretch.content(from)));
        at = to;
    }
    if at < end {
        into.push(part(at, end, original(extent, at)));
    }
}

/// What an extent holds from an address in it on, where the snapshot says nothing.
fn original(extent: &Extent, address: u64) -> Content {
    match &extent.content {
        Content::Run { file, first } => Content::Run {
            file: Arc::clone(file),
            first: first + ((address - extent.address) / PAGE) as u32,
        },
        // A frame that was zero.
        Content::Zero | Content::Frames { .. } => Content::Zero,
    }
}

fn read(file: File, path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::BadSnapshot {
        what: format!("{}: {error}", path.display()),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::BadSnapshot {
            what: format!("{} is not a regular file", path.display()),
        });
    }
    let mut text = Vec::new();
    file.take(manifest::MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > manifest::MAX_BYTES {
        return Err(Error::BadSnapshot {
            what: format!("{} has more than {} bytes", path.display(), manifest::MAX_BYTES),
        });
    }
    Ok(text)
}
