//! What a fault becomes: a CRASH message with everything that is known, and the exit code that a Linux process would have had.
//!
//! The processor pushed the exception's frame onto the fault stack and entered a handler, which left the virtual machine by a port of its
//! own. That it was the processor shows in the interrupt flag: only a gate clears it. So a guest that jumps to a handler, or uses a
//! handler's port, is told from one that faulted, and what it wrote onto the fault stack is not believed.

use std::os::fd::AsRawFd;

use bytemuck::{Pod, Zeroable};
use kvm_bindings::kvm_regs;

use super::descriptor_tables;
use super::exits::Exit;
use super::hypercall_page::{FIRST_FAULT_PORT, OUT_BYTES, SYSTEM_CALL, handler};
use super::hypercalls::{self, Service};
use super::machine::{INTERRUPT_FLAG, Machine};
use crate::abi::{self, Crash, Message};
use crate::image::PAGE;
use crate::memory::address::pointer;

// Intel SDM vol. 3, 6.15.
const DIVIDE_ERROR: u32 = 0;
const DEBUG: u32 = 1;
const BREAKPOINT: u32 = 3;
const OVERFLOW: u32 = 4;
const INVALID_OPCODE: u32 = 6;
const DOUBLE_FAULT: u32 = 8;
const SEGMENT_NOT_PRESENT: u32 = 11;
const STACK_FAULT: u32 = 12;
const GENERAL_PROTECTION: u32 = 13;
const PAGE_FAULT: u32 = 14;
const FLOATING_POINT: u32 = 16;
const ALIGNMENT_CHECK: u32 = 17;
const SIMD_FLOATING_POINT: u32 = 19;
/// Exceptions that push an error code (Intel SDM vol. 3, table 6-1).
const WITH_ERROR_CODE: [u32; 8] = [
    DOUBLE_FAULT,
    10,
    SEGMENT_NOT_PRESENT,
    STACK_FAULT,
    GENERAL_PROTECTION,
    PAGE_FAULT,
    ALIGNMENT_CHECK,
    21,
];
// Bits of error codes (Intel SDM vol. 3, 6.13 and 4.7): a gate was meant; the page is there, a write, by the guest.
const GATE: u64 = 1 << 1;
const PRESENT: u32 = 1;
const WRITE: u32 = 1 << 1;
const USER: u32 = 1 << 2;
/// The resume flag, which processors and kernels set differently in frames.
const RESUME_FLAG: u64 = 1 << 16;
/// The record's error code of a `syscall` instruction (crash/cause.rs).
const SYSTEM_CALL_MARK: u32 = u32::MAX;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const INT: u8 = 0xcd;
const SIGNALLED: i32 = 128;
/// A crash record up to its stack bytes.
const HEAD: usize = size_of::<Crash>() - abi::CRASH_STACK_MAX;

/// What the processor pushes when it enters a handler, above an error code (Intel SDM vol. 3, figure 6-9).
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Frame {
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Report what the guest did to the parent; the process's exit code. `None`: it is not what a guest can do. Not inlined: its records are no part
/// of the run loop's frame.
#[inline(never)]
pub fn report(machine: &mut Machine, service: &Service, exit: &Exit) -> Option<i32> {
    let registers = machine.processor.get_regs().unwrap_or_default();
    let mut crash = of_registers(&registers);
    match *exit {
        Exit::Fault { number } => match frame(service, number, &registers) {
            Some((frame, code)) => {
                let address = machine.processor.get_sregs().map_or(0, |special| special.cr2);
                exception(&mut crash, service, number, frame, code, address);
            }
            None => own_port_use(&mut crash, service, number),
        },
        Exit::PortUse => crash.exception = GENERAL_PROTECTION,
        Exit::NoMemory { physical, write } => {
            crash.exception = PAGE_FAULT;
            crash.error_code = USER | if write { WRITE } else { 0 };
            crash.fault_address = service.heap_address(physical)?;
        }
        Exit::Forbidden { physical, .. } => {
            crash.exception = PAGE_FAULT;
            crash.error_code = USER | PRESENT;
            crash.fault_address =
                physical.map_or(Some(abi::CRASH_ADDRESS_UNKNOWN), |physical| service.heap_address(physical))?;
        }
        Exit::Shutdown => crash.exception = DOUBLE_FAULT,
        Exit::Hypercall | Exit::Again | Exit::Host(_) => return None,
    }
    copy_stack(&mut crash, service);
    send(&crash, service);
    Some(SIGNALLED + signal(crash.exception))
}

fn send(crash: &Crash, service: &Service) {
    let mut bytes = bytemuck::bytes_of(&Message {
        kind: abi::MESSAGE_CRASH,
        ..Message::default()
    })
    .to_vec();
    bytes.extend_from_slice(&bytemuck::bytes_of(crash)[..HEAD + crash.stack_bytes as usize]);
    // If the parent has gone, nobody wants to know.
    hypercalls::send(
        service.channel.as_raw_fd(),
        bytes.as_ptr().expose_provenance() as u64,
        bytes.len(),
    );
}

fn of_registers(registers: &kvm_regs) -> Crash {
    let mut crash = Crash::zeroed();
    (crash.rip, crash.rsp, crash.rbp) = (registers.rip, registers.rsp, registers.rbp);
    crash.rflags = registers.rflags & !RESUME_FLAG;
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
    crash
}

/// The frame and the error code that the processor pushed, if it was the processor that entered the handler.
fn frame(service: &Service, number: u16, registers: &kvm_regs) -> Option<(Frame, u64)> {
    let start = service.placement.hypercall + handler(number);
    let entered = registers.rip == start || registers.rip == start + OUT_BYTES;
    if !entered || registers.rflags & INTERRUPT_FLAG != 0 {
        return None;
    }
    if number == SYSTEM_CALL {
        return Some((system_call(registers), 0));
    }
    let with_code = WITH_ERROR_CODE.contains(&u32::from(number));
    let pushed = size_of::<Frame>() as u64 + if with_code { 8 } else { 0 };
    if registers.rsp != descriptor_tables::fault_stack(&service.placement) - pushed {
        return None;
    }
    let top = service.memory.fault_stack + PAGE;
    // SAFETY: the fault stack is one page of the guest's memory, which stays mapped and does not change: the guest does not run now.
    let frame = unsafe { pointer(top - size_of::<Frame>() as u64).cast::<Frame>().read_unaligned() };
    // SAFETY: the same.
    let code = with_code.then(|| unsafe { pointer(top - pushed).cast::<u64>().read_unaligned() });
    Some((frame, code.unwrap_or(0)))
}

/// Where `syscall` came from: it leaves that in RCX and the flags in R11, and the stack alone.
fn system_call(registers: &kvm_regs) -> Frame {
    Frame {
        rip: registers.rcx.wrapping_sub(SYSCALL.len() as u64),
        rflags: registers.r11,
        rsp: registers.rsp,
        cs: 0,
        ss: 0,
    }
}

/// What processors and kernels tell differently is told in one way.
fn exception(crash: &mut Crash, service: &Service, number: u16, frame: Frame, code: u64, address: u64) {
    (crash.rip, crash.rsp, crash.rflags) = (frame.rip, frame.rsp, frame.rflags & !RESUME_FLAG);
    crash.exception = number.into();
    if let Some(start) = own_interrupt(service, crash, code) {
        (crash.exception, crash.rip) = (GENERAL_PROTECTION, start);
        return;
    }
    let at = code_at(service, crash.rip);
    if number == SYSTEM_CALL || (crash.exception == INVALID_OPCODE && at == Some(SYSCALL)) {
        crash.exception = INVALID_OPCODE;
        crash.error_code = SYSTEM_CALL_MARK;
        // As the instruction leaves them where it exists.
        (crash.rcx, crash.r[3]) = (crash.rip + SYSCALL.len() as u64, crash.rflags);
    } else if crash.exception == PAGE_FAULT {
        (crash.error_code, crash.fault_address) = (code as u32, address);
    }
}

/// The address of the guest's `int n`, if that is what faulted. It is the gate's rights that it lacks, which some kernels call an
/// instruction that does not exist; and some leave RIP behind it.
fn own_interrupt(service: &Service, crash: &Crash, code: u64) -> Option<u64> {
    let is_int = |address: &u64| code_at(service, *address).is_some_and(|code| code[0] == INT);
    match crash.exception {
        INVALID_OPCODE => Some(crash.rip).filter(is_int),
        OVERFLOW => Some(crash.rip.wrapping_sub(2)).filter(is_int),
        GENERAL_PROTECTION if code & GATE != 0 => [crash.rip, crash.rip.wrapping_sub(2)].into_iter().find(|at| is_int(at)),
        _ => None,
    }
}

/// The guest jumped to a handler, or used a handler's port: that is an instruction that it has no right to.
fn own_port_use(crash: &mut Crash, service: &Service, number: u16) {
    crash.exception = GENERAL_PROTECTION;
    let start = service.placement.hypercall + handler(number);
    let port = (FIRST_FAULT_PORT + number) as u8;
    if crash.rip == start + OUT_BYTES {
        crash.rip = start;
        return;
    }
    // Whether RIP is at the instruction or behind it is the KVM's choice: the code tells, and what the KVM did before where
    // both fit (two such instructions in a row).
    let before = |bytes: u64| crash.rip.wrapping_sub(bytes);
    let length = if code_at(service, before(2)).is_some_and(|code| names_port(code, port)) {
        2
    } else if code_at(service, before(1)).is_some_and(|code| takes_port_from_dx(code[0])) {
        1
    } else {
        return;
    };
    let at = code_at(service, crash.rip).is_some_and(|code| names_port(code, port) || takes_port_from_dx(code[0]));
    if !at || service.stops_behind_out {
        crash.rip = before(length);
    }
}

/// `out imm8, al` and `out imm8, eax` (Intel SDM vol. 2, OUT).
fn names_port(code: [u8; 2], port: u8) -> bool {
    matches!(code[0], 0xe6 | 0xe7) && code[1] == port
}

/// IN, OUT, INS and OUTS with the port in DX (Intel SDM vol. 2, appendix A).
fn takes_port_from_dx(byte: u8) -> bool {
    matches!(byte, 0xec..=0xef | 0x6c..=0x6f)
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
fn signal(exception: u32) -> i32 {
    match exception {
        DIVIDE_ERROR | FLOATING_POINT | SIMD_FLOATING_POINT => libc::SIGFPE,
        DEBUG | BREAKPOINT => libc::SIGTRAP,
        INVALID_OPCODE => libc::SIGILL,
        SEGMENT_NOT_PRESENT | STACK_FAULT | ALIGNMENT_CHECK => libc::SIGBUS,
        _ => libc::SIGSEGV,
    }
}
