//! One fork, and what the child does until it is the guest.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::confine::{self, Apart};
use super::protocol::{Limits, Order};
use super::word;
use crate::allocator::Arena;
use crate::error::Error;
use crate::image::Image;
use crate::placing::Placed;
use crate::placing::draw::Draw;
use crate::stopwatch::{self, Step};
use crate::tender::{self, Beginning, Descriptors, Prepared, Spec, WORD_FD, descriptor_table};

/// All that an instance is made of.
pub struct Birth<'a> {
    pub order: &'a Order,
    pub image: &'a Arc<Image>,
    /// Where it lies, when that was known before: `None` for a draw of its own.
    pub placed: Option<&'a Placed>,
    pub beginning: Beginning,
    pub draw: &'a Draw,
    pub heap: u64,
    pub prepared: &'a Prepared,
    pub kvm: Option<BorrowedFd<'a>>,
    pub word: BorrowedFd<'a>,
    pub place: Place,
}

/// Where an instance's confinement comes from.
#[derive(Clone, Copy)]
pub enum Place {
    /// The zygote's, which is inherited. The launcher is the instance's parent, though the zygote forks it.
    Inherited {
        launcher: Pid,
        /// Whether the zygote's children are in a PID namespace of their own.
        own_pids: bool,
    },
    /// Namespaces of its own, in which it is forked.
    Own,
}

impl Birth<'_> {
    /// Fork. Returns the child's number, as its parent sees it, which is its reaper too: so the number is nobody else's until then, and no pidfd
    /// is needed for each.
    pub fn fork(&self, channel: OwnedFd, console: OwnedFd, cgroup: Option<BorrowedFd<'_>>) -> Result<i32, Error> {
        // SAFETY: the structure is one of numbers; zeros are valid.
        let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
        arguments.flags = CLONE_CLEAR_SIGHAND;
        if let Some(cgroup) = cgroup {
            arguments.flags |= CLONE_INTO_CGROUP;
            arguments.cgroup = cgroup.as_raw_fd() as u64;
        }
        let (pid, confinement) = match self.place {
            Place::Inherited { launcher, own_pids } => {
                arguments.flags |= libc::CLONE_PARENT as u64;
                // A parent outside of the PID namespace has no number in it (pid_namespaces(7)).
                let parent = Some(launcher).filter(|_| !own_pids);
                (clone(&mut arguments), Confinement::Inherited(parent))
            }
            Place::Own => {
                let apart = Apart::of_caller();
                arguments.flags |= apart.flags();
                arguments.exit_signal = libc::SIGCHLD as u64;
                match clone(&mut arguments) {
                    Err(_) => {
                        // The host refuses some namespace: it may still give others, one by one.
                        arguments.flags &= !apart.flags();
                        (clone(&mut arguments), Confinement::Piecewise)
                    }
                    pid => (pid, Confinement::Apart(apart)),
                }
            }
        };
        match pid.map_err(|error| Error::io("forking an instance", error))? {
            0 => self.become_instance(confinement, channel, console),
            pid => Ok(pid),
        }
    }

    /// The child. It never returns into the zygote's code.
    fn become_instance(&self, confinement: Confinement, channel: OwnedFd, console: OwnedFd) -> ! {
        stopwatch::mark(Step::Forked);
        match self.enter(confinement, channel, console) {
            Ok(never) => match never {},
            Err(error) => fail(self.order.number, &error),
        }
    }

    fn enter(&self, confinement: Confinement, channel: OwnedFd, console: OwnedFd) -> Result<Infallible, Error> {
        // SAFETY: a child of the zygote uses its stderr for nothing else.
        if unsafe { libc::dup2(self.word.as_raw_fd(), WORD_FD) } < 0 {
            return Err(Error::io(
                "arranging an instance's descriptors",
                std::io::Error::last_os_error(),
            ));
        }
        if matches!(self.place, Place::Inherited { .. }) {
            // SAFETY: the zygote's own sockets, which its children do not use.
            unsafe { descriptor_table::take_reserved() }?;
        }
        let parent = confinement.take()?;
        tie_to_parent(parent)?;
        limit(&self.order.limits, matches!(self.place, Place::Own))?;
        let arena = Arena::switch(SET_UP, None)?;
        let (argv, mut env) = (self.order.argv.as_ref().unwrap_or(&self.image.argv), BTreeMap::new());
        env.extend(
            self.image
                .env
                .iter()
                .chain(&self.order.env)
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let drawn;
        let placed = match self.placed {
            Some(placed) => placed,
            None => {
                drawn = Placed::new(self.image, self.draw);
                &drawn
            }
        };
        stopwatch::mark(Step::Placed);
        let spec = Spec {
            placed,
            beginning: self.beginning,
            log_bytes: self.order.limits.log_bytes,
            prepared: self.prepared,
            sharing: self.order.sharing,
            heap: self.heap,
            argv,
            env: &env,
            park_after: self.order.park_after_ms.map(Duration::from_millis),
        };
        let duplicate = |descriptor: BorrowedFd<'_>| {
            rustix::io::fcntl_dupfd_cloexec(descriptor, WORD_FD + 1)
                .map_err(|error| Error::io("duplicating a descriptor", error))
        };
        let descriptors = Descriptors {
            channel: duplicate(channel.as_fd())?,
            console: duplicate(console.as_fd())?,
            kvm: self.kvm.map(duplicate).transpose()?,
            highest: channel.as_raw_fd().max(console.as_raw_fd()),
        };
        // The KVM tender gives up all that the zygote made: what is told after that is copied now, whatever the compiler thinks of it.
        let number = std::hint::black_box(self.order.number);
        tender::enter(self.order.tender, &spec, descriptors)?.run(arena, move |error| fail(number, &error))
    }
}

/// What placing the largest image takes, many times over.
const SET_UP: usize = 64 << 20;

/// Say what an instance that never ran, or cannot go on, died of.
fn fail(number: u64, error: &Error) -> ! {
    // SAFETY: the socket lies there since `enter` began, or the zygote's stderr does, which is no socket.
    word::say(unsafe { BorrowedFd::borrow_raw(WORD_FD) }, number, error);
    // SAFETY: ends the process without the zygote's exit handlers, which are not the child's to run.
    unsafe { libc::_exit(error.exit_code().into()) }
}

/// What a freshly forked instance has to do for its confinement.
enum Confinement {
    /// Nothing. Its parent, where that has a number in its PID namespace.
    Inherited(Option<Pid>),
    /// It is in namespaces of its own.
    Apart(Apart),
    /// It enters those that the host gives.
    Piecewise,
}

impl Confinement {
    /// Returns what `getppid` is as long as the parent lives.
    fn take(self) -> Result<Option<Pid>, Error> {
        match self {
            Self::Inherited(parent) => Ok(parent),
            Self::Apart(apart) => {
                confine::reset_signals()?;
                apart.settle()?;
                Ok(None)
            }
            Self::Piecewise => {
                let parent = rustix::process::getppid();
                confine::reset_signals()?;
                confine::enter(false)?;
                Ok(parent)
            }
        }
    }
}

/// Die with the parent, also when it is gone already.
fn tie_to_parent(expected: Option<Pid>) -> Result<(), Error> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::io("PR_SET_PDEATHSIG", error))?;
    if rustix::process::getppid() == expected {
        Ok(())
    } else {
        Err(Error::Ended {
            what: "the launcher ended while an instance started".into(),
        })
    }
}

/// 0 in the child.
fn clone(arguments: &mut libc::clone_args) -> std::io::Result<i32> {
    // SAFETY: without CLONE_VM this is a fork. The caller has one thread, so the child finds every lock free.
    match unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_mut(arguments), size_of::<libc::clone_args>()) } {
        -1 => Err(std::io::Error::last_os_error()),
        pid => Ok(pid as i32),
    }
}

/// linux/sched.h; the C library's bindings have them as numbers of other types.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Limits that differ between instances. What they have in common the zygote has set for itself.
fn limit(limits: &Limits, is_first: bool) -> Result<(), Error> {
    let set = |resource, soft: u64, hard: u64, what: &'static str| {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        rustix::process::setrlimit(resource, limit).map_err(|error| Error::io(what, error))
    };
    if let Some(seconds) = limits.cpu_seconds {
        // First SIGXCPU, which says what it was; a second later SIGKILL (setrlimit(2)). The first process of a PID namespace hears the second only:
        // its parent asks the kernel what it had used (foreground/talk.rs).
        let hard = if is_first { seconds } else { seconds.saturating_add(1) };
        set(Resource::Cpu, seconds, hard, "RLIMIT_CPU")?;
    }
    Ok(())
}
