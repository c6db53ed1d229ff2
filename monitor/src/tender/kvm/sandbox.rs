//! The tender's own seccomp filter: what the run loop and the report of a fault need, and nothing else.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::abi;
use crate::error::Error;

/// The allocator is an arena that is there already, and nothing is mapped any more. `rt_sigreturn` and `restart_syscall` are the kernel's,
/// after a signal.
const ALLOWED: [i64; 12] = [
    libc::SYS_ioctl,
    libc::SYS_write,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_ppoll,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    // A parked machine's.
    libc::SYS_close,
    libc::SYS_munmap,
];

static FILTER: OnceLock<BpfProgram> = OnceLock::new();

/// Make the filter, once a process.
pub fn prepare() -> Result<&'static BpfProgram, Error> {
    if let Some(filter) = FILTER.get() {
        return Ok(filter);
    }
    let filter = rules()
        .and_then(|rules| SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64))
        .and_then(BpfProgram::try_from)
        .map_err(|error| Error::Defect {
            what: format!("the KVM tender's sandbox: {error}"),
        })?;
    Ok(FILTER.get_or_init(|| filter))
}

/// What is mapped is a new processor's shared page. Else memory is only ever given up, and the guest's heap given other rights, but for execution.
fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let discards = SeccompCondition::new(2, Length::Qword, Compare::Eq, libc::MADV_DONTNEED as u64)?;
    let rights = SeccompCondition::new(2, Length::Qword, Compare::Le, abi::PROTECT_RIGHTS[2])?;
    let mut rules: BTreeMap<_, _> = ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
    let is = |argument, value: i32| SeccompCondition::new(argument, Length::Qword, Compare::Eq, value as u64);
    let shared = vec![
        is(0, 0)?,
        is(2, libc::PROT_READ | libc::PROT_WRITE)?,
        is(3, libc::MAP_SHARED)?,
    ];
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(shared)?]);
    rules.insert(libc::SYS_madvise, vec![SeccompRule::new(vec![discards])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![rights])?]);
    Ok(rules)
}

/// Confine the calling thread, for ever.
pub fn enter(filter: &BpfProgram) -> Result<(), Error> {
    seccompiler::apply_filter(filter).map_err(|error| Error::HostLacks {
        what: format!("the seccomp filter was refused: {error}"),
        hint: "the KVM tender needs a Linux kernel with seccomp filters".into(),
    })
}
