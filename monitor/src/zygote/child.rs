//! Instances as processes that whoever has the zygote is the parent of: how they end, and are made to.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(u8),
    Signal(u8),
}

impl From<WaitStatus> for Exit {
    fn from(status: WaitStatus) -> Self {
        match status.exit_status() {
            Some(code) => Self::Code(code as u8),
            None => Self::Signal(status.terminating_signal().unwrap_or(libc::SIGKILL) as u8),
        }
    }
}

impl Exit {
    /// As a shell counts.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128_u8.wrapping_add(signal),
        }
    }
}

/// An instance that its caller alone holds.
pub struct Child {
    pub pid: i32,
    pub channel: OwnedFd,
}

/// End an instance and reap it.
pub fn end(child: &Child) {
    kill(child.pid);
    let _ = rustix::process::waitpid(Pid::from_raw(child.pid), WaitOptions::empty());
}

/// End an instance. Its number is its own until it is reaped, which only its parent does.
pub fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Gone already is as good.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}
