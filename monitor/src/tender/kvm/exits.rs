//! Why the guest stopped running, told apart: what it asked for, what it did wrong, and what is the host's or the monitor's matter.

use kvm_bindings::{KVM_INTERNAL_ERROR_EMULATION, kvm_run};
use kvm_ioctls::{VcpuExit, VcpuFd};

use super::hypercall_page::{FIRST_FAULT_PORT, LAST_FAULT_PORT, PORT};
use crate::error::Error;

/// Why.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    Hypercall,
    /// A signal, or nothing: it runs on.
    Again,
    /// A handler says which exception it was; or the guest used the handler's port.
    Fault {
        number: u16,
    },
    /// The guest read a port, or wrote one as no hypercall does.
    PortUse,
    /// An access to guest physical memory that no slot has.
    NoMemory {
        physical: u64,
        write: bool,
    },
    /// An access to memory that this process itself cannot use so: by the guest's wish, if it changed the rights of its heap's pages, or
    /// for a reason of the host's, which `what` tells. Not every kernel says where.
    Forbidden {
        physical: Option<u64>,
        what: String,
    },
    /// The processor could not even enter a handler.
    Shutdown,
    /// Not the guest's doing.
    Host(String),
}

impl Exit {
    /// Run the guest until it stops.
    pub fn next(processor: &mut VcpuFd) -> Self {
        let exit = match processor.run() {
            Ok(exit) => exit,
            Err(error) => return Self::of_error(error.errno()),
        };
        match exit {
            VcpuExit::IoOut(PORT, _) => Self::Hypercall,
            VcpuExit::IoOut(port @ FIRST_FAULT_PORT..=LAST_FAULT_PORT, _) => Self::Fault {
                number: port - FIRST_FAULT_PORT,
            },
            VcpuExit::IoOut(..) | VcpuExit::IoIn(..) => Self::PortUse,
            VcpuExit::MmioRead(physical, _) => Self::NoMemory { physical, write: false },
            VcpuExit::MmioWrite(physical, _) => Self::NoMemory { physical, write: true },
            VcpuExit::Shutdown => Self::Shutdown,
            VcpuExit::Intr => Self::Again,
            VcpuExit::MemoryFault { flags, gpa, size } => Self::Forbidden {
                physical: Some(gpa),
                what: format!(
                    "KVM_EXIT_MEMORY_FAULT: the kernel cannot use the {size} bytes of guest physical memory at {gpa:#x} (flags {flags:#x})"
                ),
            },
            VcpuExit::FailEntry(reason, cpu) => Self::Host(format!(
                "KVM_EXIT_FAIL_ENTRY: processor {cpu} refused to enter the virtual machine (hardware reason {reason:#x})"
            )),
            VcpuExit::InternalError => Self::Host(internal_error(processor.get_kvm_run())),
            other => Self::Host(format!("an exit that no guest of ours can cause: {other:?}")),
        }
    }

    fn of_error(errno: i32) -> Self {
        match errno {
            libc::EINTR | libc::EAGAIN => Self::Again,
            libc::EFAULT => Self::Forbidden {
                physical: None,
                what: "KVM_RUN: EFAULT: the kernel cannot use a page of the guest's memory as the guest does".into(),
            },
            other => Self::Host(format!("KVM_RUN: {}", std::io::Error::from_raw_os_error(other))),
        }
    }
}

/// What the kernel says about an error of its own: a number, and for an instruction that it could not emulate more of them.
fn internal_error(run: &kvm_run) -> String {
    // SAFETY: the exit reason said that this is the part of the union that was filled in.
    let error = unsafe { run.__bindgen_anon_1.internal };
    let data = error.data.iter().take(error.ndata as usize).map(|word| format!(" {word:#x}"));
    let what = match error.suberror {
        KVM_INTERNAL_ERROR_EMULATION => "it could not emulate an instruction",
        _ => "an error of its own",
    };
    format!(
        "KVM_EXIT_INTERNAL_ERROR: {what} (suberror {}, data{})",
        error.suberror,
        data.collect::<String>()
    )
}

/// Such an end as an error.
pub fn host_matter(what: &str) -> Error {
    Error::HostLacks {
        what: format!("this host's KVM could not run the guest on: {what}"),
        hint: "run 'unishare doctor' and look at the kernel's log (dmesg); --tender process does without KVM".into(),
    }
}
