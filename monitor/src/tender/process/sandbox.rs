//! The seccomp filter: system calls come from the hypercall page, with the arguments that its code uses, or they are faults.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::hypercall_page::{CHANNEL_FD, CONSOLE_FD, WORD_FD};
use super::{ARCH_SET_FS, departure};
use crate::abi;
use crate::error::Error;
use crate::image::PAGE;

// struct seccomp_data (linux/seccomp.h).
const DATA_ARCH: u32 = 4;
const DATA_INSTRUCTION_POINTER: u32 = 8;
/// linux/audit.h.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// linux/bpf_common.h and linux/filter.h: operations of the classic BPF machine.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// The filter for a hypercall page at `page`, and memory in `heap` whose rights the guest may change.
///
/// The compiler of rules knows arguments only, so the test of where the call comes from stands before its program. A call of the
/// 32-bit table (`int 0x80`) is a fault like any other: TRAP leads to the page's handler, which reports #UD.
pub fn filter(page: u64, heap: &Range<u64>) -> Result<BpfProgram, Error> {
    let mut program = prelude(page);
    let known = [PLACEHOLDER.start, PLACEHOLDER.end, PLACEHOLDER.length];
    let actual = Bounds::of(heap);
    let values = [actual.start, actual.end, actual.length];
    program.extend(template()?.iter().map(|instruction| {
        let mut instruction = sock_filter { ..*instruction };
        for (known, value) in known.iter().zip(values) {
            if instruction.k == *known as u32 {
                instruction.k = value as u32;
            } else if instruction.k == (known >> 32) as u32 {
                instruction.k = (value >> 32) as u32;
            }
        }
        instruction
    }));
    Ok(program)
}

/// Compile the rules, once for all instances of this process: their filters differ in a few constants only.
pub fn prepare() -> Result<(), Error> {
    template().map(drop)
}

static TEMPLATE: OnceLock<BpfProgram> = OnceLock::new();

/// The rules' program with placeholders for the heap's bounds.
fn template() -> Result<&'static BpfProgram, Error> {
    if let Some(program) = TEMPLATE.get() {
        return Ok(program);
    }
    let program = rules(&PLACEHOLDER).and_then(compile).map_err(|error| Error::Defect {
        what: format!("the sandbox's rules: {error}"),
    })?;
    Ok(TEMPLATE.get_or_init(|| program))
}

/// Of the memory whose rights the guest may change.
struct Bounds {
    start: u64,
    end: u64,
    length: u64,
}

impl Bounds {
    fn of(heap: &Range<u64>) -> Self {
        Self {
            start: heap.start,
            end: heap.end,
            length: heap.end - heap.start,
        }
    }
}

/// Numbers whose halves are nothing else in a program: a filter compares halves.
const PLACEHOLDER: Bounds = Bounds {
    start: 0x7e57_0001_7e57_0002,
    end: 0x7e57_0003_7e57_0004,
    length: 0x7e57_0005_7e57_0006,
};

/// Confine the calling thread, for ever.
pub fn enter(filter: &BpfProgram) -> Result<(), Error> {
    seccompiler::apply_filter(filter).map_err(|error| Error::HostLacks {
        what: format!("the seccomp filter was refused: {error}"),
        hint: "the process tender needs a Linux kernel with seccomp filters".into(),
    })
}

fn prelude(page: u64) -> BpfProgram {
    let statement = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    // Each test but the last jumps over the next ones to TRAP when it fails.
    let require = |k, to_trap| sock_filter {
        code: JUMP_IF_EQUAL,
        jt: 0,
        jf: to_trap,
        k,
    };
    vec![
        statement(LOAD, DATA_ARCH),
        require(AUDIT_ARCH_X86_64, 5),
        statement(LOAD, DATA_INSTRUCTION_POINTER + 4),
        require((page >> 32) as u32, 3),
        statement(LOAD, DATA_INSTRUCTION_POINTER),
        statement(AND, !(PAGE as u32 - 1)),
        sock_filter {
            code: JUMP_IF_EQUAL,
            jt: 1,
            jf: 0,
            k: page as u32,
        },
        statement(RETURN, libc::SECCOMP_RET_TRAP),
    ]
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(rules, SeccompAction::Trap, SeccompAction::Allow, TargetArch::x86_64)?.try_into()
}

/// What hypercall_page.s does, and nothing else.
fn rules(heap: &Bounds) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let is = |argument, value| SeccompCondition::new(argument, Length::Qword, Compare::Eq, value);
    let at_most = |argument, value| SeccompCondition::new(argument, Length::Qword, Compare::Le, value);
    let at_least = |argument, value| SeccompCondition::new(argument, Length::Qword, Compare::Ge, value);
    let rule = |conditions| Ok::<_, seccompiler::BackendError>(vec![SeccompRule::new(conditions)?]);
    Ok(BTreeMap::from([
        (libc::SYS_exit_group, Vec::new()),
        (libc::SYS_write, rule(vec![is(0, CONSOLE_FD as u64)?])?),
        (
            libc::SYS_clock_gettime,
            rule(vec![at_most(0, libc::CLOCK_MONOTONIC as u64)?])?,
        ),
        (libc::SYS_getrandom, rule(vec![at_most(1, abi::RANDOM_MAX)?, is(2, 0)?])?),
        (libc::SYS_ppoll, rule(vec![at_most(1, 1)?, is(3, 0)?])?),
        (
            libc::SYS_recvfrom,
            rule(vec![
                is(0, CHANNEL_FD as u64)?,
                is(3, libc::MSG_TRUNC as u64)?,
                is(4, 0)?,
                is(5, 0)?,
            ])?,
        ),
        (
            libc::SYS_sendto,
            rule(vec![
                is(0, CHANNEL_FD as u64)?,
                at_least(2, 1)?,
                at_most(2, abi::MESSAGE_MAX as u64)?,
                is(3, libc::MSG_NOSIGNAL as u64)?,
                is(4, 0)?,
                is(5, 0)?,
            ])?,
        ),
        // Never PROT_EXEC, and only the heap's: what else there is keeps the rights that it has.
        (
            libc::SYS_mprotect,
            rule(vec![
                at_least(0, heap.start)?,
                at_most(0, heap.end)?,
                at_most(1, heap.length)?,
                at_most(2, abi::PROTECT_RIGHTS[2])?,
            ])?,
        ),
        (libc::SYS_arch_prctl, rule(vec![is(0, ARCH_SET_FS)?])?),
        // Of what is left only the guest's own memory can be discarded; the page sees to what of it.
        (libc::SYS_madvise, rule(vec![is(2, libc::MADV_DONTNEED as u64)?])?),
        // The departure's. Afterwards nothing is there any more.
        (libc::SYS_close, rule(vec![is(0, WORD_FD as u64)?])?),
        (
            libc::SYS_munmap,
            rule(vec![is(0, departure::UNMAP_FROM)?, is(1, departure::UNMAP_BYTES)?])?,
        ),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_would_be_compiled_for_its_heap() {
        let top = 0x4fff_ffff_f000;
        for heap in [
            0..0,
            0x0804_4000..0x0904_4000,
            0x33d8_e9c0_0000..0x33d9_e9c0_0000,
            0x1000..0xffff_f000,
            0x1_0000_0000..top,
        ] {
            let mut compiled = prelude(0x33c0_e010_0000);
            compiled.extend(rules(&Bounds::of(&heap)).and_then(compile).expect("good rules"));
            let patched = filter(0x33c0_e010_0000, &heap).expect("good rules");
            let plain = |program: &BpfProgram| {
                program
                    .iter()
                    .map(|one| (one.code, one.jt, one.jf, one.k))
                    .collect::<Vec<_>>()
            };
            assert_eq!(plain(&patched), plain(&compiled), "{heap:x?}");
        }
    }
}
