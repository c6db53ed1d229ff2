//! The process tender: a Linux process that keeps nothing but the guest, behind a seccomp filter.
//!
//! The forked child maps the guest at its own addresses, gives up every descriptor but two, every signal handler and every system
//! call that the hypercall page does not make, and then unmaps itself. What stays is the guest, one page of code and two small
//! pages: there is nothing of the monitor to read, to overwrite, or to pay for.

mod departure;
mod faults;
mod frames;
mod hypercall_page;
mod memory;
mod sandbox;

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};

use seccompiler::BpfProgram;

use super::{Beginning, Descriptors, Prepared, Spec, descriptor_table};
use crate::channel;
use crate::error::Error;
use crate::image::{PAGE, Rights};
use crate::placing::Placed;
use crate::placing::placement::Placement;
use crate::stopwatch::{self, Step};
use crate::tender::boot_page::{self, Clock};
use hypercall_page::{CHANNEL_FD, CONSOLE_FD, HEAP_GROWN_OFFSET, HEAP_STEP, Label, WORD_FD};

/// asm/prctl.h.
const ARCH_SET_FS: u64 = 0x1002;

/// Make what all instances share: the hypercall page, and the filter but for addresses.
pub fn prepare() -> Result<Prepared, Error> {
    // Asked for once here, or every child would have to ask the kernel again.
    rustix::param::linux_hwcap();
    hypercall_page::file()?;
    sandbox::prepare()?;
    Ok(Prepared::default())
}

fn filter(placed: &Placed, heap: u64) -> Result<BpfProgram, Error> {
    let placement = &placed.placement;
    sandbox::filter(placement.hypercall, &(placement.heap_start..placement.heap_start + heap))
}

/// Become the guest.
pub fn enter(spec: &Spec<'_>, descriptors: Descriptors) -> Result<Infallible, Error> {
    let placement = &spec.placed.placement;
    let filter = filter(spec.placed, spec.heap)?;
    let is_reset = matches!(spec.beginning, Beginning::Snapshot { reset: true });
    let resets = if is_reset { written_ranges(spec) } else { Vec::new() };
    // The guest asks the kernel for the time: that costs it 0.2 us and is right under every adjustment of the clock.
    let boot = boot_page::build(spec, Clock::default(), heap_ready(spec), &resets)?;
    stopwatch::mark(Step::Filtered);
    memory::map(spec, placement, &boot)?;
    stopwatch::mark(Step::Mapped);
    limit(&spec.placed.image.name)?;
    faults::install(placement)?;
    departure::forget_rseq()?;
    // A guest that goes on where a snapshot was taken said READY before.
    let resumed = spec.placed.resumption.is_some();
    if resumed {
        channel::send_ready(descriptors.channel.as_fd())?;
    }
    if is_reset {
        // It has nothing to give back, and waking up to do so would cost it a page of its stack.
        channel::wait_without_limit(descriptors.channel.as_fd())?;
    }
    keep_only(descriptors)?;
    super::limit_descriptors()?;
    super::limit_files(spec.log_bytes)?;
    stopwatch::mark(Step::Stripped);
    sandbox::enter(&filter)?;
    stopwatch::mark(Step::Confined);
    // SAFETY: all of it was mapped above; rseq is unregistered, and the handlers and their stack are in the guest's pages.
    unsafe { departure::depart(placement, if resumed { None } else { Some(spec.placed.entry) }) }
}

/// All of the heap, which is address space only. Before a snapshot little, so that it is known how much the snapshot's guest takes for
/// usable: under KVM its instances pay for that.
fn heap_ready(spec: &Spec<'_>) -> u64 {
    match spec.beginning {
        Beginning::BeforeSnapshot { .. } => HEAP_STEP.min(spec.heap),
        _ => spec.heap,
    }
}

/// How much of its heap an instance before its snapshot takes for usable; `read` gives a word of its memory.
pub fn heap_taken(placed: &Placed, read: impl FnOnce(u64) -> Result<u64, Error>) -> Result<u64, Error> {
    let grown = read(placed.placement.tender_page + HEAP_GROWN_OFFSET)?;
    Ok(grown.max(HEAP_STEP).min(placed.image.heap))
}

/// Whether a guest that was stopped at `rip`, in the system call of that number, waits for its next request.
pub fn is_waiting_at(placement: &Placement, rip: u64, call: i64) -> bool {
    call == libc::SYS_recvfrom && rip == placement.hypercall + Label::Received.offset()
}

/// Address and bytes of all that a guest can write: what a reset drops.
fn written_ranges(spec: &Spec<'_>) -> Vec<[u64; 2]> {
    let placement = &spec.placed.placement;
    let writable = spec.placed.extents.iter().filter(|extent| extent.rights == Rights::ReadWrite);
    let mut ranges: Vec<[u64; 2]> = writable.map(|extent| [extent.address, extent.pages() * PAGE]).collect();
    ranges.extend([
        [placement.tender_page, PAGE],
        [placement.stack_bottom, spec.placed.image.stack],
        [placement.heap_start, spec.heap],
    ]);
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let joined = next[0] == before[0] + before[1];
        if joined {
            before[1] += next[1];
        }
        joined
    });
    ranges
}

/// What the process may not have, beyond what the filter keeps it from.
fn limit(name: &str) -> Result<(), Error> {
    let failed = |what: &'static str| move |error| Error::io(what, error);
    // So that ps shows the image.
    let name: Vec<u8> = name.bytes().chain([0]).collect();
    let name = std::ffi::CStr::from_bytes_until_nul(&name).unwrap_or_default();
    rustix::thread::set_name(name).map_err(failed("PR_SET_NAME"))?;
    // A host that gives every process huge pages would give each instance 2 MiB for its first byte of heap.
    rustix::thread::disable_transparent_huge_pages(true).map_err(failed("PR_SET_THP_DISABLE"))
}

/// Put the channel and the console where the hypercall page expects them and close all else but the way to say what goes wrong yet: the
/// departure closes that.
fn keep_only(descriptors: Descriptors) -> Result<(), Error> {
    let failed = |error: rustix::io::Errno| Error::io("arranging the instance's descriptors", error);
    let above = |descriptor: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(descriptor, WORD_FD + 1).map_err(failed);
    let (channel, console) = (above(&descriptors.channel)?, above(&descriptors.console)?);
    for (descriptor, number) in [(channel.as_raw_fd(), CHANNEL_FD), (console.as_raw_fd(), CONSOLE_FD)] {
        // SAFETY: the child is about to close all descriptors that it knows of; none is used again under its old number.
        if unsafe { libc::dup2(descriptor, number) } < 0 {
            return Err(Error::io(
                "arranging the instance's descriptors",
                std::io::Error::last_os_error(),
            ));
        }
    }
    // They are closed below; their owners must not do it again.
    for descriptor in [descriptors.channel, descriptors.console, channel, console] {
        let _ = descriptor.into_raw_fd();
    }
    // SAFETY: the child knows of no other descriptors, but for the pool's runs, which it never uses again.
    unsafe { descriptor_table::keep_only(&mut [CHANNEL_FD, CONSOLE_FD, WORD_FD], descriptors.highest) }
}
