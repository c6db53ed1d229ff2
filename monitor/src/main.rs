//! `unishare-monitor`: loads unikernels from a pool and runs them confined (docs/formats/control.md).

mod abi;
mod allocator;
mod capture;
mod channel;
mod crash;
mod drawing;
mod error;
mod foreground;
#[cfg(test)]
mod fuzz;
mod image;
mod launcher;
mod memory;
mod placing;
mod signals;
mod snapshot;
mod stopwatch;
mod tender;
mod zygote;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use error::Error;
use image::Image;
use image::pool::Pool;
use placing::Placed;
use placing::draw::Draw;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

#[derive(Parser)]
#[command(version, about = "Loads unikernels from a pool of shared page runs and confines them")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one instance in the foreground.
    Run(foreground::Arguments),
    /// Serve a control socket that starts and invokes instances.
    Launch {
        /// The UNIX socket to listen on.
        #[arg(long)]
        control: PathBuf,
        #[arg(long)]
        pool: PathBuf,
        /// End when this process does.
        #[arg(long)]
        parent_pid: Option<u32>,
        /// Put instances into this cgroup, a folder of a version 2 hierarchy.
        #[arg(long)]
        cgroup: Option<PathBuf>,
        /// Note when starts and wakes reach each of their steps, for 'bench start --steps'.
        #[arg(long, hide = true)]
        stopwatch: bool,
    },
    /// Validate a manifest and the runs that it names.
    Check {
        manifest: PathBuf,
        #[arg(long)]
        pool: PathBuf,
    },
    /// Write the page tables that the KVM tender would use for a manifest, or for snapshots of it.
    PageTables {
        manifest: PathBuf,
        #[arg(long)]
        pool: PathBuf,
        /// A snapshot of the image; each has tables of its own, OUTPUT.0, OUTPUT.1 and so on.
        #[arg(long)]
        snapshot: Vec<PathBuf>,
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Explain a crash: reads the launcher's `record` of one from stdin, and looks up symbols in the image's files.
    ExplainCrash {
        /// Both the report and a record of it, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run an image until it waits for a request, and write down what it has written.
    Snapshot(capture::Arguments),
    /// Ask instances of snapshots, and print which pages every first request writes.
    FirstWrites(capture::first_writes::Arguments),
    /// Print the bases that many starts of an aslr image would get.
    #[command(hide = true)]
    Draw(drawing::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Here no launcher keeps logs and reports.
            let hint = match &error {
                error::Error::Ended { .. } => {
                    "see what it wrote to its console; it is to serve requests until there are no more"
                }
                other => other.hint(),
            };
            eprintln!("error: {error}\nhint: {hint}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command) -> Result<u8, Error> {
    match command {
        Command::Run(arguments) => return foreground::run(&arguments),
        Command::Launch {
            control,
            pool,
            parent_pid,
            cgroup,
            stopwatch,
        } => launcher::launch(&control, &pool, parent_pid, cgroup.as_deref(), stopwatch)?,
        Command::Check { manifest, pool } => {
            let pool = Pool::open(&pool)?;
            let image = Image::load(&manifest, &pool)?;
            image.page_tables.map(|tables| pool.run(&tables.run)).transpose()?;
        }
        Command::ExplainCrash { json } => crash::run(json)?,
        Command::Snapshot(arguments) => capture::run(&arguments)?,
        Command::FirstWrites(arguments) => capture::first_writes::run(&arguments)?,
        Command::Draw(arguments) => drawing::run(&arguments)?,
        Command::PageTables {
            manifest,
            pool,
            snapshot,
            output,
        } => write_page_tables(&manifest, &Pool::open(&pool)?, &snapshot, &output)?,
    }
    Ok(0)
}

/// Into `output`, or for snapshots into `output.0` and so on.
fn write_page_tables(manifest: &Path, pool: &Pool, snapshots: &[PathBuf], output: &Path) -> Result<(), Error> {
    let image = Arc::new(Image::load(manifest, pool)?);
    for (number, path) in snapshots.iter().enumerate() {
        let placed = snapshot::load(zygote::open_snapshot(path)?, path, &image, pool)?;
        let mut name = output.as_os_str().to_owned();
        name.push(format!(".{number}"));
        tender::kvm::page_tables::write(&placed, Path::new(&name))?;
    }
    if !snapshots.is_empty() {
        return Ok(());
    }
    let draw = Draw::fixed(&image).ok_or_else(|| Error::BadRequest {
        what: format!(
            "{}: its addresses are drawn at every start, and its page tables with them",
            image.name
        ),
    })?;
    tender::kvm::page_tables::write(&Placed::new(&image, &draw), output)
}
