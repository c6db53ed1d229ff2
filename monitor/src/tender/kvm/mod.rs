//! The KVM tender: a virtual machine whose one processor runs the guest at ring 3 from its first instruction.

mod departure;
mod descriptor_tables;
mod exits;
mod fault;
mod host;
mod hypercall_page;
mod hypercalls;
mod layout;
mod machine;
mod memory;
pub mod page_tables;
mod parking;
mod resume;
mod sandbox;
mod states;
mod working_set;

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use kvm_ioctls::SyncReg;
use seccompiler::BpfProgram;

use super::{Beginning, Descriptors, Prepared, Spec, WORD_FD, descriptor_table};
use crate::allocator::Arena;
use crate::channel;
use crate::error::Error;
use crate::image::pool::Pool;
use crate::memory::sealed;
use crate::placing::Placed;
use crate::stopwatch::{self, Step};
use crate::tender::boot_page::{self, Clock};
use departure::Left;
pub use departure::remember;
use exits::Exit;
use hypercalls::{Outcome, Service};
use layout::Layout;
use machine::Machine;
use memory::{Memory, Tables};
use resume::Resume;

/// Ask what this host's KVM has, once for all instances.
pub fn examine(device: BorrowedFd<'_>) -> Result<(), Error> {
    host::host(device).map(drop)
}

/// Make what all instances share, in the parent: the hypercall page, the sandbox's filter, and page tables of those at `place`. The pool's
/// are compared with what they should be before anything trusts them.
pub fn prepare(place: Option<&Placed>, pool: Option<&Pool>) -> Result<Prepared, Error> {
    hypercall_page::file()?;
    sandbox::prepare()?;
    rustix::param::linux_hwcap();
    let Some(placed) = place else {
        return Ok(Prepared::default());
    };
    let built = Layout::new(placed, placed.image.heap).tables().bytes();
    let file = match pooled_tables(placed, pool, &built)? {
        Some(pooled) => pooled,
        None => Arc::new(sealed::file("unishare-tables", |file| file.write_all(&built))?),
    };
    Ok(Prepared { page_tables: Some(file) })
}

/// The pool's page tables, if they are what they must be. A pool that an older monitor filled has others: they are not used.
fn pooled_tables(placed: &Placed, pool: Option<&Pool>, built: &[u8]) -> Result<Option<Arc<File>>, Error> {
    let (Some(named), Some(pool)) = (&placed.page_tables, pool) else {
        return Ok(None);
    };
    // One that is missing or damaged is none: it can be made here too, and `pool verify` names it.
    let Ok(pooled) = pool.run(&named.run) else {
        return Ok(None);
    };
    let pooled = pooled.file;
    let failed = |error| Error::io("reading page tables", error);
    if pooled.metadata().map_err(failed)?.len() != built.len() as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; built.len()];
    pooled.read_exact_at(&mut bytes, 0).map_err(failed)?;
    Ok((bytes == built).then_some(pooled))
}

/// How many page-table pages an instance has for itself: those of its heap are shared under the layout aslr.
pub fn own_table_pages(placed: &Placed) -> u64 {
    Layout::new(placed, placed.image.heap).table_pages()
}

/// A guest that is ready to run, and all that its tender keeps.
pub struct Guest {
    machine: Machine,
    service: Service,
    /// One of the highest descriptors that the parent had.
    highest: RawFd,
}

/// Make a guest's machine. The image is not needed any more after this.
pub fn set_up(spec: &Spec<'_>, descriptors: Descriptors) -> Result<Guest, Error> {
    let Descriptors {
        channel,
        console,
        kvm,
        highest,
    } = descriptors;
    let device = kvm.ok_or_else(|| Error::Defect {
        what: "the KVM tender was not given /dev/kvm".into(),
    })?;
    // A host that gives every process huge pages would give each instance 2 MiB for its first byte of heap.
    rustix::thread::disable_transparent_huge_pages(true).map_err(|error| Error::io("PR_SET_THP_DISABLE", error))?;
    let layout = Layout::new(spec.placed, spec.heap);
    let mut machine = Machine::create(device)?;
    // A snapshot's guest uses without asking what it had then.
    let taken = spec.placed.resumption.as_ref().map_or(0, |resumption| resumption.heap_ready);
    let heap_ready = layout.first_heap(machine.slots_are_cheap()).max(taken);
    let boot = boot_page(spec, &layout, &machine, heap_ready)?;
    stopwatch::mark(Step::LaidOut);
    let memory = map(spec, &layout, &boot)?;
    stopwatch::mark(Step::Mapped);
    machine.add_memory(layout.base, memory.base, layout.size + heap_ready)?;
    let mut service = Service {
        memory,
        channel,
        console,
        placement: layout.placement,
        stops_behind_out: false,
        heap_physical: layout.base + layout.size,
        heap_limit: spec.heap,
        heap_ready,
        resume: spec.placed.resumption.as_ref().map(|resumption| Resume {
            waiting: resumption.waiting,
            root: layout.base,
            reset: matches!(spec.beginning, Beginning::Snapshot { reset: true }),
        }),
        has_answered: false,
        protects: false,
        is_populated: false,
        park_after: spec.park_after,
    };
    service.memory.set_heap(layout.placement.heap_start, heap_ready);
    machine.set_start(spec.placed.entry, layout.base, &layout.placement)?;
    stopwatch::mark(Step::Set);
    take_name(&spec.placed.image.name)?;
    super::limit_files(spec.log_bytes)?;
    if service.resume.is_some() {
        channel::send_ready(service.channel.as_fd())?;
    }
    service.is_populated = working_set::populate(spec, &service.memory);
    Ok(Guest {
        machine,
        service,
        highest,
    })
}

impl Guest {
    /// Become the tender of this guest. `arena` is where its set-up was allocated; `fail` says what went wrong and ends the process.
    pub fn run(self, arena: Arena, fail: impl FnOnce(Error) -> Infallible) -> Result<Infallible, Error> {
        let left = Left::find();
        keep_only(&self.service, &self.machine, self.highest)?;
        super::limit_descriptors()?;
        // SAFETY: from here on there is only the guest, whose memory's lists are all that it has allocated, the filter, and the run loop.
        unsafe {
            left.leave(arena, self, |guest, filter| match guest.serve(filter) {
                // SAFETY: ends the process without the parent's exit handlers.
                Ok(code) => libc::_exit(code),
                Err(error) => fail(error),
            })
        }
    }

    /// Run confined to the end; the process's exit code.
    fn serve(&mut self, filter: &BpfProgram) -> Result<i32, Error> {
        stopwatch::mark(Step::Stripped);
        sandbox::enter(filter)?;
        stopwatch::mark(Step::Confined);
        if let Some(resume) = self.service.resume {
            resume::wait(&mut self.machine, &mut self.service, &resume)?;
        }
        stopwatch::mark(Step::Entered);
        run(&mut self.machine, &mut self.service)
    }
}

/// What the guest is told, and the processor's tables behind it.
fn boot_page(spec: &Spec<'_>, layout: &Layout, machine: &Machine, heap_ready: u64) -> Result<boot_page::Page, Error> {
    let (tsc_hz, tsc_start) = machine.clock();
    let clock = Clock {
        tsc_start,
        ..Clock::read(tsc_hz)
    };
    let mut page = boot_page::build(spec, clock, heap_ready, &[])?;
    descriptor_tables::write(&mut page, &layout.placement);
    Ok(page)
}

/// Map the guest. Shared tables serve the manifest's own heap; another heap has tables of its own, and so has who shares nothing.
fn map(spec: &Spec<'_>, layout: &Layout, boot: &boot_page::Page) -> Result<Memory, Error> {
    let tables = match &spec.prepared.page_tables {
        Some(file) if spec.heap == spec.placed.image.heap && !spec.sharing.copies() => Tables::Shared(file),
        _ => Tables::Own(layout.tables()),
    };
    Memory::map(spec.placed, layout, spec.sharing, tables, boot)
}

/// So that ps shows the image.
fn take_name(name: &str) -> Result<(), Error> {
    let name: Vec<u8> = name.bytes().chain([0]).collect();
    let name = std::ffi::CStr::from_bytes_until_nul(&name).unwrap_or_default();
    rustix::thread::set_name(name).map_err(|error| Error::io("PR_SET_NAME", error))
}

/// Give up descriptors that the run loop does not need.
fn keep_only(service: &Service, machine: &Machine, highest: RawFd) -> Result<(), Error> {
    let mut kept = [
        service.channel.as_raw_fd(),
        service.console.as_raw_fd(),
        machine.vm.as_raw_fd(),
        machine.processor.as_raw_fd(),
        machine.device.as_raw_fd(),
        WORD_FD,
    ];
    // SAFETY: the child uses no other any more: files were mapped, and their owners are never dropped, as it ends by _exit.
    unsafe { descriptor_table::keep_only(&mut kept, highest) }
}

/// Let the guest run to its end; the process's exit code.
fn run(machine: &mut Machine, service: &mut Service) -> Result<i32, Error> {
    loop {
        let error = match Exit::next(&mut machine.processor) {
            Exit::Again => continue,
            Exit::Hypercall => match serve(machine, service) {
                Ok(None) => continue,
                Ok(Some(code)) => return Ok(code.into()),
                Err(error) => error,
            },
            Exit::Host(what) => exits::host_matter(&what),
            Exit::Forbidden { what, .. } if !service.protects => exits::host_matter(&what),
            exit => match fault::report(machine, service, &exit) {
                Some(code) => return Ok(code),
                None => exits::host_matter(&format!("an exit that does not fit: {exit:?}")),
            },
        };
        return Err(error);
    }
}

/// Serve one hypercall. The guest's exit code when that is what it asked for.
fn serve(machine: &mut Machine, service: &mut Service) -> Result<Option<u8>, Error> {
    let registers = machine.processor.sync_regs().regs;
    service.stops_behind_out = registers.rip == service.placement.hypercall + hypercall_page::OUT_BYTES;
    match service.call(machine, registers.rdi, registers.rsi, registers.rdx, registers.rcx)? {
        Outcome::Return(value) => {
            machine.processor.sync_regs_mut().regs.rax = value as u64;
            machine.processor.set_sync_dirty_reg(SyncReg::Register);
            Ok(None)
        }
        Outcome::Resumed => Ok(None),
        Outcome::Exit(code) => Ok(Some(code)),
    }
}
