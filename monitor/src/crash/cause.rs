//! The cause of a crash in words.

use crate::abi;
use crate::image::{PAGE, Rights};
use crate::placing::Placed;

// Intel SDM vol. 3, 4.7: bits of a page fault's error code.
const WRITE: u32 = 1 << 1;
const FETCH: u32 = 1 << 4;

/// What went wrong, without the place.
pub fn describe(placed: &Placed, record: &abi::Crash) -> String {
    match record.exception {
        0 => "division by zero, or a quotient that is too large".into(),
        1 => "a single step: the guest set its trap flag".into(),
        3 => "a breakpoint instruction".into(),
        6 if is_system_call(record) => "a system call instruction: guests call the hypercall page instead".into(),
        6 => "an instruction that does not exist, or a trap (abort, failed assertion)".into(),
        8 => "a fault that the processor could not report".into(),
        11 => "a segment that is not there".into(),
        12 => "a stack address out of any range".into(),
        13 if placed.placement.hypercall == record.rip / PAGE * PAGE => {
            "a jump into the hypercall page beside its entry, or a port that is not the guest's".into()
        }
        13 => "a general protection fault: an address out of any range, or a privileged instruction".into(),
        14 => page_fault(placed, record),
        16 | 19 => "a floating-point exception".into(),
        17 => "a misaligned access".into(),
        other => format!("exception {other}"),
    }
}

/// SYSCALL leaves the next instruction's address in RCX only when it runs; a tender that stops it leaves RIP at it.
fn is_system_call(record: &abi::Crash) -> bool {
    record.error_code == u32::MAX
}

fn page_fault(placed: &Placed, record: &abi::Crash) -> String {
    let address = record.fault_address;
    let placement = placed.placement;
    if (placement.stack_bottom - PAGE..placement.stack_bottom).contains(&address) {
        return format!(
            "the stack of {} bytes is overrun: {address:#x} is in the guard page below it",
            placed.image.stack
        );
    }
    if address < PAGE {
        return format!("a null pointer was used ({address:#x})");
    }
    if record.rip == address || record.error_code & FETCH != 0 {
        return format!("a jump to {address:#x}, which is not code");
    }
    let extent = placed.find(address);
    let verb = if record.error_code & WRITE != 0 {
        "a write to"
    } else {
        "a read or write of"
    };
    match extent {
        Some((extent, _)) => {
            let owner = extent.library.as_deref().unwrap_or(&placed.image.name);
            let state = if extent.rights == Rights::ReadWrite {
                "is not there yet"
            } else {
                "is not writable"
            };
            format!("{verb} {address:#x}, which {state} ({} of {owner})", extent.section)
        }
        None if address >= placement.heap_start && address < placement.heap_start + abi::INSTANCE_END => {
            format!("{verb} {address:#x}, which no memory is at (beyond the heap's usable part, perhaps)")
        }
        None => format!("{verb} {address:#x}, which no memory is at"),
    }
}
