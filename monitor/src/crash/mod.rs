//! Placeholder: crash reports are being written.
use crate::abi;
use crate::plan::Plan;

/// The report of one crash.
pub fn report(plan: &Plan, record: &abi::Crash) -> String {
    format!("{}: exception {} at {:#x}", plan.name, record.exception, record.rip)
}
