//! The pool, opened read-only: finds runs, verifies each once per process, hands out open files. Called by `Image::load`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::image::PAGE;
use crate::image::manifest::Digest;

const FORMAT: &[u8] = b"unishare-pool 1\n";
const READ_BYTES: usize = 128 << 10;

/// A verified run.
#[derive(Clone, Debug)]
pub struct Run {
    pub file: Arc<File>,
    pub pages: u64,
}

/// An open pool.
#[derive(Debug)]
pub struct Pool {
    path: PathBuf,
    folder: OwnedFd,
    verified: Mutex<HashMap<Digest, Run>>,
}

impl Pool {
    /// Open the pool in `path`; its `format` file must say that this program can read it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::NotFound {
                what: format!("there is no pool in {}", path.display()),
            },
            _ => Error::io(format!("opening the pool {}", path.display()), error),
        })?;
        let pool = Self {
            path: path.to_owned(),
            folder,
            verified: Mutex::default(),
        };
        let mut format = Vec::new();
        pool.open_file("format")?
            .take(64)
            .read_to_end(&mut format)
            .map_err(|error| pool.io("format", error))?;
        if format != FORMAT {
            return Err(pool.damaged("format", "is not that of a pool of version 1"));
        }
        Ok(pool)
    }

    /// The run named `digest`, its content verified.
    pub fn run(&self, digest: &Digest) -> Result<Run, Error> {
        // A panic of another thread in between cannot leave half an entry.
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = verified.get(digest) {
            return Ok(run.clone());
        }
        let run = self.verify(digest)?;
        verified.insert(*digest, run.clone());
        Ok(run)
    }

    /// Forget the runs that no image uses any more.
    pub fn forget_unused(&self) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.retain(|_, run| Arc::strong_count(&run.file) > 1);
    }

    fn verify(&self, digest: &Digest) -> Result<Run, Error> {
        let digest = digest.to_string();
        let name = format!("runs/{}/{digest}", &digest[..2]);
        let mut file = self.open_file(&name)?;
        let metadata = file.metadata().map_err(|error| self.io(&name, error))?;
        if !metadata.is_file() {
            return Err(self.damaged(&name, "is not a regular file"));
        }
        if metadata.len() % PAGE != 0 || metadata.len() == 0 || metadata.len() / PAGE > u64::from(u32::MAX) {
            return Err(self.damaged(
                &name,
                &format!("has {} bytes, which is not a number of pages", metadata.len()),
            ));
        }
        let mut hasher = Sha256::new();
        // Most runs are a few pages, and zeroing a buffer for a large one takes longer than hashing them. A file that grew is another one.
        let mut buffer = vec![0; READ_BYTES.min(usize::try_from(metadata.len()).unwrap_or(READ_BYTES))];
        let mut left = metadata.len();
        while left > 0 {
            match file.read(&mut buffer).map_err(|error| self.io(&name, error))? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    left = left.saturating_sub(count as u64);
                }
            }
        }
        if hex(&hasher.finalize()) != digest {
            return Err(self.damaged(&name, "does not have the content that its name says"));
        }
        Ok(Run {
            file: Arc::new(file),
            pages: metadata.len() / PAGE,
        })
    }

    fn open_file(&self, name: &str) -> Result<File, Error> {
        // NONBLOCK: a FIFO in the place of a run must not hang us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => Ok(file.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.damaged(name, "is missing")),
            Err(rustix::io::Errno::LOOP) => Err(self.damaged(name, "is a symbolic link")),
            Err(error) => Err(self.io(name, error)),
        }
    }

    fn damaged(&self, name: &str, what: &str) -> Error {
        Error::DamagedPool {
            what: format!("{} {what}", self.path.join(name).display()),
        }
    }

    fn io(&self, name: &str, error: impl Into<std::io::Error>) -> Error {
        Error::io(format!("reading {}", self.path.join(name).display()), error)
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
