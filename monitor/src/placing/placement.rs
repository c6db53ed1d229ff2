//! Where the parts of the instance region lie (abi.h): hypercall page, boot page, tender's page, guard, stack, guard, heap.

use crate::abi;
use crate::image::PAGE;

/// Addresses of one instance's own pages, in guest virtual addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Placement {
    pub hypercall: u64,
    pub boot: u64,
    pub tender_page: u64,
    pub stack_bottom: u64,
    pub stack_top: u64,
    pub heap_start: u64,
}

impl Placement {
    /// The fixed layouts' placement for a stack of `stack` bytes.
    pub fn fixed(stack: u64) -> Self {
        let base = abi::INSTANCE_BASE;
        let stack_bottom = base + abi::STACK_OFFSET;
        let stack_top = stack_bottom + stack;
        Self {
            hypercall: base,
            boot: base + PAGE,
            tender_page: base + 2 * PAGE,
            stack_bottom,
            stack_top,
            heap_start: stack_top + PAGE,
        }
    }
}
