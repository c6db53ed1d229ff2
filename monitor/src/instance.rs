//! Starts one instance: a forked child that becomes the guest, and the channel to it.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::error::Error;
use crate::tender::{Spec, Tender};

/// A started instance. It is killed when the calling thread dies. The caller reaps it.
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub channel: OwnedFd,
}

/// Fork an instance. Returns at once: its first message is READY or, when it could not start, a failure (channel.rs).
/// The calling process must have one thread only.
pub fn spawn(_spec: &Spec<'_>, _tender: Tender, _console: BorrowedFd<'_>, _kvm: Option<BorrowedFd<'_>>) -> Result<Child, Error> {
    todo!()
}
