//! The host's limits, looked at before anything is started, and named when one was met.

use rustix::io::Errno;
use rustix::process::Resource;

use super::refusal::Refusal;
use crate::error::Error;

/// Descriptors for what is not an instance: sockets, clients, files that are open for a moment.
const SPARE_DESCRIPTORS: u64 = 24;

/// Refuse what cannot succeed: `more` instances beside `live` ones. Each needs one descriptor here, and a process.
pub fn check(live: u64, more: u64) -> Result<(), Error> {
    let wanted = live.saturating_add(more);
    let lacks = |what: String, hint: &'static str| Error::HostLacks {
        what: format!("{what}, too few for {more} more instances beside {live}; none was started"),
        hint: hint.into(),
    };
    if let Some(limit) = rustix::process::getrlimit(Resource::Nofile).current {
        if wanted.saturating_add(SPARE_DESCRIPTORS) > limit {
            return Err(lacks(
                format!("the launcher may have {limit} file descriptors"),
                "start fewer, or raise the hard limit: 'ulimit -Hn'",
            ));
        }
    }
    for (path, hint) in [
        ("/proc/sys/kernel/pid_max", "start fewer, or raise kernel.pid_max"),
        ("/proc/sys/kernel/threads-max", "start fewer, or raise kernel.threads-max"),
    ] {
        let limit = std::fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(limit) = limit.filter(|limit| wanted > *limit) {
            return Err(lacks(format!("the host may have {limit} processes ({path})"), hint));
        }
    }
    Ok(())
}

/// Why none of the `wanted` instances of a request stays: which of the host's limits was met, if it was one.
pub fn explain(error: Error, wanted: u32) -> Refusal {
    let Error::Io { what, source } = &error else {
        return error.into();
    };
    let limit = |resource| match rustix::process::getrlimit(resource).current {
        Some(limit) => limit.to_string(),
        None => "no limit".into(),
    };
    let (lacks, hint) = match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => (
            format!("too few file descriptors ({} for the launcher)", limit(Resource::Nofile)),
            "start fewer, or raise the hard limit: 'ulimit -Hn'",
        ),
        Some(Errno::NFILE) => (
            "too few file descriptors in the whole system".into(),
            "start fewer, or raise fs.file-max",
        ),
        Some(Errno::AGAIN) => (
            format!("too few processes (limit of the user: {})", limit(Resource::Nproc)),
            "start fewer, or raise 'ulimit -u', kernel.pid_max or the pids limit of the container",
        ),
        Some(Errno::NOMEM) => ("too little memory".into(), "start fewer, or stop some: 'unishare stop --all'"),
        Some(Errno::NOSPC) => (
            "too few watched descriptors, or too little space".into(),
            "start fewer, or raise fs.epoll.max_user_watches",
        ),
        _ => return error.into(),
    };
    Refusal::new(
        "host-lacks",
        format!("the host has {lacks} for {wanted} more instances ({what}); none was started"),
        hint,
    )
}
