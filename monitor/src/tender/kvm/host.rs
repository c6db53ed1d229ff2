//! What this host's KVM and processor have. Asked once a process; instances inherit the answers.

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::sync::OnceLock;

use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, kvm_cpuid_entry2};
use kvm_ioctls::{Cap, Kvm};

use crate::error::Error;

// Intel SDM vol. 3, 2.5: bits of CR4.
/// PAE, OSFXSR, OSXMMEXCPT: 64-bit code with SSE.
const CR4_BASE: u64 = 1 << 5 | 1 << 9 | 1 << 10;
const CR4_UMIP: u64 = 1 << 11;
const CR4_FSGSBASE: u64 = 1 << 16;
const CR4_OSXSAVE: u64 = 1 << 18;
const CR4_SMEP: u64 = 1 << 20;
/// States that a guest has: x87, SSE, AVX, and the three of AVX-512 (Intel SDM vol. 1, 13.3). AMX's must be asked for, and MPX is gone.
const XCR0_STATES: u64 = 0xe7;

/// The answers.
#[derive(Debug)]
pub struct Host {
    /// What a guest may see of the processor.
    pub features: CpuId,
    /// The same, for after an instance has left the heap that they lie in.
    entries: [kvm_cpuid_entry2; KVM_MAX_CPUID_ENTRIES],
    count: usize,
    pub cr4: u64,
    /// 0 where there is no XSAVE.
    pub xcr0: u64,
    /// Memory slots cost next to nothing: guest memory is translated by the processor (EPT, NPT), not by shadow tables.
    pub nested_paging: bool,
}

impl Host {
    /// What a guest may see of the processor, anew.
    pub fn features(&self) -> Result<CpuId, Error> {
        CpuId::from_entries(&self.entries[..self.count]).map_err(|error| Error::Defect {
            what: format!("a list of CPUID entries: {error:?}"),
        })
    }
}

static HOST: OnceLock<Host> = OnceLock::new();

/// Ask, if nobody did yet.
pub fn host(device: BorrowedFd<'_>) -> Result<&'static Host, Error> {
    if let Some(host) = HOST.get() {
        return Ok(host);
    }
    // SAFETY: the descriptor is /dev/kvm, which stays open meanwhile and is not closed here.
    let kvm = ManuallyDrop::new(unsafe { Kvm::from_raw_fd(device.as_raw_fd()) });
    ask(&kvm).map(|host| HOST.get_or_init(|| host))
}

fn ask(kvm: &Kvm) -> Result<Host, Error> {
    if !kvm.check_extension(Cap::SyncRegs) || !kvm.check_extension(Cap::ReadonlyMem) {
        return Err(Error::HostLacks {
            what: "this KVM lacks KVM_CAP_SYNC_REGS or KVM_CAP_READONLY_MEM".into(),
            hint: "use --tender process".into(),
        });
    }
    let features = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .map_err(super::machine::failed("reading CPUID"))?;
    let bit = |leaf, register: fn(&kvm_bindings::kvm_cpuid_entry2) -> u32, number: u32| {
        entry(&features, leaf).is_some_and(|entry| register(entry) >> number & 1 == 1)
    };
    // Intel SDM vol. 2, CPUID: leaf 1 ECX 26 is XSAVE; of leaf 7, EBX 0 is FSGSBASE, 7 SMEP, ECX 2 UMIP. SMAP stays off: QEMU's processor
    // then refuses to push a fault's frame onto a page of ring 3, and SMEP alone leaves ring 0 nothing to execute.
    let xsave = bit(1, |entry| entry.ecx, 26);
    let mut cr4 = CR4_BASE;
    for (there, flag) in [
        (xsave, CR4_OSXSAVE),
        (bit(7, |entry| entry.ebx, 0), CR4_FSGSBASE),
        (bit(7, |entry| entry.ebx, 7), CR4_SMEP),
        (bit(7, |entry| entry.ecx, 2), CR4_UMIP),
    ] {
        cr4 |= if there { flag } else { 0 };
    }
    let states = entry(&features, 0xd).map_or(0, |entry| u64::from(entry.eax) | u64::from(entry.edx) << 32);
    let xcr0 = if xsave { states & XCR0_STATES } else { 0 };
    let nested_paging = nested_paging();
    Ok(Host {
        entries: std::array::from_fn(|index| features.as_slice().get(index).copied().unwrap_or_default()),
        count: features.as_slice().len().min(KVM_MAX_CPUID_ENTRIES),
        features,
        cr4,
        xcr0,
        nested_paging,
    })
}

fn entry(features: &CpuId, leaf: u32) -> Option<&kvm_bindings::kvm_cpuid_entry2> {
    features
        .as_slice()
        .iter()
        .find(|entry| entry.function == leaf && entry.index == 0)
}

/// Whether the module in use translates by nested paging, in the way that keeps no record of each page of a slot (the TDP MMU).
fn nested_paging() -> bool {
    let set = |parameter: &str| {
        std::fs::read_to_string(format!("/sys/module/{parameter}")).is_ok_and(|value| matches!(value.trim(), "Y" | "1"))
    };
    (set("kvm_intel/parameters/ept") || set("kvm_amd/parameters/npt")) && set("kvm/parameters/tdp_mmu")
}
