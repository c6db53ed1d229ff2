//! What a fault becomes: a CRASH message with everything that is known, and the exit code that a Linux process would have had.

use std::os::fd::AsRawFd;

use bytemuck::Zeroable;

use super::hypercalls::{self, Service};
use super::machine::Machine;
use crate::abi::{self, Crash, Message};
use crate::memory::address::pointer;

// Intel SDM vol. 3, 6.15.
const DIVIDE_ERROR: u8 = 0;
const BREAKPOINT: u8 = 3;
const INVALID_OPCODE: u8 = 6;
const GENERAL_PROTECTION: u8 = 13;
const PAGE_FAULT: u8 = 14;
const FLOATING_POINT: [u8; 2] = [16, 19];
/// A page fault's error code: present, from ring 3 (Intel SDM vol. 3, 4.7).
const FORBIDDEN_TO_USER: u32 = 5;
const SIGNALLED: i32 = 128;
/// A crash record up to its stack bytes.
const HEAD: usize = size_of::<Crash>() - abi::CRASH_STACK_MAX;

/// An access to heap memory whose rights the guest has changed.
pub struct Forbidden {
    /// Guest physical; not every kernel tells.
    pub page: Option<u64>,
}

/// Report a fault to the parent; the process's exit code. `forbidden`: an access that the host's protection of the heap forbids, which
/// is no exception of the guest's processor.
pub fn report(machine: &mut Machine, service: &Service, forbidden: Option<Forbidden>) -> i32 {
    let mut crash = record(machine, service);
    if let Some(forbidden) = forbidden {
        crash.exception = PAGE_FAULT.into();
        crash.error_code = FORBIDDEN_TO_USER;
        crash.fault_address = forbidden.page.map_or(abi::CRASH_ADDRESS_UNKNOWN, |page| {
            page.wrapping_sub(service.heap_physical).wrapping_add(service.heap_start)
        });
    }
    let mut bytes = bytemuck::bytes_of(&Message {
        kind: abi::MESSAGE_CRASH,
        ..Message::default()
    })
    .to_vec();
    bytes.extend_from_slice(&bytemuck::bytes_of(&crash)[..HEAD + crash.stack_bytes as usize]);
    // If the parent has gone, nobody wants to know.
    hypercalls::send(
        service.channel.as_raw_fd(),
        bytes.as_ptr().expose_provenance() as u64,
        bytes.len(),
    );
    SIGNALLED + signal(crash.exception as u8)
}

fn record(machine: &mut Machine, service: &Service) -> Crash {
    let mut crash = Crash::zeroed();
    let registers = machine.processor.get_regs().unwrap_or_default();
    let events = machine.processor.get_vcpu_events().unwrap_or_default();
    // `int n` has no exception: it is what a guest without interrupts may not do.
    crash.exception =
        if events.exception.nr == 0 && registers.rip != 0 && events.exception.injected == 0 && events.exception.pending == 0 {
            likely_exception(service, registers.rip)
        } else {
            events.exception.nr
        }
        .into();
    if crash.exception as u8 == PAGE_FAULT {
        crash.error_code = events.exception.error_code;
        crash.fault_address = machine.processor.get_sregs().map_or(0, |special| special.cr2);
    }
    (crash.rip, crash.rsp, crash.rbp, crash.rflags) = (registers.rip, registers.rsp, registers.rbp, registers.rflags);
    (crash.rax, crash.rbx, crash.rcx, crash.rdx) = (registers.rax, registers.rbx, registers.rcx, registers.rdx);
    (crash.rsi, crash.rdi) = (registers.rsi, registers.rdi);
    crash.r = [
        registers.r8,
        registers.r9,
        registers.r10,
        registers.r11,
        registers.r12,
        registers.r13,
        registers.r14,
        registers.r15,
    ];
    copy_stack(&mut crash, service);
    crash
}

/// Which exception it was when KVM does not say: read from the instruction.
fn likely_exception(service: &Service, rip: u64) -> u8 {
    match code_at(service, rip) {
        // syscall, ud2; div and idiv.
        Some([0x0f, 0x05 | 0x0b]) => INVALID_OPCODE,
        Some([0xf6 | 0xf7, _]) | Some([0x40..=0x4f, 0xf6 | 0xf7]) => DIVIDE_ERROR,
        Some(_) => GENERAL_PROTECTION,
        None => PAGE_FAULT,
    }
}

fn code_at(service: &Service, address: u64) -> Option<[u8; 2]> {
    let host = service.memory.find(address, 2, false)?;
    // SAFETY: two bytes of the guest's memory, which stays mapped; the guest does not run now.
    Some(unsafe { pointer(host).cast::<[u8; 2]>().read_unaligned() })
}

fn copy_stack(crash: &mut Crash, service: &Service) {
    let bytes = service.memory.room(crash.rsp).min(abi::CRASH_STACK_MAX as u64);
    if let Some(host) = service.memory.find(crash.rsp, bytes, true) {
        // SAFETY: memory of the guest, which stays mapped and does not change: the guest does not run now.
        let stack = unsafe { std::slice::from_raw_parts(pointer(host).cast::<u8>(), bytes as usize) };
        crash.stack[..stack.len()].copy_from_slice(stack);
        crash.stack_bytes = stack.len() as u32;
    }
}

/// The signal that Linux sends for an exception (arch/x86/kernel/traps.c).
fn signal(exception: u8) -> i32 {
    match exception {
        DIVIDE_ERROR => libc::SIGFPE,
        BREAKPOINT => libc::SIGTRAP,
        INVALID_OPCODE => libc::SIGILL,
        other if FLOATING_POINT.contains(&other) => libc::SIGFPE,
        _ => libc::SIGSEGV,
    }
}
