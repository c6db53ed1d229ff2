//! An instance's own frames under the layout aslr: their first contents, and the addresses that the loader writes into them.
//! Called by both tenders, which say where each frame is while it is filled.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::Error;
use crate::image::relocations::Record;
use crate::image::{Image, PAGE};
use crate::memory::address::pointer;
use crate::placing::draw::Draw;

/// Fill frames: `room(frame)` is where a frame is in this process; its first content is copied there if `copied(frame)`, else it was
/// mapped so, as zeros are.
///
/// # Safety
/// Every address that `room` gives is that of a page which is mapped writable and which nothing refers to.
pub unsafe fn fill(
    image: &Image,
    draw: &Draw,
    room: impl Fn(usize) -> u64,
    copied: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    for (number, frame) in image.frames.iter().enumerate() {
        if let Some(content) = frame.content.as_ref().filter(|_| copied(number)) {
            // SAFETY: the caller's promise.
            let bytes = unsafe { std::slice::from_raw_parts_mut(pointer(room(number)).cast::<u8>(), PAGE as usize) };
            read(content, bytes)?;
        }
    }
    if !image.is_whole() {
        return Err(Error::Defect {
            what: format!("{} begins at its entry without its relocations", image.name),
        });
    }
    let Some(relocations) = &image.relocations else {
        return Ok(());
    };
    let write = |record: Record| {
        // It was checked when the image was loaded: the file has changed since.
        if !record.fits(image.frames.len(), draw.bases.len()) {
            return Err(Error::DamagedPool {
                what: format!("the relocations of {} are not what they were", image.name),
            });
        }
        let value = match record.target {
            Some(target) => draw.bases[target].wrapping_add_signed(record.addend),
            None => record.addend as u64,
        };
        let at = room((record.place / PAGE) as usize) + record.place % PAGE;
        // SAFETY: the caller's promise; the record lies wholly inside its frame.
        unsafe { pointer(at).cast::<u64>().write_unaligned(value) };
        Ok(())
    };
    relocations
        .each(write)
        .map_err(|error| Error::io("reading an image's relocations", error))?
}

fn read(content: &File, bytes: &mut [u8]) -> Result<(), Error> {
    content
        .read_exact_at(bytes, 0)
        .map_err(|error| Error::io("reading the first content of a frame", error))
}
