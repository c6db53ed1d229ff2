//! The zygote: one process, forked before there is anything else, that holds /dev/kvm, verified images and constant pages, and forks the
//! instances. It is confined once (confine.rs), and they inherit that. Used by the launcher, whose children instances are. `run` has one instance
//! only: there is no process for that, and the instance confines itself.

mod birth;
mod child;
mod confine;
mod protocol;
mod server;
mod word;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Pid, WaitOptions};

use crate::error::Error;
use crate::image::pool::Pool;
use crate::placing::draw::Draw;
pub use child::{Child, Exit, end, kill};
pub use protocol::{Beginning, Born, Limits, Order, Summary};
use protocol::{Reply, Request};
use server::Nursery;

use crate::tender::{self, Tender};

/// A zygote as its launcher has it.
pub struct Zygote {
    seat: Seat,
    pub words: OwnedFd,
    pub born: Born,
}

/// Where it is.
enum Seat {
    Process {
        control: OwnedFd,
        pid: Pid,
        buffer: Box<[u8]>,
    },
    /// In the calling process.
    Here(Box<Nursery>),
}

impl Zygote {
    /// Fork it. The calling process has one thread only, and nothing yet that instances must not inherit.
    pub fn fork(pool: Option<&Path>, cgroup: Option<&Path>) -> Result<Self, Error> {
        let failed = |error| Error::io("making the zygote's sockets", error);
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(failed)?;
        for end in [&ours, &theirs] {
            sockopt::set_socket_send_buffer_size(end, 2 * protocol::MESSAGE_MAX).map_err(failed)?;
        }
        let (words, word) = word::pair()?;
        let cgroup = cgroup.map(open_cgroup).transpose()?;
        let launcher = rustix::process::getpid();
        // SAFETY: the caller has one thread, so the child finds every lock free and may do what any program may.
        match unsafe { libc::fork() } {
            -1 => Err(Error::io("forking the zygote", std::io::Error::last_os_error())),
            0 => {
                drop((ours, words));
                let ended = server::serve(theirs, word, pool.map(Path::to_owned), cgroup, launcher);
                let code = match ended {
                    Ok(never) => match never {},
                    Err(error) => error.exit_code(),
                };
                // SAFETY: ends the process without the launcher's exit handlers.
                unsafe { libc::_exit(code.into()) }
            }
            pid => {
                let pid = Pid::from_raw(pid).ok_or_else(|| Error::Defect {
                    what: format!("fork returned {pid}"),
                })?;
                let mut zygote = Self {
                    seat: Seat::Process {
                        control: ours,
                        pid,
                        buffer: vec![0; protocol::MESSAGE_MAX].into_boxed_slice(),
                    },
                    words,
                    born: Born::default(),
                };
                drop((theirs, word));
                zygote.born = match zygote.hear()? {
                    Reply::Born(born) => born,
                    other => return Err(unexpected(&other)),
                };
                Ok(zygote)
            }
        }
    }

    /// Without a process of its own, for one instance of this tender. The calling process has one thread only.
    pub fn here(pool: Option<&Path>, tender: Tender) -> Result<Self, Error> {
        let pool = pool.map(Pool::open).transpose()?;
        if tender == Tender::Kvm {
            tender::kvm::remember()?;
        }
        let (words, word) = word::pair()?;
        Ok(Self {
            seat: Seat::Here(Box::new(Nursery::new(pool, tender::device(tender), word))),
            words,
            born: Born::default(),
        })
    }

    /// Check and verify an image.
    pub fn load(&mut self, manifest: &Path) -> Result<Summary, Error> {
        let file = open_manifest(manifest)?;
        self.image(
            Request::Load {
                manifest: manifest.to_owned(),
            },
            &[file.as_fd()],
        )
    }

    /// The same for who does other things meanwhile: verifying a large image takes long. `control` tells when the reply is there, and nothing
    /// else is asked before it was taken.
    pub fn begin_load(&mut self, manifest: &Path) -> Result<(), Error> {
        let file = open_manifest(manifest)?;
        let manifest = manifest.to_owned();
        self.send(&Request::Load { manifest }, &[file.as_fd()])
    }

    pub fn finish_load(&mut self) -> Result<Summary, Error> {
        match self.hear()? {
            Reply::Image(summary) => Ok(*summary),
            other => Err(unexpected(&other)),
        }
    }

    pub fn begin_snapshot(&mut self, image: u64, path: &Path) -> Result<(), Error> {
        let file = open_snapshot(path)?;
        let snapshot = path.to_owned();
        self.send(&Request::Snapshot { image, snapshot }, &[file.as_fd()])
    }

    pub fn finish_snapshot(&mut self) -> Result<u64, Error> {
        match self.hear()? {
            Reply::Snapshot(snapshot) => Ok(snapshot),
            other => Err(unexpected(&other)),
        }
    }

    /// Where its replies come, if it is a process.
    pub fn control(&self) -> Option<BorrowedFd<'_>> {
        match &self.seat {
            Seat::Process { control, .. } => Some(control.as_fd()),
            Seat::Here(_) => None,
        }
    }

    /// The floor guest.
    pub fn floor(&mut self) -> Result<Summary, Error> {
        self.image(Request::Floor, &[])
    }

    /// Check a snapshot of an image; its number.
    pub fn snapshot(&mut self, image: u64, path: &Path) -> Result<u64, Error> {
        let file = open_snapshot(path)?;
        let request = Request::Snapshot {
            image,
            snapshot: path.to_owned(),
        };
        match self.ask(request, &[file.as_fd()])? {
            Reply::Snapshot(snapshot) => Ok(snapshot),
            other => Err(unexpected(&other)),
        }
    }

    /// Forget an image that will not be started any more.
    pub fn forget(&mut self, image: u64) -> Result<(), Error> {
        self.ask(Request::Forget { image }, &[]).map(drop)
    }

    /// Fork an instance, a child of the calling process. Its channel's first message is READY, or a word tells why it could not start.
    pub fn start(&mut self, order: Order, channel: BorrowedFd<'_>, console: BorrowedFd<'_>) -> Result<(i32, Draw), Error> {
        match self.ask(Request::Start(Box::new(order)), &[channel, console])? {
            Reply::Started { pid, draw } => Ok((pid, draw)),
            other => Err(unexpected(&other)),
        }
    }

    /// The next word of an instance that could not start: its number, and why.
    pub fn word(&self) -> Option<(u64, Error)> {
        word::hear(&self.words)
    }

    /// The next child that has ended, if one has: its number, and how.
    pub fn reap(&self) -> Option<(i32, Exit)> {
        loop {
            // Of any process group: instances are in their zygote's session.
            return match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => Some((pid.as_raw_nonzero().get(), Exit::from(status))),
                Ok(None) => None,
                Err(Errno::INTR) => continue,
                Err(_) => None,
            };
        }
    }

    pub fn is(&self, pid: i32) -> bool {
        matches!(self.seat, Seat::Process { pid: own, .. } if own.as_raw_nonzero().get() == pid)
    }

    fn image(&mut self, request: Request, descriptors: &[BorrowedFd<'_>]) -> Result<Summary, Error> {
        match self.ask(request, descriptors)? {
            Reply::Image(summary) => Ok(*summary),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, request: Request, descriptors: &[BorrowedFd<'_>]) -> Result<Reply, Error> {
        if let Seat::Here(nursery) = &mut self.seat {
            let copies: std::io::Result<_> = descriptors.iter().map(BorrowedFd::try_clone_to_owned).collect();
            return nursery.act(request, copies.map_err(|error| Error::io("duplicating a descriptor", error))?);
        }
        self.send(&request, descriptors)?;
        self.hear()
    }

    fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        protocol::send(self.control().ok_or_else(no_process)?, request, descriptors)
    }

    fn hear(&mut self) -> Result<Reply, Error> {
        let Seat::Process { control, buffer, .. } = &mut self.seat else {
            return Err(no_process());
        };
        match protocol::receive(control.as_fd(), buffer)? {
            Some((Reply::Failed(failure), _)) => Err(failure.into()),
            Some((reply, _)) => Ok(reply),
            None => Err(Error::Defect {
                what: "the zygote has ended, and its instances with it".into(),
            }),
        }
    }

    /// Let it end, and wait for that. All instances must have gone before.
    pub fn end(self) {
        if let Seat::Process { control, pid, .. } = self.seat {
            drop(control);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

fn no_process() -> Error {
    Error::Defect {
        what: "a zygote without a process is asked at once".into(),
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::Defect {
        what: format!("the zygote answered {reply:?}"),
    }
}

fn open_manifest(path: &Path) -> Result<File, Error> {
    open_to_read(path).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => Error::NotFound {
            what: format!("there is no manifest {}", path.display()),
        },
        error => Error::io(format!("reading {}", path.display()), error),
    })
}

/// A snapshot's file, to be read.
pub fn open_snapshot(path: &Path) -> Result<File, Error> {
    open_to_read(path).map_err(|error| Error::BadSnapshot {
        what: format!("{}: {}", path.display(), std::io::Error::from(error)),
    })
}

/// Not to wait: opening a FIFO would.
fn open_to_read(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map(File::from)
}

fn open_cgroup(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|error| Error::io(format!("opening the cgroup {}", path.display()), error))
}
