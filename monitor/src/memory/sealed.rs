//! Sealed memory files: pages that all instances of this process share, that no file on disk holds, and that nothing can change.

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::error::Error;

/// A memory file with what `fill` writes, sealed.
pub fn file(name: &'static str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<File, Error> {
    let make = || {
        let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        fill(&mut file)?;
        fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
        )?;
        Ok(file)
    };
    make().map_err(|error: io::Error| Error::io(format!("making the memory file {name}"), error))
}
