//! Starting instances: from a request to forked members, one at a time so that others are answered in between.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::fleet::Fleet;
use super::host;
use super::identity::Identity;
use super::images::{Images, Known};
use super::logs::{self, Log};
use super::member::Member;
use super::names;
use super::poller::Poller;
use super::refusal::Refusal;
use super::request::Start;
use crate::channel;
use crate::crash::Evidence;
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
    request: Rc<Start>,
    count: u32,
    /// The instance that this one takes the place of.
    again: Option<Again>,
    /// `None` until the zygote has it.
    image: Option<Rc<Known>>,
    choice: Choice,
    is_checked: bool,
    forked: u32,
}

/// What an instance that is started again keeps.
struct Again {
    name: Box<str>,
    seed: Option<u64>,
    restarts: u32,
    last_crash: Option<Evidence>,
}

/// What came of a step for the pending answer of that number.
pub struct Step {
    pub pending: u64,
    pub result: Result<Progress, Refusal>,
}

pub enum Progress {
    /// Everything is there; why snapshots are not used.
    Prepared(Vec<String>),
    /// An instance of that number was forked.
    Forked(u64),
}

impl Starter {
    /// Queue a request's instances for the pending answer of that number.
    pub fn begin(&mut self, pending: u64, request: Start, live: u64) -> Result<(), Error> {
        if let Some(folder) = &request.logs {
            logs::prune(folder);
        }
        self.queue(pending, request.count, Rc::new(request), None, live)
    }

    /// Queue one that takes the place of an instance that has failed.
    pub fn begin_again(&mut self, pending: u64, request: Rc<Start>, failed: &Member, live: u64) -> Result<(), Error> {
        let again = Again {
            name: failed.identity.name.clone(),
            seed: failed.identity.seed,
            restarts: failed.identity.restarts + 1,
            last_crash: failed.crash(),
        };
        self.queue(pending, 1, request, Some(again), live)
    }

    fn queue(&mut self, pending: u64, count: u32, request: Rc<Start>, again: Option<Again>, live: u64) -> Result<(), Error> {
        let unforked: u64 = self.batches.iter().map(|batch| u64::from(batch.count - batch.forked)).sum();
        host::check(live + unforked, count.into())?;
        let choice = Choice::among(&request.snapshots, count)?;
        self.batches.push_back(Batch {
            pending,
            request,
            count,
            again,
            image: None,
            choice,
            is_checked: false,
            forked: 0,
        });
        Ok(())
    }

    pub fn is_idle(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether something is still to be forked from an image.
    pub fn uses(&self, image: u64) -> bool {
        let used = |batch: &Batch| batch.image.as_ref().is_some_and(|known| known.summary.image == image);
        self.batches.iter().any(used)
    }

    /// Prepare the next request, or fork its next instance. `None`: there is none, or the zygote is still at it.
    pub fn step(&mut self, images: &mut Images, fleet: &mut Fleet, zygote: &mut Zygote, poller: &Poller) -> Option<Step> {
        let batch = self.batches.front_mut().filter(|_| !images.is_waiting())?;
        let pending = batch.pending;
        let result = if batch.is_checked {
            batch
                .fork(fleet, zygote, poller)
                .map_err(|error| host::explain(error, batch.count))
        } else {
            batch.prepare(images, zygote).transpose()?.map_err(Refusal::from)
        };
        if result.is_err() || batch.forked == batch.count {
            self.batches.pop_front();
        }
        if matches!(result, Ok(Progress::Prepared(_))) {
            images.forget_stale(zygote, |stale| self.uses(stale));
        }
        Some(Step { pending, result })
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
    /// Get image and snapshots, and check the request against them. `None`: the zygote was asked, and this is to be called again.
    fn prepare(&mut self, images: &mut Images, zygote: &mut Zygote) -> Result<Option<Progress>, Error> {
        let request = &self.request;
        let image = match (&self.image, &request.manifest) {
            (Some(image), _) => Rc::clone(image),
            (None, None) => images.floor(zygote)?,
            (None, Some(manifest)) => match images.load(manifest, zygote)? {
                Some(image) => image,
                None => return Ok(None),
            },
        };
        if self.image.is_none() {
            if let Some(number) = request.seed {
                seed::check(&image.summary.name, image.is_random())?;
                seed::warn(number);
            }
            check_strings(request, &image)?;
        }
        let known = self.image.insert(image);
        while let Some(path) = self.choice.to_load() {
            match images.snapshot(known.summary.image, path, zygote).transpose() {
                Some(loaded) => self.choice.consider(loaded),
                None => return Ok(None),
            }
        }
        self.choice
            .check_reset(request.reset, &known.summary.name, known.summary.is_stateless)?;
        self.is_checked = true;
        Ok(Some(Progress::Prepared(self.choice.warnings.clone())))
    }

    fn fork(&mut self, fleet: &mut Fleet, zygote: &mut Zygote, poller: &Poller) -> Result<Progress, Error> {
        let member = self.make(fleet, zygote, poller)?;
        self.forked += 1;
        let number = member.identity.number;
        fleet.add(member);
        Ok(Progress::Forked(number))
    }

    fn make(&self, fleet: &mut Fleet, zygote: &mut Zygote, poller: &Poller) -> Result<Member, Error> {
        let request = &self.request;
        let image = self.image.as_ref().ok_or_else(|| Error::Defect {
            what: "an instance of an image that was not loaded".into(),
        })?;
        let (number, name, seed) = match &self.again {
            Some(again) => (fleet.next_number(), again.name.clone(), again.seed),
            None => {
                let (number, name) = match &request.name {
                    Some(prefix) => fleet.christen(prefix),
                    None => fleet.christen(&names::prefix_of(&image.summary.name)),
                };
                let seed = request.seed.map(|number| seed::of_instance(number, self.forked));
                (number, name, seed)
            }
        };
        let limit = request.log_limit.unwrap_or(logs::DEFAULT_LIMIT);
        let (log, console) = match &request.logs {
            Some(folder) => {
                let open = if self.again.is_some() { Log::go_on } else { Log::create };
                open(folder, &name, limit).map(|(log, file)| (Some(log), file))?
            }
            None => (None, nowhere()?),
        };
        let order = Order {
            number,
            image: image.summary.image,
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
        let (pid, draw) = started.inspect_err(|_| log.iter().filter(|_| self.again.is_none()).for_each(Log::remove))?;
        let identity = Identity {
            number,
            name,
            image: Rc::clone(image),
            draw,
            seed,
            tender: request.tender,
            sharing: request.sharing,
            heap: request.memory.unwrap_or(image.summary.heap),
            time_limit: request.time_limit_ms.map(Duration::from_millis),
            log,
            pid,
            started: SystemTime::now(),
            request: request.restart.then(|| Rc::clone(request)),
            restarts: self.again.as_ref().map_or(0, |again| again.restarts),
            last_crash: self.again.as_ref().and_then(|again| again.last_crash.clone()),
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
