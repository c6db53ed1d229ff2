//! Tenders: what confines an instance. Both run the same guest bits and are entered in a freshly forked, single-threaded child.

pub mod boot_page;
pub mod descriptor_table;
pub mod kvm;
pub mod process;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit};

use crate::error::Error;
use crate::image::pool::Pool;
use crate::placing::Placed;

/// The number under which an instance can tell its launcher what went wrong, until the guest's confinement is in force, or under
/// the KVM tender, whose process the guest is not, at any time (zygote/word.rs).
pub const WORD_FD: i32 = 2;
const KVM: &str = "/dev/kvm";

/// Which tender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
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
    /// `Copy` whose memory the kernel may merge (KSM): what the pool is compared with.
    Ksm,
}

impl Sharing {
    /// Whether an instance gets private copies of what the pool holds.
    pub fn copies(self) -> bool {
        self != Self::Pool
    }

    /// Let KSM merge the calling process's memory, what it maps later included (prctl(2), PR_SET_MEMORY_MERGE; inherited over fork).
    fn allow_merging(self) -> Result<(), Error> {
        if self != Self::Ksm {
            return Ok(());
        }
        // SAFETY: takes no pointer; sets a flag of this process's memory.
        if unsafe { libc::prctl(libc::PR_SET_MEMORY_MERGE, 1, 0, 0, 0) } < 0 {
            return Err(Error::HostLacks {
                what: format!("sharing ksm: PR_SET_MEMORY_MERGE: {}", std::io::Error::last_os_error()),
                hint: "it needs Linux 6.4 or later with CONFIG_KSM; use --sharing copy or pool".into(),
            });
        }
        Ok(())
    }
}

/// Where an instance begins.
#[derive(Clone, Copy, Debug)]
pub enum Beginning {
    /// At its entry.
    Entry,
    /// At its entry, to be stopped where it first waits: the guest's own seed is given.
    BeforeSnapshot { seed: [u8; 32] },
    /// Where the snapshot that it was placed by was taken; there again after each answer if it is `reset`.
    Snapshot { reset: bool },
}

/// One instance to be: a placed image and what differs from its defaults.
pub struct Spec<'a> {
    pub placed: &'a Placed,
    pub beginning: Beginning,
    pub sharing: Sharing,
    /// Heap in bytes, a multiple of a page.
    pub heap: u64,
    pub argv: &'a [String],
    pub env: &'a BTreeMap<String, String>,
    /// How long it waits for a request until it gives its machine back; `None`: it never does.
    pub park_after: Option<Duration>,
    /// Bytes that its console may have, where that is a file.
    pub log_bytes: Option<u64>,
    /// What this tender made for the image.
    pub prepared: &'a Prepared,
}

/// What an instance keeps open: its message channel (SOCK_SEQPACKET), its console, and /dev/kvm for the KVM tender.
pub struct Descriptors {
    pub channel: OwnedFd,
    pub console: OwnedFd,
    pub kvm: Option<OwnedFd>,
    /// One that its parent had, of the highest: how large the table is that it was given.
    pub highest: RawFd,
}

/// What a tender made once for all instances of an image that lie at the same place.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// The KVM tender's page tables for the manifest's own heap: the pool's where it has them.
    pub page_tables: Option<Arc<File>>,
}

/// Make what all instances of one parent share, before the first of them is forked: more where it is known before where they lie. Says early
/// what the host lacks.
pub fn prepare(tender: Tender, place: Option<&Placed>, pool: Option<&Pool>) -> Result<Prepared, Error> {
    match tender {
        Tender::Kvm => kvm::prepare(place, pool),
        Tender::Process => process::prepare(),
    }
}

/// The device that instances of this tender share, opened once.
pub fn device(tender: Tender) -> Result<Option<OwnedFd>, Error> {
    match tender {
        Tender::Kvm => {
            let device = kvm_device()?;
            kvm::examine(device.as_fd())?;
            Ok(Some(device))
        }
        Tender::Process => Ok(None),
    }
}

fn kvm_device() -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(KVM, flags, Mode::empty()).map_err(|error| Error::HostLacks {
        what: format!("{KVM} cannot be opened: {}", std::io::Error::from(error)),
        hint: "use --tender process, or get read and write access to /dev/kvm".into(),
    })
}

/// Descriptors that an instance may have: it opens none, and the kernel wants a limit above what is polled (poll(2)).
const DESCRIPTORS: u64 = 16;

/// Bound what an instance may write to a file. Only when its memory is mapped: the limit holds for memory files too.
fn limit_files(log_bytes: Option<u64>) -> Result<(), Error> {
    log_bytes.map_or(Ok(()), |bytes| limit(Resource::Fsize, bytes, "RLIMIT_FSIZE"))
}

/// Bound its descriptors, when those that it keeps are in their places.
fn limit_descriptors() -> Result<(), Error> {
    limit(Resource::Nofile, DESCRIPTORS, "RLIMIT_NOFILE")
}

fn limit(resource: Resource, value: u64, what: &'static str) -> Result<(), Error> {
    let limit = Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    rustix::process::setrlimit(resource, limit).map_err(|error| Error::io(what, error))
}

/// Become the instance. Returns for an error before the guest's first instruction, and under the KVM tender with a guest that is to be
/// run; the guest's end is the process's end (exit code: the guest's own, or 128 + signal number after a CRASH message).
pub fn enter(tender: Tender, spec: &Spec<'_>, descriptors: Descriptors) -> Result<kvm::Guest, Error> {
    spec.sharing.allow_merging()?;
    match tender {
        Tender::Kvm => kvm::set_up(spec, descriptors),
        Tender::Process => match process::enter(spec, descriptors)? {},
    }
}
