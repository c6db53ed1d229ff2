//! The pool, opened read-only: finds runs, verifies each once, hands out open files.

use std::path::Path;

use crate::error::Error;
use crate::plan::Plan;

/// An open pool.
pub struct Pool {}

impl Pool {
    /// Open the pool in `folder`; its `format` file must say that this program can read it.
    pub fn open(_folder: &Path) -> Result<Self, Error> {
        todo!()
    }
}

impl Plan {
    /// Check the manifest at `path`, open and verify the runs it names.
    pub fn load(_path: &Path, _pool: &Pool) -> Result<Self, Error> {
        todo!()
    }

    /// The floor guest: it says READY and gives an empty answer to every request.
    pub fn empty() -> Result<Self, Error> {
        todo!()
    }
}
