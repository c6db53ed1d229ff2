//! Placeholder: the launcher is being written.
use std::path::Path;

use crate::error::Error;
use crate::pool::Pool;

/// Serve the control socket until shut down.
pub fn launch(_control: &Path, _pool: Pool, _parent_pid: Option<u32>) -> Result<(), Error> {
    Err(Error::Defect {
        what: "launch is not there yet".into(),
    })
}
