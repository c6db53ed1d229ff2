//! Where the time of a start or a wake goes: launcher, zygote and instance note when they reach each step, in memory that they share
//! (`launch --stopwatch`, docs/formats/control.md). Without it a mark is a load and a branch.
//!
//! Times are of the time-stamp counter, for a confined instance may not be able to ask for another; each step has room for the last time
//! that it was reached. A guest never has this memory.

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use rustix::time::ClockId;
use serde::Serialize;

use crate::error::Error;

/// What is reached, in the order of a start; `KvmMachine` and those behind it are reached again by a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The launcher has a request to start.
    Asked,
    /// The zygote has its order.
    Ordered,
    /// Its addresses are drawn, and it is about to be forked.
    Drawn,
    /// The child runs.
    Forked,
    /// It has its limits, an arena and the image's places.
    Placed,
    /// Process: its filter and boot page are made.
    Filtered,
    /// KVM: machine and processor are there.
    Machine,
    /// KVM: the boot page and the layout of guest memory are made.
    LaidOut,
    /// Guest memory is mapped.
    Mapped,
    /// KVM: the machine has its memory and registers.
    Set,
    /// Descriptors are closed, and under KVM the parent's heap given up.
    Stripped,
    /// The filter is in force.
    Confined,
    /// The launcher has heard that it is ready.
    Ready,
    /// The launcher has a request for it.
    Invoked,
    /// KVM: a parked instance has its request.
    Woken,
    /// KVM: the processor is set, and the guest about to run.
    Entered,
    /// The launcher has its answer.
    Answered,
}

impl Step {
    const ALL: [Self; 17] = [
        Self::Asked,
        Self::Ordered,
        Self::Drawn,
        Self::Forked,
        Self::Placed,
        Self::Filtered,
        Self::Machine,
        Self::LaidOut,
        Self::Mapped,
        Self::Set,
        Self::Stripped,
        Self::Confined,
        Self::Ready,
        Self::Invoked,
        Self::Woken,
        Self::Entered,
        Self::Answered,
    ];
}

/// Readings of both clocks for one moment.
const TRIES: u32 = 5;

type Marks = [AtomicU64; Step::ALL.len()];

static MARKS: AtomicPtr<Marks> = AtomicPtr::new(std::ptr::null_mut());

/// The launcher's end of it.
pub struct Stopwatch {
    begun: Moment,
}

/// A moment on both clocks.
#[derive(Clone, Copy)]
struct Moment {
    ticks: u64,
    nanoseconds: u64,
}

impl Moment {
    /// Of some tries the one in which least can have come between the two readings.
    fn now() -> Self {
        let read = || {
            let (before, nanoseconds, after) = (ticks(), monotonic(), ticks());
            (
                after - before,
                Self {
                    ticks: before,
                    nanoseconds,
                },
            )
        };
        let mut best = read();
        for _ in 1..TRIES {
            let other = read();
            if other.0 < best.0 {
                best = other;
            }
        }
        best.1
    }
}

/// A step, and nanoseconds of CLOCK_MONOTONIC when it was reached.
pub type Reached = (Step, u64);

impl Stopwatch {
    /// Mark steps from now on, in this process and in all that are forked from it.
    pub fn start() -> Result<Self, Error> {
        let (rights, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at an address that the kernel chooses.
        let marks = unsafe { mmap_anonymous(std::ptr::null_mut(), size_of::<Marks>(), rights, flags) }
            .map_err(|error| Error::io("mapping the stopwatch", error))?;
        MARKS.store(marks.cast(), Ordering::Relaxed);
        Ok(Self { begun: Moment::now() })
    }

    /// What was reached since this was last asked, in order of time.
    pub fn take(&self) -> Vec<Reached> {
        let (begun, now) = (self.begun, Moment::now());
        let (elapsed, spent) = (now.ticks - begun.ticks, now.nanoseconds - begun.nanoseconds);
        let time = |at: u64| {
            let passed = u128::from(at.saturating_sub(begun.ticks)) * u128::from(spent) / u128::from(elapsed.max(1));
            begun.nanoseconds + passed as u64
        };
        let Some(marks) = marks() else { return Vec::new() };
        let taken = Step::ALL
            .into_iter()
            .map(|step| (step, marks[step as usize].swap(0, Ordering::Relaxed)));
        let mut reached: Vec<Reached> = taken.filter(|(_, at)| *at > 0).map(|(step, at)| (step, time(at))).collect();
        reached.sort_by_key(|(_, at)| *at);
        reached
    }
}

/// Note that a step was reached, if anybody wants to know.
pub fn mark(step: Step) {
    if let Some(marks) = marks() {
        marks[step as usize].store(ticks(), Ordering::Relaxed);
    }
}

fn marks() -> Option<&'static Marks> {
    // SAFETY: null, or a mapping of this size that stays for the process's life; but for a guest's own process, which marks nothing.
    unsafe { MARKS.load(Ordering::Relaxed).as_ref() }
}

fn ticks() -> u64 {
    // SAFETY: RDTSC reads a counter and has no other effect; every x86-64 processor has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn monotonic() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
