//! The virtual machine: one processor at ring 3, memory slots, nothing else.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};

use kvm_bindings::{
    CpuId, Msrs, kvm_dtable, kvm_msr_entry, kvm_regs, kvm_segment, kvm_sregs, kvm_userspace_memory_region, kvm_xcrs,
};
use kvm_ioctls::{Kvm, SyncReg, VcpuFd, VmFd};

use super::descriptor_tables::{self, GDT_LIMIT, IDT_LIMIT, TSS_LIMIT};
use super::host::{self, Host};
use super::hypercall_page::{self, SYSTEM_CALL};
use crate::error::Error;
use crate::placing::placement::Placement;
use crate::stopwatch::{self, Step};

// Intel SDM vol. 3, 2.5: protection, monitor, extension type, numeric error, write protect, alignment mask, paging.
const CR0: u64 = 0x8005_0033;
/// LME, LMA, NXE (Intel SDM vol. 3, 2.2.1). Without SCE `syscall` does not exist: it would be a way to ring 0.
const EFER: u64 = 0xd00;
/// The flag that is always 1, and the interrupt flag, which a guest at ring 3 cannot clear but a gate does: so a handler that was entered
/// by the processor is told from one that the guest jumped to. No interrupt ever comes.
pub const RFLAGS: u64 = 2 | INTERRUPT_FLAG;
pub const INTERRUPT_FLAG: u64 = 1 << 9;
/// Selectors of ring 3: code, and data and stack.
pub const CODE: u16 = 0x33;
pub const DATA: u16 = 0x2b;
// Intel SDM vol. 4, table 2-2.
const MSR_TSC: u32 = 0x10;
const MSR_LSTAR: u32 = 0xc000_0082;
const MSR_FMASK: u32 = 0xc000_0084;
/// A heap of all addresses that there are, doubled from the first slot on, needs half as many.
const SLOTS: usize = 32;
/// Tries of a call that a signal cut short.
const TRIES: u32 = 1000;

/// A machine and its processor.
/// It is never dropped, for the process ends with it; but both descriptors are given back while it is parked (parking.rs).
pub struct Machine {
    pub device: ManuallyDrop<Kvm>,
    pub vm: ManuallyDrop<VmFd>,
    pub processor: ManuallyDrop<VcpuFd>,
    pub(super) host: &'static Host,
    slots: u32,
    regions: [kvm_userspace_memory_region; SLOTS],
}

/// A call of KVM's that failed. What the host has too little of is told as elsewhere (launcher/host.rs); of all else KVM is the cause.
pub fn failed(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Error {
    move |error| {
        let source = std::io::Error::from_raw_os_error(error.errno());
        let hint = match error.errno() {
            libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOSPC | libc::EINTR => {
                return Error::io(format!("KVM: {what}"), source);
            }
            libc::EBUSY => {
                "another hypervisor may hold the processor's virtualisation: end it; --tender process does without KVM"
            }
            _ => "run 'unishare doctor' and look at the kernel's log (dmesg); --tender process does without KVM",
        };
        Error::HostLacks {
            what: format!("/dev/kvm is there, but KVM failed at {what}: {source}"),
            hint: hint.into(),
        }
    }
}

/// Until no signal comes between.
fn retried<T>(mut call: impl FnMut() -> Result<T, kvm_ioctls::Error>) -> Result<T, kvm_ioctls::Error> {
    for _ in 1..TRIES {
        match call() {
            Err(error) if error.errno() == libc::EINTR => {}
            other => return other,
        }
    }
    call()
}

/// A machine without memory.
fn make(kvm: &Kvm, features: &CpuId) -> Result<(VmFd, VcpuFd), Error> {
    let vm = retried(|| kvm.create_vm()).map_err(failed("creating a virtual machine"))?;
    let mut processor = retried(|| vm.create_vcpu(0)).map_err(failed("creating a processor"))?;
    processor.set_cpuid2(features).map_err(failed("setting CPUID"))?;
    processor.set_sync_valid_reg(SyncReg::Register);
    stopwatch::mark(Step::Machine);
    Ok((vm, processor))
}

impl Machine {
    /// Make a machine without memory, its processor not set up. `device` is /dev/kvm.
    pub fn create(device: OwnedFd) -> Result<Self, Error> {
        let host = host::host(device.as_fd())?;
        // SAFETY: the descriptor is ours and is not used anywhere else.
        let kvm = unsafe { Kvm::from_raw_fd(device.into_raw_fd()) };
        let (vm, processor) = make(&kvm, &host.features)?;
        Ok(Self {
            device: ManuallyDrop::new(kvm),
            vm: ManuallyDrop::new(vm),
            processor: ManuallyDrop::new(processor),
            host,
            slots: 0,
            regions: [kvm_userspace_memory_region::default(); SLOTS],
        })
    }

    /// Put a new machine in the place of one that was given back, with the same memory.
    pub fn replace(&mut self) -> Result<(), Error> {
        let (vm, processor) = make(&self.device, &self.host.features()?)?;
        for region in &self.regions[..self.slots as usize] {
            // SAFETY: memory of the guest's, as before.
            retried(|| unsafe { vm.set_user_memory_region(*region) }).map_err(failed("adding memory"))?;
        }
        self.vm = ManuallyDrop::new(vm);
        self.processor = ManuallyDrop::new(processor);
        Ok(())
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
        retried(|| unsafe { self.vm.set_user_memory_region(region) }).map_err(failed("adding memory"))?;
        let noted = self.regions.get_mut(self.slots as usize).ok_or_else(|| Error::Defect {
            what: "a machine needs more memory slots than are noted".into(),
        })?;
        *noted = region;
        self.slots += 1;
        Ok(())
    }

    /// Whether memory slots cost next to nothing, whatever their size.
    pub fn slots_are_cheap(&self) -> bool {
        self.host.nested_paging
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

    /// Let the guest's time-stamp counter go on from a value.
    pub fn set_clock(&self, value: u64) -> Result<(), Error> {
        let entry = kvm_msr_entry {
            index: MSR_TSC,
            data: value,
            ..kvm_msr_entry::default()
        };
        let values = Msrs::from_entries(&[entry]).map_err(|error| Error::Defect {
            what: format!("a model-specific register: {error:?}"),
        })?;
        self.processor
            .set_msrs(&values)
            .map(drop)
            .map_err(failed("setting the time-stamp counter"))
    }

    /// Put the processor before the guest's first instruction. `root` is the guest physical address of the page tables' root.
    pub fn set_start(&self, entry: u64, root: u64, placement: &Placement) -> Result<(), Error> {
        self.set_mode(root, placement, 0)?;
        let registers = kvm_regs {
            rip: entry,
            rsp: placement.stack_top,
            rdi: placement.boot,
            rflags: RFLAGS,
            ..kvm_regs::default()
        };
        self.processor.set_regs(&registers).map_err(failed("setting registers"))
    }

    /// All that is the same at every instruction of a guest: ring 3, paging, tables, what the processor may do.
    pub fn set_mode(&self, root: u64, placement: &Placement, fs_base: u64) -> Result<(), Error> {
        let mut special = self.processor.get_sregs().map_err(failed("reading registers"))?;
        self.fill_mode(&mut special, root, placement);
        special.fs.base = fs_base;
        self.processor.set_sregs(&special).map_err(failed("setting registers"))?;
        self.set_states(placement)
    }

    /// What the processor may use, and where `syscall` leads.
    pub fn set_states(&self, placement: &Placement) -> Result<(), Error> {
        if self.host.xcr0 != 0 {
            let mut states = kvm_xcrs {
                nr_xcrs: 1,
                ..kvm_xcrs::default()
            };
            states.xcrs[0].value = self.host.xcr0;
            self.processor
                .set_xcrs(&states)
                .map_err(failed("setting the processor's states"))?;
        }
        self.set_system_call(placement)
    }

    fn fill_mode(&self, special: &mut kvm_sregs, root: u64, placement: &Placement) {
        special.cr0 = CR0;
        special.cr3 = root;
        special.cr4 = self.host.cr4;
        special.efer = EFER;
        special.cs = segment(CODE, 11, 1, 0);
        let data = segment(DATA, 3, 0, 1);
        (special.ss, special.ds, special.es, special.fs, special.gs) = (data, data, data, data, data);
        let tables = descriptor_tables::addresses(placement);
        special.tr = kvm_segment {
            base: tables.tss,
            limit: TSS_LIMIT,
            type_: 11,
            present: 1,
            ..kvm_segment::default()
        };
        special.ldt = kvm_segment {
            unusable: 1,
            ..kvm_segment::default()
        };
        let table = |base, limit| kvm_dtable {
            base,
            limit,
            ..kvm_dtable::default()
        };
        special.gdt = table(tables.gdt, GDT_LIMIT);
        special.idt = table(tables.idt, IDT_LIMIT);
    }

    /// A KVM that runs ring 3 without the processor's help knows `syscall` whatever EFER says: let it lead where faults lead. Elsewhere
    /// nothing ever uses these.
    fn set_system_call(&self, placement: &Placement) -> Result<(), Error> {
        let value = |index, data| kvm_msr_entry {
            index,
            data,
            ..kvm_msr_entry::default()
        };
        let entries = [
            value(MSR_LSTAR, placement.hypercall + hypercall_page::handler(SYSTEM_CALL)),
            value(MSR_FMASK, INTERRUPT_FLAG),
        ];
        let values = Msrs::from_entries(&entries).map_err(|error| Error::Defect {
            what: format!("two model-specific registers: {error:?}"),
        })?;
        match self.processor.set_msrs(&values) {
            Ok(2) => Ok(()),
            Ok(set) => Err(Error::HostLacks {
                what: format!("KVM set {set} of 2 model-specific registers"),
                hint: "use --tender process".into(),
            }),
            Err(error) => Err(failed("setting model-specific registers")(error)),
        }
    }

    /// Set the base of FS for a guest that cannot do so itself.
    pub fn set_fs_base(&self, base: u64) -> Result<(), kvm_ioctls::Error> {
        let mut special = self.processor.get_sregs()?;
        special.fs.base = base;
        self.processor.set_sregs(&special)
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
