//! Starting instances: from a request to forked members, one at a time so that others are answered in between.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::fleet::Fleet;
use super::host;
use super::images::{Images, Known};
use super::logs::{self, Log};
use super::member::{Identity, Member};
use super::names;
use super::poller::Poller;
use super::refusal::Refusal;
use super::request::Start;
use crate::channel;
use crate::error::Error;
use crate::placing::{draw, seed};
use crate::snapshot::choice::Choice;
use crate::tender::boot_page;
use crate::zygote::{self, Beginning, Limits, Order, Zygote};

/// What is still to be forked, in the order of the requests.
#[derive(Default)]
pub struct Starter {
    batches: VecDeque<Batch>,
}

/// One request's instances, all alike.
struct Batch {
    pending: u64,
    request: Start,
    image: Rc<Known>,
    choice: Choice,
    prefix: String,
    heap: u64,
    forked: u32,
}

impl Starter {
    /// Check a request and queue its instances for the pending answer of that number. Returns which snapshots are not used, and why.
    pub fn begin(
        &mut self,
        pending: u64,
        request: Start,
        images: &mut Images,
        zygote: &mut Zygote,
        live: u64,
    ) -> Result<Vec<String>, Error> {
        let unforked: u64 = self
            .batches
            .iter()
            .map(|batch| u64::from(batch.request.count - batch.forked))
            .sum();
        host::check(live + unforked, request.count.into())?;
        let image = match &request.manifest {
            Some(manifest) => images.load(manifest, zygote)?,
            None => images.floor(zygote)?,
        };
        images.forget_stale(zygote, |stale| self.uses(stale));
        if let Some(number) = request.seed {
            seed::check(&image.summary.name, image.is_random())?;
            seed::warn(number);
        }
        check_strings(&request, &image)?;
        if let Some(folder) = &request.logs {
            logs::prune(folder);
        }
        let choice = images.snapshots(&image, &request.snapshots, zygote);
        choice.check_reset(request.reset, &image.summary.name, image.summary.is_stateless)?;
        let warnings = choice.warnings.clone();
        self.batches.push_back(Batch {
            pending,
            heap: request.memory.unwrap_or(image.summary.heap),
            prefix: request.name.clone().unwrap_or_else(|| names::prefix_of(&image.summary.name)),
            image,
            choice,
            request,
            forked: 0,
        });
        Ok(warnings)
    }

    pub fn is_idle(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether something is still to be forked from an image.
    pub fn uses(&self, image: u64) -> bool {
        self.batches.iter().any(|batch| batch.image.summary.image == image)
    }

    /// Fork the next instance: the pending answer it belongs to, and its number.
    pub fn fork_next(
        &mut self,
        fleet: &mut Fleet,
        zygote: &mut Zygote,
        poller: &Poller,
    ) -> Option<(u64, Result<u64, Refusal>)> {
        let batch = self.batches.front_mut()?;
        let pending = batch.pending;
        let result = match batch.fork(fleet, zygote, poller) {
            Ok(member) => {
                batch.forked += 1;
                let number = member.identity.number;
                fleet.add(member);
                Ok(number)
            }
            Err(error) => Err(host::explain(error, batch.request.count)),
        };
        if result.is_err() || batch.forked == batch.request.count {
            self.batches.pop_front();
        }
        Some((pending, result))
    }

    /// Fork no more instances for this answer.
    pub fn cancel(&mut self, pending: u64) {
        self.batches.retain(|batch| batch.pending != pending);
    }

    /// The pending answers that instances are still to be forked for.
    pub fn unfinished(&self) -> Vec<u64> {
        self.batches.iter().map(|batch| batch.pending).collect()
    }
}

impl Batch {
    fn fork(&self, fleet: &mut Fleet, zygote: &mut Zygote, poller: &Poller) -> Result<Member, Error> {
        let request = &self.request;
        let (number, name) = fleet.christen(&self.prefix);
        let seed = request.seed.map(|number| seed::of_instance(number, self.forked));
        let limit = request.log_limit.unwrap_or(logs::DEFAULT_LIMIT);
        let (log, console) = match &request.logs {
            Some(folder) => Log::create(folder, &name, limit).map(|(log, file)| (Some(log), file))?,
            None => (None, nowhere()?),
        };
        let order = Order {
            number,
            image: self.image.summary.image,
            tender: request.tender,
            sharing: request.sharing,
            memory: request.memory,
            argv: request.argv.clone(),
            env: request.env.clone().unwrap_or_default(),
            seed,
            gaps: request.gaps.unwrap_or(draw::DEFAULT_GAPS),
            beginning: match self.choice.pick()? {
                Some(snapshot) => Beginning::Snapshot(snapshot),
                None => Beginning::Entry,
            },
            limits: Limits {
                log_bytes: log.is_some().then_some(limit),
                cpu_seconds: request.cpu_limit_s,
            },
            park_after_ms: Some(request.park_ms.unwrap_or(channel::PARK_AFTER_MS)).filter(|limit| *limit > 0),
        };
        let (ours, theirs) = channel::pair(quiet(request.quiet_ms))?;
        let forked = Instant::now();
        let started = zygote.start(order, theirs.as_fd(), console.as_fd());
        let (pid, draw) = started.inspect_err(|_| log.iter().for_each(Log::remove))?;
        let identity = Identity {
            number,
            name,
            image: Rc::clone(&self.image),
            draw,
            seed,
            tender: request.tender,
            sharing: request.sharing,
            heap: self.heap,
            time_limit: request.time_limit_ms.map(Duration::from_millis),
            log,
            pid,
            started: SystemTime::now(),
        };
        Member::new(identity, ours, forked, poller).inspect_err(|_| zygote::kill(pid))
    }
}

/// A console that nobody keeps.
fn nowhere() -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .map_err(|error| Error::io("opening /dev/null", error))
}

fn quiet(wanted_ms: Option<u64>) -> Option<Duration> {
    match wanted_ms {
        None => Some(channel::QUIET),
        Some(0) => None,
        Some(milliseconds) => Some(Duration::from_millis(milliseconds)),
    }
}

/// What no boot page holds is refused before anything is forked.
fn check_strings(request: &Start, image: &Known) -> Result<(), Error> {
    let none = BTreeMap::new();
    let own = boot_page::strings(request.argv.as_deref().unwrap_or(&[]), request.env.as_ref().unwrap_or(&none));
    if own <= boot_page::STRINGS_MAX {
        return Ok(());
    }
    Err(Error::BadRequest {
        what: format!(
            "{}: argv and env take {own} bytes, more than the {} of the boot page",
            image.summary.name,
            boot_page::STRINGS_MAX
        ),
    })
}
