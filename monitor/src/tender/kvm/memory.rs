//! An instance's memory in the tender's own address space, and the way from guest addresses to it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise};

use super::hypercall_page;
use super::layout::{Layout, Part};
use super::page_tables::{Access, Plan, Table};
use crate::error::Error;
use crate::image::{Content, PAGE, Rights};
use crate::memory::address::pointer;
use crate::memory::mapping::{self, Over, READ_WRITE};
use crate::placing::Placed;
use crate::placing::frames;
use crate::tender::Sharing;
use crate::tender::boot_page;

/// Guest memory, mapped.
#[derive(Debug)]
pub struct Memory {
    /// Host address of the compact piece, of the heap right behind it, and of the stack that fault handlers run on.
    pub base: u64,
    pub heap: u64,
    pub fault_stack: u64,
    regions: Vec<Region>,
    /// Of what is mapped shared, which comes again by itself: host address and bytes.
    shared: Vec<(u64, u64)>,
    /// Page tables of this instance's own, to be built again; those of a file come again by themselves.
    tables: Option<Plan>,
    table_bytes: u64,
}

/// Guest virtual addresses that lie together in host memory too.
#[derive(Debug)]
struct Region {
    start: u64,
    end: u64,
    host: u64,
    writable: bool,
}

impl Memory {
    /// Map everything.
    pub fn map(
        placed: &Placed,
        layout: &Layout,
        sharing: Sharing,
        tables: Tables<'_>,
        boot: &boot_page::Page,
    ) -> Result<Self, Error> {
        let base =
            mapping::reserve(layout.size + layout.heap).map_err(|error| Error::io("reserving the guest's memory", error))?;
        let mut memory = Self {
            base,
            heap: base + layout.size,
            fault_stack: 0,
            regions: Vec::with_capacity(layout.views.len() + 1),
            shared: Vec::new(),
            tables: None,
            table_bytes: layout.table_pages() * PAGE,
        };
        for located in &layout.parts {
            let (host, pages) = (base + (located.physical_address - layout.base), located.pages);
            if located.part == Part::FaultStack {
                memory.fault_stack = host;
            }
            let map = Map { host, pages, sharing };
            if map.part(located.part, placed, &tables, boot)? == Mapped::Shared {
                memory.add_shared(host, pages * PAGE);
            }
        }
        if let Tables::Own(plan) = tables {
            memory.tables = Some(plan);
            memory.build_tables();
        }
        if layout.heap > 0 {
            anonymous(memory.heap, layout.heap / PAGE).map_err(|error| Error::io("mapping the guest's heap", error))?;
        }
        memory
            .show_snapshot(placed, layout)
            .map_err(|error| Error::io("mapping the snapshot's pages", error))?;
        for view in &layout.views {
            if let Access::Guest(rights) = view.access {
                let host = base + (view.physical_address - layout.base);
                memory.add_region(view.virtual_address, view.pages, host, rights == Rights::ReadWrite);
            }
        }
        Ok(memory)
    }

    /// Pages of a snapshot in the stack and in the heap, over the zeros there.
    fn show_snapshot(&self, placed: &Placed, layout: &Layout) -> std::io::Result<()> {
        let stack = layout.parts.iter().find(|located| located.part == Part::Stack);
        let stack = stack.map_or(0, |located| self.base + (located.physical_address - layout.base));
        let placement = &layout.placement;
        for extent in placed.resumption.iter().flat_map(|resumption| &resumption.own) {
            let host = if extent.address >= placement.heap_start && extent.address < placement.heap_start + layout.heap {
                self.heap + (extent.address - placement.heap_start)
            } else {
                stack + (extent.address - placement.stack_bottom)
            };
            if let Content::Run { file, first } = &extent.content {
                let private = (READ_WRITE, MapFlags::PRIVATE);
                mapping::of_file(host, extent.pages(), private, (file, (*first).into()), Over::Reservation)?;
            }
        }
        Ok(())
    }

    /// Host address and bytes of all that the guest can write.
    pub fn writable(&self) -> impl Iterator<Item = (u64, u64)> {
        let writable = self.regions.iter().filter(|region| region.writable);
        writable.map(|region| (region.host, region.end - region.start))
    }

    /// Let the guest name the heap's first `bytes` bytes in hypercalls.
    pub fn set_heap(&mut self, start: u64, bytes: u64) {
        let host = self.heap;
        self.regions.retain(|region| region.host != host);
        self.add_region(start, bytes / PAGE, host, true);
    }

    /// Move what was allocated to where the allocator allocates now.
    pub fn reallocate(&mut self) {
        let mut fresh = Vec::with_capacity(self.regions.len() + 1);
        fresh.append(&mut self.regions);
        self.regions = fresh;
        self.shared = self.shared.clone();
        self.tables = self.tables.clone();
    }

    /// Give up all that a guest without a processor does not need and that comes again: shared pages by themselves, page tables by
    /// `restore`. Nothing of it can have been changed: the guest has no right to write it.
    pub fn give_up(&self) -> Result<(), Error> {
        for &(host, bytes) in self.shared.iter().chain(&[(self.base, self.table_bytes)]) {
            // SAFETY: memory of the guest, which does not run now; nothing of the tender's refers into it.
            unsafe { madvise(pointer(host), bytes as usize, Advice::LinuxDontNeed) }
                .map_err(|error| Error::io("giving up what a parked guest does not need", error))?;
        }
        Ok(())
    }

    /// Have what was given up again.
    pub fn restore(&mut self) {
        self.build_tables();
    }

    fn build_tables(&mut self) {
        if let Some(plan) = &self.tables {
            let tables = (self.table_bytes / PAGE) as usize;
            // SAFETY: pages of zeros that were mapped writable for the tables, as many as the plan takes; no processor uses them now.
            plan.build(unsafe { std::slice::from_raw_parts_mut(pointer(self.base).cast::<Table>(), tables) });
        }
    }

    fn add_shared(&mut self, host: u64, bytes: u64) {
        match self.shared.last_mut() {
            Some((start, length)) if *start + *length == host => *length += bytes,
            _ => self.shared.push((host, bytes)),
        }
    }

    fn add_region(&mut self, start: u64, pages: u64, host: u64, writable: bool) {
        let end = start + pages * PAGE;
        let continues =
            |last: &Region| last.end == start && last.host + (last.end - last.start) == host && last.writable == writable;
        match self.regions.last_mut() {
            Some(last) if continues(last) => last.end = end,
            _ => self.regions.push(Region {
                start,
                end,
                host,
                writable,
            }),
        }
    }

    /// Host address of `bytes` bytes at a guest address, if all of them are there and, if asked, writable.
    pub fn find(&self, address: u64, bytes: u64, writable: bool) -> Option<u64> {
        let region = self
            .regions
            .iter()
            .find(|region| (region.start..region.end).contains(&address))?;
        let fits = bytes <= region.end - address && (region.writable || !writable);
        fits.then(|| region.host + (address - region.start))
    }

    /// Host address and bytes of the writable pieces that guest memory lies in.
    pub fn pieces(&self, address: u64, bytes: u64) -> impl Iterator<Item = [u64; 2]> {
        let end = address + bytes;
        let inside = move |region: &&Region| region.writable && region.start < end && region.end > address;
        self.regions.iter().filter(inside).map(move |region| {
            let (from, to) = (region.start.max(address), region.end.min(end));
            [region.host + (from - region.start), to - from]
        })
    }

    /// How many bytes follow a guest address in its region.
    pub fn room(&self, address: u64) -> u64 {
        let region = self
            .regions
            .iter()
            .find(|region| (region.start..region.end).contains(&address));
        region.map_or(0, |region| region.end - address)
    }
}

/// Where an instance's page tables come from.
#[derive(Debug)]
pub enum Tables<'a> {
    Shared(&'a File),
    Own(Plan),
}

/// Whether what was mapped is a file's own pages, which nothing here can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapped {
    Shared,
    Private,
}

/// Where one part goes, and how it is filled.
struct Map {
    host: u64,
    pages: u64,
    sharing: Sharing,
}

impl Map {
    fn part(&self, part: Part, placed: &Placed, tables: &Tables<'_>, boot: &boot_page::Page) -> Result<Mapped, Error> {
        let &Self { host, pages, sharing } = self;
        let (what, mapped) = match part {
            Part::PageTables => ("page tables", self.tables(tables)),
            Part::Hypercall => ("hypercall page", shared(host, pages, hypercall_page::file()?, 0)),
            Part::Boot => (
                "boot page",
                fill(host, pages, |room| {
                    room.copy_from_slice(boot);
                    Ok(())
                }),
            ),
            Part::Frames => return self.frames(placed).map(|()| Mapped::Private),
            Part::Extent(number) => {
                let extent = &placed.extents[number];
                let what = || {
                    format!(
                        "mapping {pages} pages for {:#x} ({})",
                        extent.address,
                        placed.image.extents[extent.source()].part.section
                    )
                };
                return map_content(host, pages, &extent.content, extent.rights, sharing)
                    .map_err(|error| Error::io(what(), error));
            }
            Part::Stack | Part::FaultStack => ("stack", anonymous(host, pages)),
        };
        mapped.map_err(|error| Error::io(format!("mapping the guest's {what}"), error))
    }

    fn tables(&self, tables: &Tables<'_>) -> std::io::Result<Mapped> {
        match tables {
            Tables::Shared(file) => copy_on_write(self.host, self.pages, file, 0),
            Tables::Own(_) => anonymous(self.host, self.pages),
        }
    }

    /// The instance's own frames. What neither the loader nor the guest writes stays the pool's.
    fn frames(&self, placed: &Placed) -> Result<(), Error> {
        let image = &*placed.image;
        let failed = |error| Error::io("mapping the guest's own frames", error);
        let copied = |frame: usize| self.sharing.copies() || image.frames[frame].relocated;
        anonymous(self.host, self.pages).map_err(failed)?;
        let room = |frame: usize| self.host + frame as u64 * PAGE;
        for (number, frame) in image.frames.iter().enumerate().filter(|(number, _)| !copied(*number)) {
            if let Some(content) = &frame.content {
                copy_on_write(room(number), 1, content, 0).map_err(failed)?;
            }
        }
        // SAFETY: these frames were mapped just now, writable; the guest does not run yet.
        unsafe { frames::fill(image, &placed.draw, room, copied) }
    }
}

fn map_content(host: u64, pages: u64, content: &Content, rights: Rights, sharing: Sharing) -> std::io::Result<Mapped> {
    match (content, sharing) {
        (Content::Zero, _) => anonymous(host, pages),
        // Shown from the frames' own part.
        (Content::Frames { .. }, _) => Ok(Mapped::Private),
        (Content::Run { file, first }, Sharing::Copy | Sharing::Ksm) => private(host, pages, file, (*first).into()),
        (Content::Run { file, first }, Sharing::Pool) if rights == Rights::ReadWrite => {
            copy_on_write(host, pages, file, (*first).into())
        }
        (Content::Run { file, first }, Sharing::Pool) => shared(host, pages, file, (*first).into()),
    }
}

fn shared(host: u64, pages: u64, file: &File, first: u64) -> std::io::Result<Mapped> {
    of_file(host, pages, ProtFlags::READ, MapFlags::SHARED, file, first).map(|()| Mapped::Shared)
}

/// Shared until someone writes: the guest, or nested paging that walks page tables.
fn copy_on_write(host: u64, pages: u64, file: &File, first: u64) -> std::io::Result<Mapped> {
    of_file(host, pages, READ_WRITE, MapFlags::PRIVATE, file, first).map(|()| Mapped::Private)
}

/// A private copy of a file's pages, made now, as stock monitors do.
fn private(host: u64, pages: u64, file: &File, first: u64) -> std::io::Result<Mapped> {
    fill(host, pages, |room| file.read_exact_at(room, first * PAGE))
}

fn fill(host: u64, pages: u64, write: impl FnOnce(&mut [u8]) -> std::io::Result<()>) -> std::io::Result<Mapped> {
    mapping::filled(host, pages, Over::Reservation, write).map(|()| Mapped::Private)
}

fn anonymous(host: u64, pages: u64) -> std::io::Result<Mapped> {
    mapping::anonymous(host, pages, Over::Reservation).map(|()| Mapped::Private)
}

fn of_file(host: u64, pages: u64, rights: ProtFlags, flags: MapFlags, file: &File, first: u64) -> std::io::Result<()> {
    mapping::of_file(host, pages, (rights, flags), (file, first), Over::Reservation)
}
