//! The boot page: what a guest is told when it starts (`struct unishare_boot` of abi.h, then the strings of argv and env).
//! Called by both tenders.

use std::collections::BTreeMap;
use std::mem::size_of;

use rustix::rand::GetRandomFlags;
use rustix::time::ClockId;

use crate::abi::{self, Boot};
use crate::error::Error;
use crate::image::PAGE;
use crate::tender::{Beginning, Spec};

pub type Page = [u8; PAGE as usize];

/// AT_HWCAP2: user code may execute WRFSBASE (Linux, arch/x86/include/uapi/asm/hwcap2.h).
const HWCAP2_FSGSBASE: usize = 1 << 1;
/// Bytes at the page's end that are the tender's (tender/kvm/descriptor_tables.rs).
pub const TENDER_PART: usize = 704;
/// What the strings of argv and env may take together, each with its NUL.
pub const STRINGS_MAX: usize = PAGE as usize - TENDER_PART - size_of::<Boot>();

/// The start of the guest's clocks. All zero: it asks UNISHARE_CALL_CLOCK each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    pub tsc_hz: u64,
    pub tsc_start: u64,
    pub monotonic_start: u64,
    pub realtime_start: u64,
}

impl Clock {
    /// Read the TSC and both clocks together, for a TSC of `tsc_hz`.
    pub fn read(tsc_hz: u64) -> Self {
        let nanoseconds = |clock| {
            let time = rustix::time::clock_gettime(clock);
            time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
        };
        let monotonic_start = nanoseconds(ClockId::Monotonic);
        // SAFETY: RDTSC reads a counter and has no other effect; every x86-64 processor has it.
        let tsc_start = unsafe { core::arch::x86_64::_rdtsc() };
        Self {
            tsc_hz,
            tsc_start,
            monotonic_start,
            realtime_start: nanoseconds(ClockId::Realtime),
        }
    }
}

/// The boot page's bytes. `heap_ready`: bytes of the heap that need no hypercall. `resets`: address and bytes of what a reset drops.
pub fn build(spec: &Spec<'_>, clock: Clock, heap_ready: u64, resets: &[[u64; 2]]) -> Result<Page, Error> {
    let placement = &spec.placed.placement;
    let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let argv_offset = size_of::<Boot>();
    let env_offset = argv_offset + packed_length(spec.argv);
    let end = env_offset + packed_length(&env);
    if end > PAGE as usize - TENDER_PART {
        let what = format!(
            "argv and env take {} bytes, more than the {STRINGS_MAX} of the boot page",
            end - argv_offset
        );
        return Err(Error::BadRequest { what });
    }
    let resets_offset = end.next_multiple_of(size_of::<u64>());
    let end_of_resets = resets_offset + resets.len() * size_of::<[u64; 2]>();
    if end_of_resets > PAGE as usize {
        let what = format!(
            "its {} ranges of writable memory and argv and env do not fit into the boot page",
            resets.len()
        );
        return Err(Error::BadRequest { what });
    }
    let boot = Boot {
        magic: abi::MAGIC,
        abi_version: abi::VERSION,
        flags: flags(spec.beginning),
        hypercall: placement.hypercall,
        stack_bottom: placement.stack_bottom,
        stack_top: placement.stack_top,
        heap_start: placement.heap_start,
        heap_ready,
        heap_limit: spec.heap,
        tsc_hz: clock.tsc_hz,
        tsc_start: clock.tsc_start,
        monotonic_start: clock.monotonic_start,
        realtime_start: clock.realtime_start,
        image_base: spec.placed.image_base(),
        random: match spec.beginning {
            Beginning::BeforeSnapshot { seed } => seed,
            _ => random()?,
        },
        argc: spec.argv.len() as u32,
        argv_offset: argv_offset as u32,
        envc: env.len() as u32,
        env_offset: env_offset as u32,
        generation: match spec.beginning {
            Beginning::Snapshot { .. } => u64::from_le_bytes(random()?) | 1,
            _ => 0,
        },
        waiting: spec
            .placed
            .resumption
            .as_ref()
            .map_or_else(abi::Waiting::default, |resumption| resumption.waiting),
        resets: resets.len() as u32,
        resets_offset: resets_offset as u32,
    };
    let mut page = [0; PAGE as usize];
    page[..argv_offset].copy_from_slice(bytemuck::bytes_of(&boot));
    pack(&mut page[argv_offset..env_offset], spec.argv);
    pack(&mut page[env_offset..end], &env);
    page[resets_offset..end_of_resets].copy_from_slice(bytemuck::cast_slice(resets));
    Ok(page)
}

/// Bytes that argv and env take in a boot page.
pub fn strings(argv: &[String], env: &BTreeMap<String, String>) -> usize {
    packed_length(argv) + env.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>()
}

fn flags(beginning: Beginning) -> u32 {
    let host = if rustix::param::linux_hwcap().1 & HWCAP2_FSGSBASE == 0 {
        abi::BOOT_NO_WRFSBASE
    } else {
        0
    };
    host | match beginning {
        Beginning::BeforeSnapshot { .. } => abi::BOOT_SNAPSHOT,
        Beginning::Snapshot { reset: true } => abi::BOOT_RESET,
        Beginning::Entry | Beginning::Snapshot { reset: false } => 0,
    }
}

fn packed_length(strings: &[String]) -> usize {
    strings.iter().map(|string| string.len() + 1).sum()
}

/// Write the strings one after another, each with a NUL behind it. `room` is zeros of their packed length.
fn pack(room: &mut [u8], strings: &[String]) {
    let mut at = 0;
    for string in strings {
        room[at..at + string.len()].copy_from_slice(string.as_bytes());
        at += string.len() + 1;
    }
}

/// Fresh bytes from the kernel: up to 256 come whole.
fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|error| Error::io("reading random bytes", error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
