//! Maps an instance's memory into the calling process at its guest addresses. Nothing is replaced: an address that is taken is an
//! error.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mprotect};

use super::{frames, hypercall_page};
use crate::error::Error;
use crate::image::{Content, PAGE, Rights};
use crate::memory::address::pointer;
use crate::memory::mapping::{self, Over, READ_WRITE};
use crate::placing::Extent;
use crate::placing::placement::Placement;
use crate::tender::boot_page;
use crate::tender::{Sharing, Spec};

/// Map all that `spec` asks for.
pub fn map(spec: &Spec<'_>, placement: &Placement, boot: &boot_page::Page) -> Result<(), Error> {
    for extent in &spec.placed.extents {
        let what = || {
            format!(
                "mapping {} pages at {:#x} ({})",
                extent.pages(),
                extent.address,
                spec.placed.image.extents[extent.source()].part.section
            )
        };
        map_extent(extent, spec.sharing).map_err(|error| Error::io(what(), error))?;
    }
    if spec.placed.image.is_random() && spec.placed.resumption.is_none() {
        frames::map(spec.placed, spec.sharing)?;
    }
    map_instance(spec, placement, boot)
}

fn map_extent(extent: &Extent, sharing: Sharing) -> std::io::Result<()> {
    let length = (extent.pages() * PAGE) as usize;
    match (&extent.content, sharing) {
        (Content::Zero, _) => anonymous(extent.address, length),
        (Content::Frames { .. }, _) => Ok(()),
        (Content::Run { file, first }, Sharing::Pool) => {
            let (protection, flags) = match extent.rights {
                Rights::ReadExecute => (ProtFlags::READ | ProtFlags::EXEC, MapFlags::SHARED),
                Rights::Read => (ProtFlags::READ, MapFlags::SHARED),
                Rights::ReadWrite => (READ_WRITE, MapFlags::PRIVATE),
            };
            of_file(extent.address, length, protection, flags, file, u64::from(*first) * PAGE)
        }
        (Content::Run { file, first }, Sharing::Copy | Sharing::Ksm) => {
            mapping::filled(extent.address, extent.pages(), Over::Nothing, |room| {
                file.read_exact_at(room, u64::from(*first) * PAGE)
            })?;
            protect(extent.address, length, extent.rights)
        }
    }
}

/// The instance's own pages: hypercall page, boot page, signal page, guard, stack, guard, heap.
fn map_instance(spec: &Spec<'_>, placement: &Placement, boot: &boot_page::Page) -> Result<(), Error> {
    let failed = |what: &str| {
        let what = format!("mapping the instance's {what}");
        move |error: std::io::Error| Error::io(what, error)
    };
    let page = PAGE as usize;
    let code = hypercall_page::file()?;
    of_file(
        placement.hypercall,
        page,
        ProtFlags::READ | ProtFlags::EXEC,
        MapFlags::SHARED,
        code,
        0,
    )
    .map_err(failed("hypercall page"))?;
    anonymous(placement.boot, page).map_err(failed("boot page"))?;
    // SAFETY: this page was mapped just now, writable, for nobody else.
    unsafe { pointer(placement.boot).cast::<boot_page::Page>().write(*boot) };
    protect(placement.boot, page, Rights::Read).map_err(failed("boot page"))?;
    anonymous(placement.tender_page, page).map_err(failed("signal page"))?;
    anonymous(placement.stack_bottom, spec.placed.image.stack as usize).map_err(failed("stack"))?;
    if spec.heap > 0 {
        anonymous(placement.heap_start, spec.heap as usize).map_err(failed("heap"))?;
    }
    for extent in spec.placed.resumption.iter().flat_map(|resumption| &resumption.own) {
        if let Content::Run { file, first } = &extent.content {
            let private = (READ_WRITE, MapFlags::PRIVATE);
            mapping::of_file(
                extent.address,
                extent.pages(),
                private,
                (file, (*first).into()),
                Over::Reservation,
            )
            .map_err(failed("snapshot"))?;
        }
    }
    Ok(())
}

/// Zero pages on demand.
pub(super) fn anonymous(address: u64, length: usize) -> std::io::Result<()> {
    mapping::anonymous(address, length as u64 / PAGE, Over::Nothing)
}

pub(super) fn of_file(
    address: u64,
    length: usize,
    rights: ProtFlags,
    flags: MapFlags,
    file: &File,
    offset: u64,
) -> std::io::Result<()> {
    mapping::of_file(
        address,
        length as u64 / PAGE,
        (rights, flags),
        (file, offset / PAGE),
        Over::Nothing,
    )
}

pub(super) fn protect(address: u64, length: usize, rights: Rights) -> std::io::Result<()> {
    let flags = match rights {
        Rights::ReadExecute => MprotectFlags::READ | MprotectFlags::EXEC,
        Rights::Read => MprotectFlags::READ,
        Rights::ReadWrite => return Ok(()),
    };
    // SAFETY: the callers mapped these pages for the guest; no reference into them is left.
    unsafe { mprotect(pointer(address), length, flags) }?;
    Ok(())
}
