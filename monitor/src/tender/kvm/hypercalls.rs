//! The hypercalls of abi.h, served by the tender's process. Guest pointers are checked against the guest's own memory first.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::departure;
use super::machine::Machine;
use super::memory::Memory;
use super::page_tables::LARGE_PAGE;
use super::parking;
use super::resume::{self, Resume};
use crate::abi::{self, Message};
use crate::allocator;
use crate::channel;
use crate::error::Error;
use crate::image::PAGE;
use crate::memory::address::pointer;
use crate::placing::placement::Placement;
use crate::stopwatch::{self, Step};

/// The heap is grown at least by this, and then doubled: few memory slots.
const HEAP_STEP: u64 = 128 << 10;
const NANOSECONDS: u64 = 1_000_000_000;
/// Addresses of user code end here: 47 bits.
const ADDRESSES_END: u64 = 1 << 47;

/// What a call leads to.
pub enum Outcome {
    Return(i64),
    /// The guest waits where its snapshot did.
    Resumed,
    Exit(u8),
}

/// An instance while it runs.
pub struct Service {
    pub memory: Memory,
    pub channel: OwnedFd,
    pub console: OwnedFd,
    pub placement: Placement,
    /// This KVM leaves RIP behind an `out` when it stops there, not at it. Known since the first hypercall.
    pub stops_behind_out: bool,
    /// Guest physical address of the heap.
    pub heap_physical: u64,
    pub heap_limit: u64,
    pub heap_ready: u64,
    /// Of a guest that began from a snapshot, and whether it has answered since it was there.
    pub resume: Option<Resume>,
    pub has_answered: bool,
    /// Whether the guest has changed the rights of heap pages.
    pub protects: bool,
    /// Whether it has pages that were made for a first request.
    pub is_populated: bool,
    /// How long it waits for a request until it gives its machine back.
    pub park_after: Option<Duration>,
}

impl Service {
    /// Serve one call.
    pub fn call(&mut self, machine: &mut Machine, number: u64, a: u64, b: u64, c: u64) -> Result<Outcome, Error> {
        let result = match number {
            abi::CALL_EXIT => return Ok(Outcome::Exit(a as u8)),
            abi::CALL_CONSOLE_WRITE => self.write_console(a, b),
            abi::CALL_CLOCK => self.read_clock(a, b),
            abi::CALL_RANDOM => self.fill_random(a, b),
            abi::CALL_POLL if a == 1 && b == u64::MAX => return self.wait_long(machine).map(Outcome::Return),
            abi::CALL_POLL => self.poll(a, b),
            // A function that keeps nothing does not get a second request in the state that the first one left, whatever it asks for.
            abi::CALL_CHANNEL_RECEIVE | abi::CALL_CHANNEL_RECEIVE_SOON | abi::CALL_RESET if self.is_reset_due() => {
                return self.reset(machine);
            }
            abi::CALL_CHANNEL_RECEIVE => self.receive(a, b),
            abi::CALL_CHANNEL_SEND => {
                self.has_answered |= self.is_last_part(a, b);
                self.send(a, b)
            }
            abi::CALL_CHANNEL_RECEIVE_SOON => self.receive_soon(a, b),
            abi::CALL_DISCARD => self.discard(a, b),
            abi::CALL_HEAP_GROW => return self.grow_heap(machine, a).map(Outcome::Return),
            abi::CALL_PROTECT => self.protect(a, b, c),
            // Only where the boot page says so: else the guest has WRFSBASE.
            abi::CALL_SET_FS_BASE => set_fs_base(machine, a),
            _ => -i64::from(libc::ENOSYS),
        };
        Ok(Outcome::Return(result))
    }

    fn is_reset_due(&self) -> bool {
        self.has_answered && self.resume.is_some_and(|resume| resume.reset)
    }

    fn reset(&mut self, machine: &mut Machine) -> Result<Outcome, Error> {
        self.has_answered = false;
        resume::forget(self)?;
        if let Some(resume) = self.resume {
            resume::wait(machine, self, &resume)?;
        }
        Ok(Outcome::Resumed)
    }

    fn write_console(&self, address: u64, bytes: u64) -> i64 {
        match self.memory.find(address, bytes, false) {
            // SAFETY: these bytes are the guest's and stay mapped.
            Some(host) => answer(unsafe { libc::write(self.console.as_raw_fd(), pointer(host), bytes as usize) }),
            None => -i64::from(libc::EFAULT),
        }
    }

    fn read_clock(&self, clock: u64, address: u64) -> i64 {
        let id = match clock {
            0 => libc::CLOCK_MONOTONIC,
            1 => libc::CLOCK_REALTIME,
            _ => return -i64::from(libc::EINVAL),
        };
        match self.memory.find(address, size_of::<libc::timespec>() as u64, true) {
            // SAFETY: the kernel writes two 64-bit numbers into memory of the guest.
            Some(host) => answer(unsafe { libc::clock_gettime(id, pointer(host).cast()) } as isize),
            None => -i64::from(libc::EFAULT),
        }
    }

    fn fill_random(&self, address: u64, bytes: u64) -> i64 {
        if bytes > abi::RANDOM_MAX {
            return -i64::from(libc::EINVAL);
        }
        match self.memory.find(address, bytes, true) {
            // SAFETY: the kernel writes into memory of the guest.
            Some(host) => answer(unsafe { libc::getrandom(pointer(host), bytes as usize, 0) }),
            None => -i64::from(libc::EFAULT),
        }
    }

    /// Wait for the channel without a limit; for long without a machine.
    fn wait_long(&mut self, machine: &mut Machine) -> Result<i64, Error> {
        let Some(limit) = self.park_after else {
            return Ok(self.poll(1, u64::MAX));
        };
        match self.poll(1, limit.as_nanos() as u64) {
            0 => {}
            other => return Ok(other),
        }
        let parked = parking::park(machine, &self.placement)?;
        self.memory.give_up()?;
        departure::trim()?;
        channel::send_parked(self.channel.as_fd());
        let result = self.poll(1, u64::MAX);
        stopwatch::mark(Step::Woken);
        allocator::scratch(|| self.memory.restore());
        parking::wake(machine, &self.placement, &parked)?;
        stopwatch::mark(Step::Entered);
        Ok(result)
    }

    fn poll(&self, what: u64, nanoseconds: u64) -> i64 {
        if what > 1 {
            return -i64::from(libc::EINVAL);
        }
        let mut waited = libc::pollfd {
            fd: self.channel.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let limit = libc::timespec {
            tv_sec: (nanoseconds / NANOSECONDS) as i64,
            tv_nsec: (nanoseconds % NANOSECONDS) as i64,
        };
        let limit_pointer = if nanoseconds == u64::MAX {
            std::ptr::null()
        } else {
            &raw const limit
        };
        // SAFETY: both structures live until the call returns.
        answer(unsafe { libc::ppoll(&raw mut waited, what, limit_pointer, std::ptr::null()) } as isize)
    }

    /// The socket's own time limit ends each wait: then one without a limit follows, or an instance that nobody asks would wake up again
    /// and again.
    fn receive(&self, address: u64, room: u64) -> i64 {
        loop {
            match self.receive_soon(address, room) {
                got if got == -i64::from(libc::EAGAIN) => {}
                got => return got,
            }
            self.poll(1, u64::MAX);
        }
    }

    /// The same of a guest that is as its snapshot, for long without a machine.
    pub fn receive_long(&mut self, machine: &mut Machine, address: u64, room: u64) -> Result<i64, Error> {
        loop {
            match self.receive_soon(address, room) {
                got if got == -i64::from(libc::EAGAIN) => {}
                got => return Ok(got),
            }
            // What was made for a first request that has not come.
            if std::mem::take(&mut self.is_populated) {
                resume::forget(self)?;
            }
            self.wait_long(machine)?;
        }
    }

    fn receive_soon(&self, address: u64, room: u64) -> i64 {
        let Some(host) = self.memory.find(address, room, true) else {
            return -i64::from(libc::EFAULT);
        };
        // MSG_TRUNC: the true length, also when it did not fit.
        // SAFETY: the kernel writes at most `room` bytes into memory of the guest.
        let got = unsafe { libc::recv(self.channel.as_raw_fd(), pointer(host), room as usize, libc::MSG_TRUNC) };
        if got > 0 && got as u64 > room {
            -i64::from(libc::EMSGSIZE)
        } else {
            answer(got)
        }
    }

    /// Whether what the guest sends ends an answer.
    fn is_last_part(&self, address: u64, bytes: u64) -> bool {
        let header = self
            .memory
            .find(address, bytes, false)
            .filter(|_| bytes >= size_of::<Message>() as u64);
        header.is_some_and(|host| {
            // SAFETY: these bytes are the guest's and stay mapped; it does not run now.
            let message = unsafe { pointer(host).cast::<Message>().read_unaligned() };
            message.kind == abi::MESSAGE_REPLY && message.flags & abi::MESSAGE_MORE == 0
        })
    }

    fn send(&self, address: u64, bytes: u64) -> i64 {
        // An empty message would be taken for a closed channel.
        if !(1..=abi::MESSAGE_MAX as u64).contains(&bytes) {
            return -i64::from(libc::EMSGSIZE);
        }
        match self.memory.find(address, bytes, false) {
            Some(host) if !guest_may_send(host, bytes) => -i64::from(libc::EPERM),
            Some(host) => send(self.channel.as_raw_fd(), host, bytes as usize),
            None => -i64::from(libc::EFAULT),
        }
    }

    /// Change what may be done with heap pages. The guest's page tables, which instances share, stay as they are: the host's own
    /// protection of the memory behind them holds for the guest too, and a forbidden access ends the run loop (KVM API, KVM_RUN: EFAULT).
    fn protect(&mut self, address: u64, bytes: u64, rights: u64) -> i64 {
        let offset = address.wrapping_sub(self.placement.heap_start);
        let fits = offset <= self.heap_ready && bytes <= self.heap_ready - offset;
        if !fits || (address | bytes) % PAGE != 0 || !abi::PROTECT_RIGHTS.contains(&rights) {
            return -i64::from(libc::EINVAL);
        }
        self.protects = true;
        // SAFETY: pages of the guest's heap, which this process reads and writes through system calls only.
        answer(unsafe { libc::mprotect(pointer(self.memory.heap + offset), bytes as usize, rights as i32) } as isize)
    }

    /// The pages of the slot become zeros on demand again. KVM forgets what it had mapped of them.
    fn discard(&self, address: u64, bytes: u64) -> i64 {
        match self.memory.find(address, bytes, true) {
            Some(host) if self.is_own(address, bytes) && (address | bytes) % PAGE == 0 => {
                // SAFETY: memory of the guest that no reference of ours leads to.
                answer(unsafe { libc::madvise(pointer(host), bytes as usize, libc::MADV_DONTNEED) } as isize)
            }
            _ => -i64::from(libc::EINVAL),
        }
    }

    /// Whether memory that the guest has is all in the stack or all in the heap.
    fn is_own(&self, address: u64, bytes: u64) -> bool {
        let Placement {
            stack_bottom,
            stack_top,
            heap_start,
            ..
        } = self.placement;
        [stack_bottom..stack_top, heap_start..heap_start + self.heap_ready]
            .into_iter()
            .any(|range| range.contains(&address) && bytes <= range.end - address)
    }

    /// Make at least `wanted` bytes of the heap usable: one more memory slot, as large as what is there.
    pub fn grow_heap(&mut self, machine: &mut Machine, wanted: u64) -> Result<i64, Error> {
        if wanted > self.heap_limit {
            return Ok(-i64::from(libc::ENOMEM));
        }
        if wanted > self.heap_ready {
            let target = wanted
                .max(self.heap_ready + self.heap_ready.max(HEAP_STEP))
                .min(self.heap_limit);
            let target = target.next_multiple_of(PAGE);
            machine.add_memory(
                self.heap_physical + self.heap_ready,
                self.memory.heap + self.heap_ready,
                target - self.heap_ready,
            )?;
            self.heap_ready = target;
            self.memory.set_heap(self.placement.heap_start, target);
        }
        Ok(self.heap_ready as i64)
    }

    /// The guest virtual address of guest physical memory that the heap's tables reach.
    pub fn heap_address(&self, physical: u64) -> Option<u64> {
        let reach = self.heap_limit.next_multiple_of(LARGE_PAGE) + LARGE_PAGE;
        let offset = physical.checked_sub(self.heap_physical).filter(|offset| *offset < reach)?;
        Some(self.placement.heap_start + offset)
    }
}

/// Crashes and failures are the tender's to report: a guest that says so itself could say anything.
fn guest_may_send(host: u64, bytes: u64) -> bool {
    if bytes < size_of::<Message>() as u64 {
        return true;
    }
    // SAFETY: the callers checked that these bytes are the guest's, which does not run now.
    let message = unsafe { pointer(host).cast::<Message>().read_unaligned() };
    message.kind != abi::MESSAGE_CRASH
}

fn set_fs_base(machine: &Machine, base: u64) -> i64 {
    // A base that is no address would keep the processor from entering the guest again.
    if base >= ADDRESSES_END {
        return -i64::from(libc::EPERM);
    }
    machine
        .set_fs_base(base)
        .map_or_else(|error| -i64::from(error.errno()), |()| 0)
}

/// Send host memory over the channel.
pub fn send(channel: RawFd, host: u64, bytes: usize) -> i64 {
    // SAFETY: the callers checked that these bytes are mapped.
    answer(unsafe { libc::send(channel, pointer(host), bytes, libc::MSG_NOSIGNAL) })
}

/// A C result as abi.h wants it.
fn answer(result: isize) -> i64 {
    if result >= 0 {
        return result as i64;
    }
    -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}
