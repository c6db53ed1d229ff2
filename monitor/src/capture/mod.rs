//! `unishare-monitor snapshot`: runs an image until it waits for a request, and writes down what it has written.
//!
//! Out: `state.json` (registers, addresses, processor) and `pages.bin` (the pages, one after another). Who calls this cuts them into
//! runs of the pool and writes the snapshot (pool/snapshots.py).

mod dialogue;
pub mod first_writes;
mod leftovers;
mod pages;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Serialize;

use crate::channel;
use crate::error::Error;
use crate::image::manifest::Address;
use crate::image::pool::Pool;
use crate::image::{Image, PAGE};
use crate::placing::Placed;
use crate::placing::draw::{self, Draw, Source};
use crate::snapshot::manifest::{DrawText, WaitingText};
use crate::snapshot::processor;
use crate::tender::{Sharing, Tender};
use crate::zygote::{self, Beginning, Child, Limits, Order, Zygote};
use dialogue::Dialogue;
use pages::Captured;

/// Pages that the app's own module is taken to have at least when addresses are drawn, so that functions of one language, whose modules
/// differ in a few pages of script, lie at the same addresses and share what depends on them.
const APP_STEP: u64 = 64;
/// What a console's text is cut to in messages.
const SHOWN: u64 = 200;

#[derive(clap::Args)]
pub struct Arguments {
    /// The image's manifest.
    manifest: PathBuf,
    /// The pool that holds the image's runs.
    #[arg(long)]
    pool: PathBuf,
    /// The folder that gets state.json and pages.bin.
    #[arg(short, long)]
    output: PathBuf,
    /// What addresses and hash seeds are drawn from: 64 hexadecimal digits.
    #[arg(long)]
    seed: String,
    /// A request that it answers before the snapshot is taken; may be repeated.
    #[arg(long)]
    warm: Vec<PathBuf>,
    /// How long it may take to get there.
    #[arg(long, default_value_t = 10_000)]
    time_limit_ms: u64,
}

/// What state.json says.
#[derive(Serialize)]
struct State {
    processor: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    draw: Option<DrawText>,
    waiting: WaitingText,
    heap_ready: u64,
    addresses: Vec<Address>,
}

pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let seed = parse_seed(&arguments.seed)?;
    let warm = arguments.warm.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let pool = Pool::open(&arguments.pool)?;
    let image = Arc::new(Image::load(&arguments.manifest, &pool)?);
    let draw = drawn(&image, &seed)?;
    let captured = capture(arguments, &image, &draw, &seed, &warm)?;
    write(&arguments.output, &image, &draw, &captured)
}

/// The same addresses for every image with the same libraries.
fn drawn(image: &Arc<Image>, seed: &[u8; 32]) -> Result<Draw, Error> {
    let mut rounded = Image::clone(image);
    if let Some(app) = rounded.modules.first_mut() {
        app.pages = app.pages.next_multiple_of(APP_STEP);
    }
    let first = u64::from_le_bytes(seed[..8].try_into().unwrap_or_default());
    Draw::of(&rounded, image.heap, draw::DEFAULT_GAPS, &mut Source::Seed(first))
}

fn capture(
    arguments: &Arguments,
    image: &Arc<Image>,
    draw: &Draw,
    seed: &[u8; 32],
    warm: &[Vec<u8>],
) -> Result<Captured, Error> {
    let (paths, limit_ms) = (&arguments.warm, arguments.time_limit_ms);
    let console = console()?;
    let deadline = Instant::now() + Duration::from_millis(limit_ms);
    let mut zygote = Zygote::fork(Some(&arguments.pool), None)?;
    let summary = zygote.load(&arguments.manifest)?;
    let mut start = || {
        let beginning = Beginning::BeforeSnapshot {
            seed: *seed,
            draw: draw.clone(),
        };
        start(&mut zygote, summary.image, beginning, &console)
    };
    let placed = Placed::new(image, draw);
    let mut take = |requests: &[Vec<u8>]| {
        let child = start()?;
        let taken = warm_up(&child.0, &image.name, paths, requests, deadline)
            .and_then(|()| pages::capture(child.0.pid, &placed, deadline));
        // What it said is the likelier reason of whatever went wrong.
        said_nothing(&console, &image.name)?;
        taken
    };
    let captured = take(warm)?;
    if !warm.is_empty() {
        leftovers::refuse(&captured, &take(&[])?, paths, warm)?;
    }
    Ok(captured)
}

fn console() -> Result<File, Error> {
    memfd_create("unishare-console", MemfdFlags::CLOEXEC)
        .map(File::from)
        .map_err(|error| Error::io("making a console", error))
}

/// Start an instance of the process tender.
fn start(zygote: &mut Zygote, image: u64, beginning: Beginning, console: &File) -> Result<Started, Error> {
    let order = Order {
        number: 0,
        image,
        tender: Tender::Process,
        sharing: Sharing::Pool,
        memory: None,
        argv: None,
        env: BTreeMap::new(),
        seed: None,
        gaps: draw::DEFAULT_GAPS,
        beginning,
        limits: Limits::default(),
        park_after_ms: None,
    };
    let (channel, theirs) = channel::pair(None)?;
    let (pid, _) = zygote.start(order, theirs.as_fd(), console.as_fd())?;
    Ok(Started(Child { pid, channel }))
}

/// An instance that ends with this value.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        zygote::end(&self.0);
    }
}

fn warm_up(child: &Child, name: &str, paths: &[PathBuf], requests: &[Vec<u8>], deadline: Instant) -> Result<(), Error> {
    let mut dialogue = Dialogue::new(child, name, deadline);
    dialogue.ready()?;
    for (path, request) in paths.iter().zip(requests) {
        let (status, answer) = dialogue.ask(request)?;
        if status != 0 {
            return Err(Error::BadSnapshot {
                what: format!(
                    "{name} answered the warm-up request {} with status {status}: {}",
                    path.display(),
                    shown(&answer)
                ),
            });
        }
    }
    Ok(())
}

/// What is printed once would be missing from every instance, and a file that was written would be in all of them.
fn said_nothing(console: &File, name: &str) -> Result<(), Error> {
    let mut text = Vec::new();
    let mut console = console;
    console
        .rewind()
        .and_then(|()| console.take(SHOWN).read_to_end(&mut text))
        .map_err(|error| Error::io("reading a console", error))?;
    if text.is_empty() {
        return Ok(());
    }
    Err(Error::BadSnapshot {
        what: format!("{name} wrote before its snapshot was taken: {}", shown(&text)),
    })
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN as usize)]);
    format!("{:?}", text.trim_end())
}

fn write(folder: &Path, image: &Image, draw: &Draw, captured: &Captured) -> Result<(), Error> {
    let state = State {
        processor: processor::features(),
        draw: image.is_random().then(|| DrawText {
            modules: draw.bases.iter().copied().map(Address).collect(),
            instance: Address(draw.placement.hypercall),
            stack: Address(draw.placement.stack_bottom),
            heap: Address(draw.placement.heap_start),
        }),
        waiting: WaitingText::from(&captured.waiting),
        heap_ready: captured.heap_ready,
        addresses: captured.pages.iter().map(|(address, _)| Address(*address)).collect(),
    };
    let failed = |path: &Path, error: std::io::Error| Error::io(format!("writing {}", path.display()), error);
    let path = folder.join("pages.bin");
    let mut file = File::create(&path).map_err(|error| failed(&path, error))?;
    let mut bytes = Vec::with_capacity(captured.pages.len() * PAGE as usize);
    for (_, page) in &captured.pages {
        bytes.extend_from_slice(&page[..]);
    }
    file.write_all(&bytes).map_err(|error| failed(&path, error))?;
    let path = folder.join("state.json");
    let text = serde_json::to_vec(&state).map_err(|error| Error::Defect { what: error.to_string() })?;
    fs::write(&path, text).map_err(|error| failed(&path, error))
}

fn parse_seed(text: &str) -> Result<[u8; 32], Error> {
    let digits = text.as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| Some(value(pair[0])? << 4 | value(*pair.get(1)?)?))
        .collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Error::BadRequest {
            what: "--seed: is not 64 hexadecimal digits".into(),
        })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            what: format!("there is no file {}", path.display()),
        },
        _ => Error::io(format!("reading {}", path.display()), error),
    })
}
