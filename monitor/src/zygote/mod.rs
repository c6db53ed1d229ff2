//! Starts one instance: a forked child that becomes the guest, and the channel to it. Called by `run` and by the launcher.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::allocator::Arena;
use crate::channel;
use crate::error::Error;
use crate::image::Image;
use crate::placing::{Placed, draw::Draw};
use crate::tender::{self, Beginning, Descriptors, Prepared, Sharing, Spec, Tender};

/// A started instance. It is killed when the calling thread dies. The caller reaps it.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub channel: OwnedFd,
}

/// An instance to be.
pub struct Order<'a> {
    pub image: &'a Arc<Image>,
    pub draw: &'a Draw,
    /// The image with the pages of the snapshot that it begins from; `draw` is then the snapshot's.
    pub snapshot: Option<&'a Arc<Placed>>,
    pub beginning: Beginning,
    pub tender: Tender,
    pub sharing: Sharing,
    /// Heap in bytes, a multiple of a page.
    pub heap: u64,
    pub argv: &'a [String],
    pub env: &'a BTreeMap<String, String>,
    /// How long it waits for a request until it gives memory back; `None`: it never does.
    pub quiet: Option<Duration>,
}

/// Fork an instance. Returns at once: its first message is READY or, when it could not start, a failure (channel/).
/// The calling process must have one thread only.
pub fn spawn(order: &Order<'_>, console: BorrowedFd<'_>, kvm: Option<BorrowedFd<'_>>) -> Result<Child, Error> {
    let prepared = tender::prepare(order.tender, order.image)?;
    let (parent_end, instance_end) = channel::pair(order.quiet)?;
    let duplicate = |descriptor: BorrowedFd<'_>| {
        rustix::io::fcntl_dupfd_cloexec(descriptor, 0).map_err(|error| Error::io("duplicating a descriptor", error))
    };
    let descriptors = Descriptors {
        channel: instance_end,
        console: duplicate(console)?,
        kvm: kvm.map(duplicate).transpose()?,
    };
    let parent = rustix::process::getpid();
    // SAFETY: the caller has one thread, so the child finds every lock free and may do what any program may.
    match unsafe { libc::fork() } {
        -1 => Err(Error::io("forking an instance", std::io::Error::last_os_error())),
        0 => become_instance(order, &prepared, descriptors, parent),
        pid => {
            let process = Pid::from_raw(pid).ok_or_else(|| Error::Defect {
                what: format!("fork returned {pid}"),
            })?;
            let pidfd = rustix::process::pidfd_open(process, PidfdFlags::empty()).inspect_err(|_| {
                let _ = rustix::process::kill_process(process, Signal::KILL);
                let _ = rustix::process::waitpid(Some(process), WaitOptions::empty());
            });
            Ok(Child {
                pid,
                pidfd: pidfd.map_err(|error| Error::io("opening a pidfd", error))?,
                channel: parent_end,
            })
        }
    }
}

/// The child. It never returns into the parent's code.
fn become_instance(order: &Order<'_>, prepared: &Prepared, descriptors: Descriptors, parent: Pid) -> ! {
    let report = channel::duplicate(&descriptors.channel);
    let ended = tie_to(parent).and_then(|()| enter(order, prepared, descriptors));
    let error = match ended {
        Ok(never) => match never {},
        Err(error) => error,
    };
    if let Ok(report) = report {
        channel::send_failure(report.as_fd(), &error);
    }
    // SAFETY: ends the process without the parent's exit handlers, which are not the child's to run.
    unsafe { libc::_exit(error.exit_code().into()) }
}

/// Place the image, and become it.
fn enter(order: &Order<'_>, prepared: &Prepared, descriptors: Descriptors) -> Result<Infallible, Error> {
    let arena = Arena::switch()?;
    let placed = match order.snapshot {
        Some(snapshot) => Arc::clone(snapshot),
        None => Arc::new(Placed::new(order.image, order.draw)),
    };
    let spec = Spec {
        placed: &placed,
        beginning: order.beginning,
        prepared,
        sharing: order.sharing,
        heap: order.heap,
        argv: order.argv,
        env: order.env,
    };
    tender::enter(order.tender, &spec, descriptors)?.run(arena)
}

/// End an instance and reap it.
pub fn end(child: &Child) {
    // Gone already is as good.
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
    let _ = rustix::process::waitpid(Pid::from_raw(child.pid), WaitOptions::empty());
}

/// Die with the parent, also when it is gone already.
fn tie_to(parent: Pid) -> Result<(), Error> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::io("PR_SET_PDEATHSIG", error))?;
    if rustix::process::getppid() == Some(parent) {
        Ok(())
    } else {
        Err(Error::Ended {
            what: "the monitor ended while an instance started".into(),
        })
    }
}
