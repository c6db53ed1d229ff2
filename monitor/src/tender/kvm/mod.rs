//! The KVM tender: a virtual machine whose one processor runs the guest at ring 3 from its first instruction.

mod constant_pages;
mod departure;
mod fault;
mod heap_tables;
mod hypercalls;
mod layout;
mod machine;
mod memory;
pub mod page_tables;
mod sandbox;

use std::convert::Infallible;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use kvm_ioctls::{SyncReg, VcpuExit};

use super::{Descriptors, Prepared, Spec};
use crate::allocator::Arena;
use crate::error::Error;
use crate::image::Image;
use crate::memory::sealed;
use crate::placing::Placed;
use crate::placing::draw::Draw;
use crate::tender::boot_page::{self, Clock};
use departure::Left;
use hypercalls::{Outcome, Service};
use layout::Layout;
use machine::Machine;
use memory::{Memory, Tables};

const DEFECT: i32 = 70;

/// Make what all instances of an image share, in the parent: the constant pages, the sandbox's filter, and page tables, which are
/// compared with what they should be before anything trusts them.
pub fn prepare(image: &Arc<Image>) -> Result<Prepared, Error> {
    constant_pages::file()?;
    sandbox::prepare()?;
    rustix::param::linux_hwcap();
    let Some(draw) = Draw::fixed(image) else {
        heap_tables::prepare(image.heap)?;
        return Ok(Prepared::default());
    };
    let built = Layout::new(&Placed::new(image, &draw), image.heap).page_tables();
    let file = match &image.page_tables {
        Some(pooled) => {
            let mut bytes = Vec::with_capacity(built.len());
            let mut file = pooled.as_ref();
            file.seek(SeekFrom::Start(0))
                .and_then(|_| file.read_to_end(&mut bytes))
                .map_err(|error| Error::io("reading page tables", error))?;
            if bytes != built {
                return Err(Error::BadManifest {
                    what: format!(
                        "{}: page_tables: the run is not what this image's page tables must be",
                        image.name
                    ),
                });
            }
            Arc::clone(pooled)
        }
        None => Arc::new(sealed::file("unishare-tables", |file| file.write_all(&built))?),
    };
    Ok(Prepared { page_tables: Some(file) })
}

/// How many page-table pages an instance has for itself: those of its heap are shared under the layout aslr.
pub fn own_table_pages(placed: &Placed) -> u64 {
    Layout::new(placed, placed.image.heap).table_pages()
}

/// A guest that is ready to run, and all that its tender keeps.
pub struct Guest {
    machine: Machine,
    service: Service,
}

/// Make a guest's machine. The image is not needed any more after this.
pub fn set_up(spec: &Spec<'_>, descriptors: Descriptors) -> Result<Guest, Error> {
    let Descriptors { channel, console, kvm } = descriptors;
    let device = kvm.ok_or_else(|| Error::Defect {
        what: "the KVM tender was not given /dev/kvm".into(),
    })?;
    let layout = Layout::new(spec.placed, spec.heap);
    let mut machine = Machine::new(device)?;
    let boot = boot_page(spec, &layout, &machine)?;
    let memory = map(spec, &layout, &boot)?;
    machine.add_memory(layout.base, memory.base, layout.size + layout.first_heap())?;
    let mut service = Service {
        memory,
        channel,
        console,
        heap_start: layout.placement.heap_start,
        heap_physical: layout.base + layout.size,
        heap_limit: spec.heap,
        heap_ready: layout.first_heap(),
    };
    service.memory.set_heap(service.heap_start, service.heap_ready);
    machine.set_start(spec.placed.entry, layout.base, &layout.placement)?;
    take_name(&spec.placed.image.name)?;
    Ok(Guest { machine, service })
}

impl Guest {
    /// Become the tender of this guest. `arena` is where its set-up was allocated.
    pub fn run(mut self, arena: Arena) -> Result<Infallible, Error> {
        let left = Left::find()?;
        keep_only(&self.service, &self.machine)?;
        // SAFETY: from here on there is only `self`, which holds nothing that is allocated but the regions, the filter, and the run loop.
        let filter = unsafe { left.leave(arena, &mut self) }?;
        sandbox::enter(&filter)?;
        let code = run(&mut self.machine, &mut self.service);
        // SAFETY: ends the process without the parent's exit handlers.
        unsafe { libc::_exit(code) }
    }
}

fn boot_page(spec: &Spec<'_>, layout: &Layout, machine: &Machine) -> Result<boot_page::Page, Error> {
    let (tsc_hz, tsc_start) = machine.clock();
    let clock = Clock {
        tsc_start,
        ..Clock::read(tsc_hz)
    };
    boot_page::build(spec, clock, layout.first_heap())
}

/// Map the guest. Shared tables serve the manifest's own heap; another heap has tables of its own.
fn map(spec: &Spec<'_>, layout: &Layout, boot: &boot_page::Page) -> Result<Memory, Error> {
    match &spec.prepared.page_tables {
        Some(file) if spec.heap == spec.placed.image.heap => {
            Memory::map(spec.placed, layout, spec.sharing, Tables::Shared(file), boot)
        }
        _ => {
            let own = layout.page_tables();
            Memory::map(spec.placed, layout, spec.sharing, Tables::Own(&own), boot)
        }
    }
}

/// So that ps shows the image.
fn take_name(name: &str) -> Result<(), Error> {
    let name: Vec<u8> = name.bytes().chain([0]).collect();
    let name = std::ffi::CStr::from_bytes_until_nul(&name).unwrap_or_default();
    rustix::thread::set_name(name).map_err(|error| Error::io("PR_SET_NAME", error))
}

/// Give up descriptors that the run loop does not need.
fn keep_only(service: &Service, machine: &Machine) -> Result<(), Error> {
    close_others([
        service.channel.as_raw_fd(),
        service.console.as_raw_fd(),
        machine.vm.as_raw_fd(),
        machine.processor.as_raw_fd(),
    ])
}

/// Close every descriptor but those kept, range by range.
fn close_others(mut kept: [i32; 4]) -> Result<(), Error> {
    kept.sort_unstable();
    let mut from = 0_u32;
    for descriptor in kept {
        let descriptor = descriptor as u32;
        if descriptor > from {
            close_range(from, descriptor - 1)?;
        }
        from = descriptor + 1;
    }
    close_range(from, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Error> {
    // SAFETY: the child uses none of these any more: files were mapped, and their owners are never dropped, as it ends by _exit.
    if unsafe { libc::close_range(first, last, 0) } < 0 {
        return Err(Error::io(
            "closing the monitor's descriptors",
            std::io::Error::last_os_error(),
        ));
    }
    Ok(())
}

/// Let the guest run to its end; the process's exit code.
fn run(machine: &mut Machine, service: &mut Service) -> i32 {
    loop {
        match machine.processor.run() {
            Ok(VcpuExit::IoOut(constant_pages::PORT, _)) => {}
            Ok(VcpuExit::Intr) => continue,
            Err(error) if error.errno() == libc::EINTR || error.errno() == libc::EAGAIN => continue,
            // Memory that the guest made unreachable, or read-only.
            Ok(VcpuExit::MemoryFault { gpa, .. }) => return fault::report(machine, service, Some(fault::Forbidden { page: Some(gpa) })),
            Err(error) if error.errno() == libc::EFAULT => return fault::report(machine, service, Some(fault::Forbidden { page: None })),
            Ok(_) | Err(_) => return fault::report(machine, service, None),
        }
        let registers = machine.processor.sync_regs().regs;
        match service.call(machine, registers.rdi, registers.rsi, registers.rdx, registers.rcx) {
            Ok(Outcome::Return(value)) => {
                machine.processor.sync_regs_mut().regs.rax = value as u64;
                machine.processor.set_sync_dirty_reg(SyncReg::Register);
            }
            Ok(Outcome::Exit(code)) => return code.into(),
            Err(_) => return DEFECT,
        }
    }
}
