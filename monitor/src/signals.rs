//! Signals as something to wait for: SIGINT and SIGTERM, so that instances are ended in order, and SIGCHLD, when one has ended.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::Error;

/// The signals, blocked, and the descriptor that tells of them. The zygote, which is forked before, does not block them.
pub struct Interruptions(OwnedFd);

impl Interruptions {
    pub fn catch() -> Result<Self, Error> {
        let failed = || Error::io("catching signals", std::io::Error::last_os_error());
        // SAFETY: a signal set of zeros is valid; all three calls get pointers to it alone.
        let descriptor = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGINT);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) < 0 {
                return Err(failed());
            }
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if descriptor < 0 {
            return Err(failed());
        }
        // SAFETY: signalfd made it just now, for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// The next signal that came, if one did.
    pub fn take(&self) -> Option<i32> {
        let mut bytes = [0; size_of::<libc::signalfd_siginfo>()];
        let length = rustix::io::read(&self.0, &mut bytes).ok()?;
        // ssi_signo is its first field.
        (length == bytes.len()).then(|| i32::from(bytes[0]))
    }
}

impl AsFd for Interruptions {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
