//! Tenders: what confines an instance. Both run the same guest bits and are entered in a freshly forked, single-threaded child.

pub mod kvm;
pub mod process;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::fd::OwnedFd;

use crate::error::Error;
use crate::plan::Plan;

/// Which tender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tender {
    /// A virtual machine at ring 3.
    Kvm,
    /// A Linux process behind a seccomp filter.
    Process,
}

/// How memory is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// Mapped from the pool: read-only pages shared, data copy-on-write.
    Pool,
    /// Read into private memory, as stock monitors do.
    Copy,
}

/// One instance to be: a plan and what differs from its defaults.
pub struct Spec<'a> {
    pub plan: &'a Plan,
    pub sharing: Sharing,
    /// Heap in bytes, a multiple of a page.
    pub heap: u64,
    pub argv: &'a [String],
    pub env: &'a BTreeMap<String, String>,
}

/// What an instance keeps open: its message channel (SOCK_SEQPACKET), its console, and /dev/kvm for the KVM tender.
pub struct Descriptors {
    pub channel: OwnedFd,
    pub console: OwnedFd,
    pub kvm: Option<OwnedFd>,
}

/// Become the instance. Does not return but for an error before the guest's first instruction; the guest's end is the process's end
/// (exit code: the guest's own, or 128 + signal number after a CRASH message).
pub fn enter(tender: Tender, spec: &Spec<'_>, descriptors: Descriptors) -> Result<Infallible, Error> {
    match tender {
        Tender::Kvm => kvm::enter(spec, descriptors),
        Tender::Process => process::enter(spec, descriptors),
    }
}
