//! Relocation records of an aslr image (docs/formats/aslr.md): checked once when the image is loaded, read again for each instance that
//! is placed. Kept they would be most of what the zygote holds of an image.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::pool::Run;
use super::{Frame, PAGE};

/// Bytes of a relocation record and of what it writes, and the target that stands for none.
const RECORD: usize = 16;
const ADDRESS: u64 = 8;
const ABSOLUTE: u32 = u32::MAX;

/// Records that were checked. The file is a verified run.
#[derive(Clone, Debug)]
pub struct Relocations {
    file: Arc<File>,
    count: u64,
}

/// The 8 bytes at byte `place` of the frames become `target`'s base (none: 0) + `addend`.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub place: u64,
    pub target: Option<usize>,
    pub addend: i64,
}

impl Record {
    fn parse(bytes: &[u8]) -> Self {
        let [place, target, low, high] =
            [0, 4, 8, 12].map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        Self {
            place: u64::from(place),
            target: (target != ABSOLUTE).then_some(target as usize),
            addend: (u64::from(low) | u64::from(high) << 32) as i64,
        }
    }

    /// Whether it lies wholly inside a frame and names a module that is there.
    pub fn fits(&self, frames: usize, modules: usize) -> bool {
        self.place / PAGE < frames as u64
            && self.place % PAGE <= PAGE - ADDRESS
            && self.target.is_none_or(|target| target < modules)
    }
}

impl Relocations {
    /// Check that the first `count` records of a run are in order, each wholly inside a frame, none over another, and name modules that
    /// are there. Marks the frames that they write to.
    pub fn check(run: Run, count: u64, modules: usize, frames: &mut [Frame]) -> Result<Self, String> {
        if count.checked_mul(RECORD as u64).is_none_or(|bytes| bytes > run.pages * PAGE) {
            return Err("count: more than the run holds".into());
        }
        let relocations = Self { file: run.file, count };
        let mut order = Order::default();
        relocations
            .each(|record| order.check(record, modules, frames))
            .map_err(|error| error.to_string())??;
        Ok(relocations)
    }

    /// Give each record to `act`, until it fails. Reads a page of them at a time.
    pub fn each<E>(&self, mut act: impl FnMut(Record) -> Result<(), E>) -> std::io::Result<Result<(), E>> {
        let mut page = [0; PAGE as usize];
        let bytes = self.count * RECORD as u64;
        let mut at = 0;
        while at < bytes {
            let part = &mut page[..(bytes - at).min(PAGE) as usize];
            self.file.read_exact_at(part, at)?;
            at += part.len() as u64;
            for record in part.chunks_exact(RECORD) {
                if let Err(error) = act(Record::parse(record)) {
                    return Ok(Err(error));
                }
            }
        }
        Ok(Ok(()))
    }
}

/// What was seen of the records before.
#[derive(Default)]
struct Order {
    count: usize,
    free: u64,
}

impl Order {
    fn check(&mut self, record: Record, modules: usize, frames: &mut [Frame]) -> Result<(), String> {
        let Record { place, target, .. } = record;
        if place < self.free || !record.fits(frames.len(), modules) {
            let target = target.map_or("none".into(), |target| target.to_string());
            return Err(format!(
                "record {} is out of place: byte {place:#x}, target {target}",
                self.count
            ));
        }
        frames[(place / PAGE) as usize].relocated = true;
        self.free = place + ADDRESS;
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
