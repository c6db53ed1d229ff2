//! The control socket's name in the file system: taken without taking it from another launcher, given back at the end.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::Error;

const BACKLOG: i32 = 128;
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A listening socket. Its name is removed with it.
pub struct ControlSocket {
    path: PathBuf,
    identity: (u64, u64),
    pub listener: OwnedFd,
}

impl ControlSocket {
    /// Listen on `path`, for this user alone. A relative path may lie arbitrarily deep. One that nobody listens on is replaced.
    pub fn listen(path: &Path) -> Result<Self, Error> {
        let failed = |error: Errno| Error::io(format!("listening on {}", path.display()), error);
        let address = SocketAddrUnix::new(path).map_err(|_| Error::BadRequest {
            what: format!(
                "--control {}: too long for the address of a socket; start in its folder and give a relative name",
                path.display()
            ),
        })?;
        // Two launchers may find the same stale socket: only one at a time looks, removes and binds.
        let _lock = lock_folder(path)?;
        remove_stale(path, &address)?;
        let listener = stream()?;
        let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let bound = rustix::net::bind(&listener, &address);
        rustix::process::umask(mask);
        bound.map_err(failed)?;
        rustix::net::listen(&listener, BACKLOG).map_err(failed)?;
        let identity = identity(&rustix::fs::lstat(path).map_err(failed)?);
        Ok(Self {
            path: path.to_owned(),
            identity,
            listener,
        })
    }

    /// The next client that waits, if one does.
    pub fn accept(&self) -> Result<OwnedFd, Errno> {
        rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Somebody may have removed it and put another in its place.
        if rustix::fs::lstat(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn stream() -> Result<OwnedFd, Error> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| Error::io("making the control socket", error))
}

/// Held until it is dropped.
fn lock_folder(path: &Path) -> Result<OwnedFd, Error> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let failed = |error: Errno| match error {
        Errno::NOENT | Errno::NOTDIR => Error::NotFound {
            what: format!("there is no folder {} for the control socket", folder.display()),
        },
        error => Error::io(format!("locking the folder {}", folder.display()), error),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::openat(CWD, folder, flags, Mode::empty()).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(descriptor),
            Err(Errno::AGAIN) => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(Errno::AGAIN))
}

/// Make room for our name, unless what is there is alive or no socket.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), Error> {
    let failed = |error: Errno| Error::io(format!("looking at {}", path.display()), error);
    let found = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(failed)?,
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(Error::BadRequest {
            what: format!(
                "--control {}: there is a file of that name, and it is not a socket",
                path.display()
            ),
        });
    }
    match rustix::net::connect(&stream()?, address) {
        Err(Errno::CONNREFUSED) => rustix::fs::unlink(path).map_err(failed),
        // AGAIN: its queue is full, so it is very much alive.
        Ok(()) | Err(Errno::AGAIN) => Err(Error::BadRequest {
            what: format!("--control {}: another launcher listens there", path.display()),
        }),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_socket_is_left_alone_and_a_stale_one_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let first = ControlSocket::listen(&path).expect("the first");
        assert!(ControlSocket::listen(&path).is_err());
        let mode = rustix::fs::lstat(&path).expect("it is there").st_mode & 0o777;
        assert_eq!(mode, 0o600);
        // What a killed launcher leaves: the name without a listener.
        let left = std::fs::hard_link(&path, folder.path().join("left"));
        left.expect("a second name");
        drop(first);
        assert!(!path.exists());
        std::fs::rename(folder.path().join("left"), &path).expect("the stale one");
        ControlSocket::listen(&path).expect("the second");
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        std::fs::write(&path, "precious").expect("a file");
        assert!(ControlSocket::listen(&path).is_err());
        assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    }

    #[test]
    fn another_ones_socket_is_not_removed_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let ours = ControlSocket::listen(&path).expect("ours");
        std::fs::remove_file(&path).expect("somebody removed it");
        let other = ControlSocket::listen(&path).expect("another");
        drop(ours);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }

    #[test]
    fn bad_places_are_named() {
        let long = format!("/tmp/{}", "x".repeat(200));
        for path in ["/nonexistent-folder/s", &long] {
            let error = ControlSocket::listen(Path::new(path)).err().expect("an error");
            assert!(error.to_string().contains(&path[..10]), "{error}");
        }
    }
}
