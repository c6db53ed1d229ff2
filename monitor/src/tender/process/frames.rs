//! Maps an instance's own frames (layout aslr). A frame that is seen at several addresses is a page of one memory file, mapped there; any
//! other is private memory at its one address.

use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::memory::{anonymous, of_file, protect};
use crate::error::Error;
use crate::image::{Content, Image, PAGE, Rights};
use crate::memory::mapping::READ_WRITE;
use crate::placing::frames;
use crate::placing::{Extent, Placed};
use crate::tender::Sharing;

/// Map and fill all frames of an image whose places were drawn.
pub fn map(placed: &Placed, sharing: Sharing) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::io("mapping the instance's own frames", error);
    let image = &*placed.image;
    let backing = Backing::new(image).map_err(failed)?;
    let mut rooms: Vec<u64> = (0..image.frames.len() as u64)
        .map(|frame| backing.window + frame * PAGE)
        .collect();
    for (extent, first) in extents(placed) {
        for page in 0..extent.pages() {
            let (frame, address) = ((first + page) as usize, extent.address + page * PAGE);
            if image.frames[frame].aliased {
                let rights = match extent.rights {
                    Rights::ReadWrite => READ_WRITE,
                    Rights::Read | Rights::ReadExecute => ProtFlags::READ,
                };
                of_file(
                    address,
                    PAGE as usize,
                    rights,
                    MapFlags::SHARED,
                    &backing.file,
                    frame as u64 * PAGE,
                )
                .map_err(failed)?;
            } else {
                rooms[frame] = address;
                map_own(image, frame, address, sharing).map_err(failed)?;
            }
        }
    }
    // SAFETY: a room is a page of the window or of the guest's memory, mapped above, writable; nothing refers to it yet.
    unsafe {
        frames::fill(
            image,
            &placed.draw,
            |frame| rooms[frame],
            |frame| image.frames[frame].aliased || sharing.copies(),
        )
    }?;
    for (extent, first) in extents(placed) {
        for page in (0..extent.pages()).filter(|page| !image.frames[(first + page) as usize].aliased) {
            protect(extent.address + page * PAGE, PAGE as usize, extent.rights).map_err(failed)?;
        }
    }
    Ok(())
}

/// A frame at its one address: copy-on-write from the pool, or zeros.
fn map_own(image: &Image, frame: usize, address: u64, sharing: Sharing) -> std::io::Result<()> {
    match &image.frames[frame].content {
        Some(content) if sharing == Sharing::Pool => of_file(address, PAGE as usize, READ_WRITE, MapFlags::PRIVATE, content, 0),
        _ => anonymous(address, PAGE as usize),
    }
}

fn extents(placed: &Placed) -> impl Iterator<Item = (&Extent, u64)> {
    placed.extents.iter().filter_map(|extent| match extent.content {
        Content::Frames { first } => Some((extent, first.into())),
        _ => None,
    })
}

/// The memory file with the frames that are seen at several addresses, and a window on it to fill them through. The window goes with the
/// monitor, the descriptor with all others: what is left are the guest's mappings.
struct Backing {
    file: File,
    window: u64,
}

impl Backing {
    fn new(image: &Image) -> std::io::Result<Self> {
        let bytes = image.frames.len() as u64 * PAGE;
        let file = File::from(memfd_create("unishare-frames", MemfdFlags::CLOEXEC)?);
        ftruncate(&file, bytes)?;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let window = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes as usize,
                READ_WRITE,
                MapFlags::SHARED,
                file.as_fd(),
                0,
            )
        }?;
        Ok(Self {
            file,
            window: window.expose_provenance() as u64,
        })
    }
}
