//! `unishare-monitor run`: one instance in the foreground.

use std::path::PathBuf;

use crate::error::Error;
use crate::tender::{Sharing, Tender};

#[derive(clap::Args)]
pub struct Arguments {
    /// The image's manifest.
    #[arg(required_unless_present = "empty")]
    manifest: Option<PathBuf>,
    /// The floor guest in place of an image.
    #[arg(long, conflicts_with = "manifest")]
    empty: bool,
    #[arg(long)]
    pool: Option<PathBuf>,
    #[arg(long)]
    tender: Tender,
    #[arg(long, default_value = "pool")]
    sharing: Sharing,
    /// Heap in bytes.
    #[arg(long)]
    memory: Option<u64>,
    #[arg(long)]
    time_limit_ms: Option<u64>,
    /// NAME=value, over the manifest's.
    #[arg(long)]
    env: Vec<String>,
    /// Send one request, read from this file (`-`: stdin), and write its answer to stdout.
    #[arg(long)]
    invoke: Option<PathBuf>,
    #[arg(last = true)]
    argv: Vec<String>,
}

/// Returns the exit code.
pub fn run(_arguments: &Arguments) -> Result<u8, Error> {
    todo!()
}
