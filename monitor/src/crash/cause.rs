//! The cause of a crash in words.

use super::Evidence;
use crate::abi;
use crate::image::{PAGE, Rights};
use crate::placing::Placed;

// Intel SDM vol. 3, 4.7: bits of a page fault's error code.
const WRITE: u32 = 1 << 1;
const FETCH: u32 = 1 << 4;

/// What went wrong, without the place. What lies where is known only with the image (`placed`).
pub fn describe(evidence: &Evidence, placed: Option<&Placed>) -> String {
    match evidence.exception {
        0 => "division by zero, or a quotient that is too large".into(),
        1 => "a single step: the guest set its trap flag".into(),
        3 => "a breakpoint instruction".into(),
        6 if is_system_call(evidence) => "a system call instruction: guests call the hypercall page instead".into(),
        6 => "an instruction that does not exist, or a trap (abort, failed assertion)".into(),
        8 => "a fault that the processor could not report".into(),
        11 => "a segment that is not there".into(),
        12 => "a stack address out of any range".into(),
        13 if placed.is_some_and(|placed| placed.placement.hypercall == evidence.rip / PAGE * PAGE) => {
            "a jump into the hypercall page beside its entry, or a port that is not the guest's".into()
        }
        13 => "a general protection fault: an address out of any range, or a privileged instruction".into(),
        14 => page_fault(evidence, placed),
        16 | 19 => "a floating-point exception".into(),
        17 => "a misaligned access".into(),
        other => format!("exception {other}"),
    }
}

/// SYSCALL leaves the next instruction's address in RCX only when it runs; a tender that stops it leaves RIP at it.
fn is_system_call(evidence: &Evidence) -> bool {
    evidence.error_code == u32::MAX
}

fn page_fault(evidence: &Evidence, placed: Option<&Placed>) -> String {
    let (address, placement) = (evidence.fault_address, &evidence.draw.placement);
    if (placement.stack_bottom.saturating_sub(PAGE)..placement.stack_bottom).contains(&address) {
        return format!(
            "the stack of {} bytes is overrun: {address:#x} is in the guard page below it",
            placement.stack_top - placement.stack_bottom
        );
    }
    if address == abi::CRASH_ADDRESS_UNKNOWN {
        return "heap memory was used in a way that its rights forbid (mprotect)".into();
    }
    if address < PAGE {
        return format!("a null pointer was used ({address:#x})");
    }
    if evidence.error_code & FETCH != 0 || (evidence.rip == address && evidence.error_code & WRITE == 0) {
        return format!("a jump to {address:#x}, which is not code");
    }
    let verb = if evidence.error_code & WRITE != 0 {
        "a write to"
    } else {
        "a read or write of"
    };
    let Some(placed) = placed else {
        return format!("{verb} {address:#x}");
    };
    match placed.find(address) {
        Some((extent, _)) => {
            let owner = extent.part.library.as_deref().unwrap_or(&placed.image.name);
            let state = if extent.rights == Rights::ReadWrite {
                "is not there yet"
            } else {
                "is not writable"
            };
            format!("{verb} {address:#x}, which {state} ({} of {owner})", extent.part.section)
        }
        None if address >= placement.heap_start && address < placement.heap_start + abi::INSTANCE_END => {
            format!(
                "{verb} {address:#x}, which no memory is at (beyond the heap's usable part, or its rights forbid it: mprotect)"
            )
        }
        None => format!("{verb} {address:#x}, which no memory is at"),
    }
}
