//! The virtual machine: one processor at ring 3, memory slots, nothing else.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, Msrs, kvm_msr_entry, kvm_regs, kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, Kvm, SyncReg, VcpuFd, VmFd};

use super::constant_pages::TSS_LIMIT;
use crate::error::Error;
use crate::placing::placement::Placement;

// Intel SDM vol. 3, 2.5: protection, monitor, extension type, numeric error, write protect, alignment mask, paging.
const CR0: u64 = 0x8005_0033;
/// PAE, OSFXSR, OSXMMEXCPT, FSGSBASE.
const CR4: u64 = 0x10620;
/// SCE, LME, LMA, NXE (Intel SDM vol. 3, 2.2.1).
const EFER: u64 = 0xd01;
/// The flag that is always 1.
const RFLAGS: u64 = 2;
/// Selectors of ring 3: code, and data and stack.
const CODE: u16 = 0x33;
const DATA: u16 = 0x2b;
/// IA32_TIME_STAMP_COUNTER.
const MSR_TSC: u32 = 0x10;

/// A machine and its processor.
pub struct Machine {
    pub vm: VmFd,
    pub processor: VcpuFd,
    slots: u32,
}

fn failed(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Error {
    move |error| Error::io(format!("KVM: {what}"), std::io::Error::from_raw_os_error(error.errno()))
}

impl Machine {
    /// Make a machine. `device` is /dev/kvm.
    pub fn new(device: OwnedFd) -> Result<Self, Error> {
        // SAFETY: the descriptor is ours and is not used anywhere else.
        let kvm = unsafe { Kvm::from_raw_fd(device.into_raw_fd()) };
        if !kvm.check_extension(Cap::SyncRegs) || !kvm.check_extension(Cap::ReadonlyMem) {
            return Err(Error::HostLacks {
                what: "this KVM lacks KVM_CAP_SYNC_REGS or KVM_CAP_READONLY_MEM".into(),
                hint: "use --tender process".into(),
            });
        }
        let vm = kvm.create_vm().map_err(failed("creating a virtual machine"))?;
        let mut processor = vm.create_vcpu(0).map_err(failed("creating a processor"))?;
        let features = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(failed("reading CPUID"))?;
        processor.set_cpuid2(&features).map_err(failed("setting CPUID"))?;
        processor.set_sync_valid_reg(SyncReg::Register);
        Ok(Self { vm, processor, slots: 0 })
    }

    /// Give the guest host memory at a guest physical address.
    pub fn add_memory(&mut self, physical: u64, host: u64, bytes: u64) -> Result<(), Error> {
        let region = kvm_userspace_memory_region {
            slot: self.slots,
            flags: 0,
            guest_phys_addr: physical,
            memory_size: bytes,
            userspace_addr: host,
        };
        // SAFETY: the callers mapped this memory for the guest and never unmap it.
        unsafe { self.vm.set_user_memory_region(region) }.map_err(failed("adding memory"))?;
        self.slots += 1;
        Ok(())
    }

    /// The frequency of the guest's time-stamp counter and its value now; 0 if KVM does not tell.
    pub fn clock(&self) -> (u64, u64) {
        let mut values = match Msrs::from_entries(&[kvm_msr_entry {
            index: MSR_TSC,
            ..kvm_msr_entry::default()
        }]) {
            Ok(values) => values,
            Err(_) => return (0, 0),
        };
        match (self.processor.get_tsc_khz(), self.processor.get_msrs(&mut values)) {
            (Ok(kilohertz), Ok(1)) if kilohertz > 0 => (u64::from(kilohertz) * 1000, values.as_slice()[0].data),
            _ => (0, 0),
        }
    }

    /// Put the processor before the guest's first instruction. `root` is the guest physical address of the page tables' root.
    pub fn set_start(&mut self, entry: u64, root: u64, placement: &Placement) -> Result<(), Error> {
        let mut special = self.processor.get_sregs().map_err(failed("reading registers"))?;
        special.cr0 = CR0;
        special.cr3 = root;
        special.cr4 = CR4;
        special.efer = EFER;
        special.cs = segment(CODE, 11, 1, 0);
        let data = segment(DATA, 3, 0, 1);
        (special.ss, special.ds, special.es, special.fs, special.gs) = (data, data, data, data, data);
        special.tr = kvm_segment {
            base: placement.tender_page,
            limit: TSS_LIMIT,
            type_: 11,
            present: 1,
            ..kvm_segment::default()
        };
        special.ldt = kvm_segment {
            unusable: 1,
            ..kvm_segment::default()
        };
        (special.gdt.base, special.gdt.limit, special.idt.base, special.idt.limit) = (0, 0, 0, 0);
        self.processor.set_sregs(&special).map_err(failed("setting registers"))?;
        let registers = kvm_regs {
            rip: entry,
            rsp: placement.stack_top,
            rdi: placement.boot,
            rflags: RFLAGS,
            ..kvm_regs::default()
        };
        self.processor.set_regs(&registers).map_err(failed("setting registers"))
    }
}

/// A flat segment of ring 3.
fn segment(selector: u16, kind: u8, long: u8, default_size: u8) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        dpl: 3,
        db: default_size,
        s: 1,
        l: long,
        g: 1,
        ..kvm_segment::default()
    }
}
