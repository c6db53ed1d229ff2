//! The launcher: holds instances and answers clients on a control socket (docs/formats/control.md). One thread, because it forks.

mod answer;
mod bases;
mod client;
mod ending;
mod exchange;
mod fleet;
mod frame;
mod images;
mod member;
mod names;
mod operations;
mod pending;
mod poller;
mod refusal;
mod request;
mod server;
mod socket;
mod start;
mod stats;

use std::path::Path;

use rustix::process::{Resource, Rlimit};

use crate::error::Error;
use crate::image::pool::Pool;

/// Serve the control socket until shut down.
pub fn launch(control: &Path, pool: Pool, parent_pid: Option<u32>) -> Result<(), Error> {
    raise_descriptor_limit();
    server::Server::new(control, pool, parent_pid)?.serve()
}

/// Each instance needs two descriptors here. Where the limit cannot be raised, starting says which one is missing.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}
