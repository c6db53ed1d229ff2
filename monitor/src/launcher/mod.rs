//! The launcher: holds instances and answers clients on a control socket (docs/formats/control.md). One thread, because it forks.

mod answer;
mod bases;
mod client;
mod ending;
mod exchange;
mod fleet;
mod frame;
mod host;
mod identity;
mod images;
mod live;
mod logs;
mod member;
mod names;
mod operations;
mod pending;
mod poller;
mod queue;
mod refusal;
mod request;
mod server;
mod socket;
mod start;
mod stats;

use std::path::Path;

use rustix::process::{Resource, Rlimit};

use crate::error::Error;
use crate::stopwatch::Stopwatch;
use crate::zygote::Zygote;

/// Serve the control socket until shut down.
pub fn launch(
    control: &Path,
    pool: &Path,
    parent_pid: Option<u32>,
    cgroup: Option<&Path>,
    stopwatch: bool,
) -> Result<(), Error> {
    raise_descriptor_limit();
    // The zygote has it too.
    let stopwatch = stopwatch.then(Stopwatch::start).transpose()?;
    // Before there is anything that instances must not have.
    let zygote = Zygote::fork(Some(pool), cgroup)?;
    server::Server::new(control, pool, zygote, parent_pid, stopwatch)?.serve()
}

/// Each instance needs one descriptor here. Where the limit cannot be raised, starting says so.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}
