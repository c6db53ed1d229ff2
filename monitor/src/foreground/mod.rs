//! `unishare-monitor run`: one instance in the foreground. Its console is stdout or, with `--invoke`, stderr; its exit code is ours.

mod conversation;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel;
use crate::error::Error;
use crate::image::Image;
use crate::image::pool::Pool;
use crate::placing::draw::{self, Draw, Source};
use crate::placing::{Placed, seed};
use crate::signals;
use crate::snapshot::{self, choice::Choice};
use crate::tender::{self, Sharing, Tender};
use crate::zygote::{self, Child, Order};
use conversation::{Conversation, End};

#[derive(clap::Args)]
pub struct Arguments {
    /// The image's manifest.
    #[arg(required_unless_present = "empty")]
    manifest: Option<PathBuf>,
    /// The floor guest in place of an image.
    #[arg(long, conflicts_with = "manifest")]
    empty: bool,
    /// The pool that holds the image's runs.
    #[arg(long, required_unless_present = "empty")]
    pool: Option<PathBuf>,
    /// What confines the instance.
    #[arg(long)]
    tender: Tender,
    /// How its memory is filled.
    #[arg(long, default_value = "pool")]
    sharing: Sharing,
    /// Heap in bytes, in place of the manifest's.
    #[arg(long)]
    memory: Option<u64>,
    /// Draw the addresses of an aslr image from this number instead of the kernel's random source: for debugging only.
    #[arg(long)]
    seed: Option<u64>,
    /// Pages that lie between the parts of an aslr image in all: more makes their distances harder to guess, and costs page tables.
    #[arg(long, default_value_t = draw::DEFAULT_GAPS)]
    gaps: u64,
    /// A snapshot of the image to begin from; of several, one is picked at random.
    #[arg(long)]
    snapshot: Vec<PathBuf>,
    /// Return to the snapshot after each answer.
    #[arg(long, requires = "snapshot")]
    reset: bool,
    /// End it when this has passed since it was started (exit code 124).
    #[arg(long)]
    time_limit_ms: Option<u64>,
    /// NAME=value, in addition to the manifest's.
    #[arg(long)]
    env: Vec<String>,
    /// Send one request, read from this file (`-`: stdin), and write its answer to stdout.
    #[arg(long)]
    invoke: Option<PathBuf>,
    /// The guest's arguments, in place of the manifest's.
    #[arg(last = true)]
    argv: Vec<String>,
}

/// Run it to its end. Returns the exit code.
pub fn run(arguments: &Arguments) -> Result<u8, Error> {
    let started = Instant::now();
    let request = arguments.invoke.as_deref().map(read_request).transpose()?;
    let image = Arc::new(load(arguments)?);
    let env = environment(&image, &arguments.env)?;
    let argv = if arguments.argv.is_empty() {
        &image.argv
    } else {
        &arguments.argv
    };
    let heap = image.heap_for(arguments.memory)?;
    let snapshot = snapshot(arguments, &image)?;
    let draw = match &snapshot {
        Some(snapshot) => snapshot.draw.clone(),
        None => drawn(arguments, &image, heap)?,
    };
    let order = Order {
        image: &image,
        draw: &draw,
        snapshot: snapshot.as_ref(),
        beginning: snapshot::beginning(snapshot.as_ref()),
        tender: arguments.tender,
        sharing: arguments.sharing,
        heap,
        argv,
        env: &env,
        quiet: Some(channel::QUIET),
    };

    let interruptions = signals::Interruptions::catch()?;
    let kvm = tender::device(arguments.tender)?;
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let console = if request.is_some() { stderr.as_fd() } else { stdout.as_fd() };
    let child = zygote::spawn(&order, console, kvm.as_ref().map(AsFd::as_fd))?;
    let deadline = arguments
        .time_limit_ms
        .and_then(|limit| started.checked_add(Duration::from_millis(limit)));
    let end = Conversation::new(&child, arguments.tender, request, deadline, &interruptions).hold();
    finish(&child, &Placed::new(&image, &draw), end?)
}

/// The snapshot to begin from. Without a usable one the image itself is started, and stderr says why.
fn snapshot(arguments: &Arguments, image: &Arc<Image>) -> Result<Option<Arc<Placed>>, Error> {
    let Some(pool) = &arguments.pool else { return Ok(None) };
    let mut choice = Choice::default();
    if arguments.snapshot.is_empty() || arguments.tender != Tender::Process {
        choice.check_reset(arguments.reset, image)?;
        return Ok(None);
    }
    let pool = Pool::open(pool)?;
    for path in &arguments.snapshot {
        choice.consider(path, snapshot::load(path, image, &pool));
    }
    for warning in &choice.warnings {
        eprintln!("warning: {warning}");
    }
    choice.check_reset(arguments.reset, image)?;
    choice.pick()
}

/// Where the image will lie.
fn drawn(arguments: &Arguments, image: &Image, heap: u64) -> Result<Draw, Error> {
    let mut source = match arguments.seed {
        Some(seed) => {
            seed::check(image)?;
            seed::warn(seed);
            Source::Seed(seed)
        }
        None => Source::Kernel,
    };
    Draw::of(image, heap, arguments.gaps, &mut source)
}

fn load(arguments: &Arguments) -> Result<Image, Error> {
    match (&arguments.manifest, &arguments.pool) {
        (Some(manifest), Some(pool)) => Image::load(manifest, &Pool::open(pool)?),
        _ => Image::empty(),
    }
}

fn read_request(path: &Path) -> Result<Vec<u8>, Error> {
    let mut request = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut request)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut request))
    };
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            what: format!("there is no file {}", path.display()),
        },
        _ => Error::io(format!("reading the request from {}", path.display()), error),
    })?;
    Ok(request)
}

fn environment(image: &Image, added: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut env = image.env.clone();
    for pair in added {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => env.insert(name.into(), value.into()),
            _ => {
                return Err(Error::BadRequest {
                    what: format!("--env {pair}: is not NAME=value"),
                });
            }
        };
    }
    Ok(env)
}

/// Say how it ended, and with which exit code we end.
fn finish(child: &Child, placed: &Placed, end: End) -> Result<u8, Error> {
    match end {
        End::Answered { status, answer } => {
            // The answer is out before the instance has gone: whoever waits for it need not wait for that.
            let mut stdout = std::io::stdout().lock();
            let written = stdout.write_all(&answer).and_then(|()| stdout.flush());
            conversation::stop(child);
            written.map_err(|error| Error::io("writing the answer", error))?;
            Ok(u8::try_from(status).unwrap_or(1))
        }
        End::Exited { code } => Ok(code),
        End::ExitedUnasked { code } => Err(Error::Ended {
            what: format!("{} ended with code {code} and did not answer", placed.image.name),
        }),
        End::Crashed { record, code } => {
            eprint!("{}", crate::crash::report(placed, &record));
            Ok(code)
        }
        End::Killed { signal } => {
            eprintln!("error: {} was ended by signal {signal} and left no report", placed.image.name);
            Ok(128_u8.wrapping_add(signal))
        }
        End::TimedOut => Err(Error::TimeLimit {
            what: format!("{} did not end within its time limit", placed.image.name),
        }),
        End::Interrupted { signal } => Ok(128_u8.wrapping_add(signal)),
        End::Failed(error) => Err(error),
    }
}
