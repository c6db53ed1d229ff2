//! `unishare-monitor first-writes`: asks instances of a snapshot one request each, and says which pages all of them wrote.
//!
//! Who calls this puts them into the snapshot (pool/first_writes.py). A request that is not answered says nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dialogue::Dialogue;
use super::{console, pages, read, start};
use crate::error::Error;
use crate::image::manifest::Address;
use crate::image::pool::Pool;
use crate::image::{Image, PAGE};
use crate::placing::Placed;
use crate::snapshot;
use crate::snapshot::check::FIRST_WRITES;
use crate::snapshot::manifest::RangeText;
use crate::zygote::{self, Beginning, Zygote};

#[derive(clap::Args)]
pub struct Arguments {
    /// The image's manifest.
    manifest: PathBuf,
    /// The pool that holds its runs.
    #[arg(long)]
    pool: PathBuf,
    /// A snapshot of the image; may be repeated.
    #[arg(long)]
    snapshot: Vec<PathBuf>,
    /// A request; may be repeated.
    #[arg(long)]
    request: Vec<PathBuf>,
    /// How long each may take to be answered.
    #[arg(long, default_value_t = 10_000)]
    time_limit_ms: u64,
}

/// Print a list of ranges for each snapshot.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let requests = arguments
        .request
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let pool = Pool::open(&arguments.pool)?;
    let image = Arc::new(Image::load(&arguments.manifest, &pool)?);
    let limit = Duration::from_millis(arguments.time_limit_ms);
    let mut zygote = Zygote::fork(Some(&arguments.pool), None)?;
    let summary = zygote.load(&arguments.manifest)?;
    let mut found = Vec::with_capacity(arguments.snapshot.len());
    for path in &arguments.snapshot {
        let placed = snapshot::load(zygote::open_snapshot(path)?, path, &image, &pool)?;
        let number = zygote.snapshot(summary.image, path)?;
        let mut common: Option<Vec<u64>> = None;
        for request in &requests {
            let console = console()?;
            let child = start(&mut zygote, summary.image, Beginning::KeptSnapshot(number), &console)?;
            let Ok(written) = written(&child.0, &placed, request, Instant::now() + limit) else {
                continue;
            };
            common = Some(match common {
                Some(before) => before.into_iter().filter(|page| written.contains(page)).collect(),
                None => written,
            });
        }
        found.push(ranges(&common.unwrap_or_default()));
    }
    let text = serde_json::to_string(&found).map_err(|error| Error::Defect { what: error.to_string() })?;
    println!("{text}");
    Ok(())
}

fn written(child: &zygote::Child, placed: &Placed, request: &[u8], deadline: Instant) -> Result<Vec<u64>, Error> {
    let mut dialogue = Dialogue::new(child, &placed.image.name, deadline);
    dialogue.ready()?;
    dialogue.ask(request)?;
    pages::written(child.pid, placed, deadline)
}

/// Pages that follow each other as one range; no more pages than a snapshot may name.
fn ranges(pages: &[u64]) -> Vec<RangeText> {
    let mut found: Vec<RangeText> = Vec::new();
    for &address in pages.iter().take(FIRST_WRITES as usize) {
        match found.last_mut() {
            Some(last) if last.address.0 + last.pages * PAGE == address => last.pages += 1,
            _ => found.push(RangeText {
                address: Address(address),
                pages: 1,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_follow_each_other_are_one_range() {
        let found = ranges(&[0x1000, 0x2000, 0x5000]);
        let found: Vec<_> = found.iter().map(|range| (range.address.0, range.pages)).collect();
        assert_eq!(found, [(0x1000, 2), (0x5000, 1)]);
        assert!(ranges(&[]).is_empty());
    }

    #[test]
    fn no_more_pages_are_named_than_a_snapshot_may() {
        let pages: Vec<u64> = (0..2 * FIRST_WRITES).map(|page| page * 2 * PAGE).collect();
        assert_eq!(ranges(&pages).iter().map(|range| range.pages).sum::<u64>(), FIRST_WRITES);
    }
}
