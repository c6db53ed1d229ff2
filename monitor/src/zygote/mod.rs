//! Starts one instance: a forked child that becomes the guest, and the channel to it. Called by `run` and by the launcher.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::allocator::Arena;
use crate::channel;
use crate::error::Error;
use crate::placing::draw;
use crate::tender::{self, Descriptors, Spec, Tender};

/// A started instance. It is killed when the calling thread dies. The caller reaps it.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub channel: OwnedFd,
}

/// Fork an instance. Returns at once: its first message is READY or, when it could not start, a failure (channel.rs).
/// The calling process must have one thread only.
pub fn spawn(spec: &Spec<'_>, tender: Tender, console: BorrowedFd<'_>, kvm: Option<BorrowedFd<'_>>) -> Result<Child, Error> {
    tender::prepare(tender, spec.plan)?;
    let (parent_end, instance_end) = channel::pair(Some(channel::QUIET))?;
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
        0 => become_instance(spec, tender, descriptors, parent),
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
fn become_instance(spec: &Spec<'_>, tender: Tender, descriptors: Descriptors, parent: Pid) -> ! {
    let report = channel::duplicate(&descriptors.channel);
    let ended = tie_to(parent).and_then(|()| enter(spec, tender, descriptors));
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

/// Place the image where it was drawn to, and become it.
fn enter(spec: &Spec<'_>, tender: Tender, descriptors: Descriptors) -> Result<Infallible, Error> {
    let arena = Arena::switch()?;
    let placed = spec.draw.map(|draw| draw::place(spec.plan, draw));
    let guest = match &placed {
        None => tender::enter(tender, spec, descriptors),
        Some(plan) => {
            let spec = Spec {
                plan,
                draw: None,
                ..*spec
            };
            tender::enter(tender, &spec, descriptors)
        }
    }?;
    guest.run(arena)
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
