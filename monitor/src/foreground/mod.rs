//! `unishare-monitor run`: one instance in the foreground. Its console is stdout or, with `--invoke`, stderr; its exit code is ours.

mod console;
mod talk;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::channel;
use crate::channel::conversation::{request_limit, too_large_request};
use crate::crash::{Evidence, Explained, Origin};
use crate::error::Error;
use crate::placing::{draw, seed};
use crate::signals::Interruptions;
use crate::snapshot::choice::Choice;
use crate::tender::{Sharing, Tender};
use crate::zygote::{Beginning, Limits, Order, Summary, Zygote};
use console::{Console, printable};
use talk::{End, Talk};

/// As much as an answer may have.
const CONSOLE_LIMIT: u64 = 64 << 20;

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
    /// End it when it has used this many seconds of processor time (exit code 124).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    cpu_limit_s: Option<u64>,
    /// Bytes that its console may add to a file.
    #[arg(long, default_value_t = CONSOLE_LIMIT, value_parser = clap::value_parser!(u64).range(4096..=1 << 40))]
    console_limit: u64,
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
    let env = environment(&arguments.env)?;
    if let Some(seed) = arguments.seed {
        seed::warn(seed);
    }
    let mut zygote = Zygote::here(arguments.pool.as_deref(), arguments.tender)?;
    let image = match &arguments.manifest {
        Some(manifest) => zygote.load(manifest)?,
        None => zygote.floor()?,
    };
    check_request(&image, arguments.memory, request.as_deref())?;
    let snapshot = snapshot(arguments, &image, &mut zygote)?;
    let signals = Interruptions::catch()?;
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let mut console = Console::new(if request.is_some() { stderr.as_fd() } else { stdout.as_fd() })?;
    let end_of_console = console.end_of_file(arguments.console_limit);
    let order = order(arguments, &image, env, snapshot, end_of_console);
    let (ours, theirs) = channel::pair(Some(channel::QUIET))?;
    let (pid, draw) = zygote.start(order, theirs.as_fd(), console.of_instance())?;
    drop(theirs);
    console.handed_over();
    let deadline = arguments
        .time_limit_ms
        .and_then(|limit| started.checked_add(Duration::from_millis(limit)));
    let mut talk = Talk::new(&zygote, (pid, ours), request, deadline, &signals, &mut console);
    let end = talk.hold()?;
    let origin = Origin {
        image: &image.name,
        manifest: arguments.manifest.as_deref(),
        digest: &image.digest,
        draw: &draw,
    };
    let code = finish(&mut talk, &origin, arguments.cpu_limit_s, end);
    drop(talk);
    if end_of_console.is_some_and(|end| console.is_full(end)) {
        let limit = arguments.console_limit;
        eprintln!(
            "warning: the console of {} was cut at its limit of {limit} bytes (--log-limit)",
            image.name
        );
    }
    zygote.end();
    code
}

fn order(
    arguments: &Arguments,
    image: &Summary,
    env: BTreeMap<String, String>,
    snapshot: Option<u64>,
    end_of_console: Option<u64>,
) -> Order {
    Order {
        number: 0,
        image: image.image,
        tender: arguments.tender,
        sharing: arguments.sharing,
        memory: arguments.memory,
        argv: (!arguments.argv.is_empty()).then(|| arguments.argv.clone()),
        env,
        seed: arguments.seed,
        gaps: arguments.gaps,
        beginning: match snapshot {
            Some(snapshot) => Beginning::Snapshot(snapshot),
            None => Beginning::Entry,
        },
        limits: Limits {
            log_bytes: end_of_console,
            cpu_seconds: arguments.cpu_limit_s,
        },
        park_after_ms: Some(channel::PARK_AFTER_MS),
    }
}

/// The snapshot to begin from. Without a usable one the image itself is started, and stderr says why.
fn snapshot(arguments: &Arguments, image: &Summary, zygote: &mut Zygote) -> Result<Option<u64>, Error> {
    let mut choice = Choice::among(&arguments.snapshot, 1)?;
    while let Some(path) = choice.to_load() {
        let loaded = zygote.snapshot(image.image, path);
        choice.consider(loaded);
    }
    for warning in &choice.warnings {
        eprintln!("warning: {warning}");
    }
    choice.check_reset(arguments.reset, &image.name, image.is_stateless)?;
    choice.pick()
}

/// Too large a request is refused before the guest sees any of it.
fn check_request(image: &Summary, memory: Option<u64>, request: Option<&[u8]>) -> Result<(), Error> {
    let limit = request_limit(memory.unwrap_or(image.heap));
    match request {
        Some(request) if request.len() as u64 > limit => Err(too_large_request(&image.name, request.len(), limit)),
        _ => Ok(()),
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

fn environment(added: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut env = BTreeMap::new();
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
fn finish(talk: &mut Talk<'_>, origin: &Origin<'_>, cpu_limit_s: Option<u64>, end: End) -> Result<u8, Error> {
    match end {
        End::Answered { status, answer } => {
            // The answer is out before the instance has gone: whoever waits for it need not wait for that.
            let mut stdout = std::io::stdout().lock();
            // A terminal would obey it.
            let shown = stdout.is_terminal().then(|| printable(&answer).into_bytes());
            let written = stdout.write_all(&shown.unwrap_or(answer)).and_then(|()| stdout.flush());
            talk.stop();
            written.map_err(|error| Error::io("writing the answer", error))?;
            Ok(u8::try_from(status).unwrap_or(1))
        }
        End::Exited { code } => Ok(code),
        End::ExitedUnasked { code } => Err(Error::Ended {
            what: format!("{} ended with code {code} and did not answer", origin.image),
        }),
        End::Crashed { record, code } => {
            eprint!("{}", Explained::new(&Evidence::new(&record, origin)).report());
            Ok(code)
        }
        End::Killed { .. } if cpu_limit_s.is_some_and(has_used) => Err(Error::TimeLimit {
            what: format!("{} used up its processor time", origin.image),
        }),
        End::Killed { signal } => {
            eprintln!("error: {} was ended by signal {signal} and left no report", origin.image);
            Ok(128_u8.wrapping_add(signal))
        }
        End::TimedOut => Err(Error::TimeLimit {
            what: format!("{} did not end within its time limit", origin.image),
        }),
        End::Interrupted { signal } => Ok(128_u8.wrapping_add(signal)),
        End::Failed(error) => Err(error),
    }
}

/// Whether the instance, our only child, has used so many seconds of processor time: the signal that ends it then is one that others send too.
/// The kernel limits what it counts in ticks and tells what it measured, which differ on a busy host: so about as much counts.
fn has_used(seconds: u64) -> bool {
    // SAFETY: a structure of numbers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let microseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    microseconds(usage.ru_utime) + microseconds(usage.ru_stime) >= seconds * 500_000
}
