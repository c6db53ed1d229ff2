//! Address space layout randomisation: a base for every module, for the stack, the heap and the instance's own pages, drawn for each
//! instance, and the few pages that depend on them (docs/formats/aslr.md).

use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use rustix::rand::GetRandomFlags;

use crate::error::Error;
use crate::placement::Placement;
use crate::plan::{Content, Extent, PAGE, Plan, Record};

/// Regions start at multiples of this; below them nothing of ours or the kernel's is, above them the monitor itself.
const REGION: u64 = 1 << 30;
const REGIONS_FROM: u64 = 4;
const REGIONS_TO: u64 = 0x5000;
/// Pages that lie between the blocks of an instance, beside the one guard page that each has below it: what gaps are drawn from.
/// More would spread modules over more of the page tables that every instance pays for.
const SLACK_PAGES: u64 = 2048;
/// Hypercall page, boot page, tender's page.
const INSTANCE_PAGES: u64 = 3;

/// Where the parts of one instance lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Of each module.
    pub bases: Box<[u64]>,
    pub placement: Placement,
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

/// Draw a region, the order of all blocks in it, and the gaps between them. A library's base says nothing of another's: order and
/// gaps are drawn independently, so differences of bases vary as bases do.
pub fn draw(plan: &Plan, heap: u64, source: &mut Source) -> Result<Draw, Error> {
    let mut sizes: Vec<u64> = plan.modules.iter().map(|module| module.pages).collect();
    sizes.extend([INSTANCE_PAGES, plan.stack / PAGE, heap / PAGE]);
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, source.below(last as u64 + 1)? as usize);
    }
    let mut cuts = Vec::with_capacity(sizes.len());
    for _ in &sizes {
        cuts.push(source.below(SLACK_PAGES)?);
    }
    cuts.sort_unstable();
    let total = sizes.iter().sum::<u64>() + sizes.len() as u64 + SLACK_PAGES;
    if total * PAGE > REGION {
        return Err(Error::BadRequest {
            what: format!("{}: {total} pages do not fit into a region of {REGION} bytes", plan.name),
        });
    }
    let region = REGION * (REGIONS_FROM + source.below(REGIONS_TO - REGIONS_FROM)?);
    let mut starts = vec![0; sizes.len()];
    let mut next = 0;
    for (block, gap) in order.into_iter().zip(cuts) {
        // The gaps so far are `gap` pages in all; each block has a guard page below it.
        next += 1;
        starts[block] = region + (next + gap) * PAGE;
        next += sizes[block];
    }
    let modules = plan.modules.len();
    let (instance, stack_bottom, heap_start) = (starts[modules], starts[modules + 1], starts[modules + 2]);
    Ok(Draw {
        bases: starts[..modules].into(),
        placement: Placement {
            hypercall: instance,
            boot: instance + PAGE,
            tender_page: instance + 2 * PAGE,
            stack_bottom,
            stack_top: stack_bottom + plan.stack,
            heap_start,
        },
    })
}

/// The plan at its drawn addresses, without the bytes of relocated pages: enough to name what lies where.
pub fn place(plan: &Plan, draw: &Draw) -> Plan {
    let mut extents: Vec<Extent> = plan
        .extents
        .iter()
        .map(|extent| Extent {
            address: extent.address + draw.bases[extent.module],
            ..extent.clone()
        })
        .collect();
    extents.sort_unstable_by_key(|extent| extent.address);
    Plan {
        entry: plan.entry + draw.bases[0],
        extents,
        drawn: Some(draw.clone()),
        kvm_tables: OnceLock::new(),
        ..plan.clone()
    }
}

/// The plan at its drawn addresses, relocated pages filled in.
pub fn locate(plan: &Plan, draw: &Draw) -> Result<Plan, Error> {
    let mut located = place(plan, draw);
    for extent in &mut located.extents {
        if !extent.relocated {
            continue;
        }
        let Content::Run { file, first } = &extent.content else {
            continue;
        };
        let mut bytes = vec![0; (extent.pages * PAGE) as usize];
        file.read_exact_at(&mut bytes, first * PAGE)
            .map_err(|error| Error::io("reading pages to relocate", error))?;
        let start = extent.address - draw.bases[extent.module];
        for record in records_in(&plan.records, extent.module, start, bytes.len() as u64) {
            let value = match record.target {
                Some(target) => draw.bases[target].wrapping_add_signed(record.addend),
                None => record.addend as u64,
            };
            let at = (record.offset - start) as usize;
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        extent.content = Content::Bytes(Arc::from(bytes));
    }
    Ok(located)
}

/// The records of a stretch of a module; all are sorted by module and offset, and none crosses a page (loading.rs).
fn records_in(records: &[Record], module: usize, start: u64, length: u64) -> &[Record] {
    let from = records.partition_point(|record| (record.module, record.offset) < (module, start));
    let to = records.partition_point(|record| (record.module, record.offset) < (module, start + length));
    &records[from..to]
}

#[cfg(test)]
mod tests;
