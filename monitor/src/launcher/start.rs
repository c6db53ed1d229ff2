//! Starting instances: from a request to forked members, one at a time so that others are answered in between.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use rustix::process::Resource;

use super::fleet::Fleet;
use super::images::Images;
use super::member::{Identity, Member};
use super::names;
use super::poller::Poller;
use super::refusal::Refusal;
use super::request::Start;
use crate::channel;
use crate::error::Error;
use crate::image::Image;
use crate::placing::draw::{self, Draw, Source};
use crate::placing::seed;
use crate::snapshot::{self, choice::Choice};
use crate::tender::{self, Tender};
use crate::zygote::{self, Order};

/// What is still to be forked, in the order of the requests, and what all instances share.
#[derive(Default)]
pub struct Starter {
    kvm: Option<OwnedFd>,
    batches: VecDeque<Batch>,
}

/// One request's instances, all alike.
struct Batch {
    pending: u64,
    request: Start,
    image: Arc<Image>,
    choice: Choice,
    prefix: String,
    heap: u64,
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    forked: u32,
}

impl Starter {
    /// Check a request and queue its instances for the pending answer of that number. Returns which snapshots are not used, and why.
    pub fn begin(&mut self, pending: u64, mut request: Start, images: &mut Images) -> Result<Vec<String>, Error> {
        let image = match &request.manifest {
            Some(manifest) => images.load(manifest)?,
            None => images.floor()?,
        };
        if let Some(seed) = request.seed {
            seed::check(&image)?;
            seed::warn(seed);
        }
        if request.tender == Tender::Kvm && self.kvm.is_none() {
            self.kvm = tender::device(Tender::Kvm)?;
        }
        let choice = match request.tender {
            Tender::Process => images.snapshots(&image, &request.snapshots),
            Tender::Kvm => Choice::default(),
        };
        choice.check_reset(request.reset, &image)?;
        let warnings = choice.warnings.clone();
        let mut env = image.env.clone();
        env.extend(request.env.take().unwrap_or_default());
        self.batches.push_back(Batch {
            pending,
            heap: image.heap_for(request.memory)?,
            argv: request.argv.take().unwrap_or_else(|| image.argv.clone()),
            env,
            prefix: request.name.take().unwrap_or_else(|| names::prefix_of(&image.name)),
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

    /// Fork the next instance: the pending answer it belongs to, and its number.
    pub fn fork_next(&mut self, fleet: &mut Fleet, poller: &Poller) -> Option<(u64, Result<u64, Refusal>)> {
        let batch = self.batches.front_mut()?;
        let pending = batch.pending;
        let forked = batch.fork(self.kvm.as_ref(), fleet, poller);
        let result = match forked {
            Ok(member) => {
                batch.forked += 1;
                let number = member.identity.number;
                fleet.add(member);
                Ok(number)
            }
            Err(error) => Err(explain(error, batch.request.count)),
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
    fn fork(&self, kvm: Option<&OwnedFd>, fleet: &mut Fleet, poller: &Poller) -> Result<Member, Error> {
        let request = &self.request;
        let seed = request.seed.map(|seed| seed::of_instance(seed, self.forked));
        let snapshot = self.choice.pick()?;
        let draw = match &snapshot {
            Some(snapshot) => snapshot.draw.clone(),
            None => {
                let mut source = seed.map_or(Source::Kernel, Source::Seed);
                let gaps = request.gaps.unwrap_or(draw::DEFAULT_GAPS);
                Draw::of(&self.image, self.heap, gaps, &mut source)?
            }
        };
        let order = Order {
            image: &self.image,
            draw: &draw,
            snapshot: snapshot.as_ref(),
            beginning: snapshot::beginning(snapshot.as_ref()),
            tender: request.tender,
            sharing: request.sharing,
            heap: self.heap,
            argv: &self.argv,
            env: &self.env,
            quiet: Some(channel::QUIET),
        };
        let (number, name) = fleet.christen(&self.prefix);
        let console = console(request.logs.as_deref(), &name)?;
        let kvm = kvm.filter(|_| request.tender == Tender::Kvm);
        let forked = Instant::now();
        let child = zygote::spawn(&order, console.as_fd(), kvm.map(AsFd::as_fd))?;
        let identity = Identity {
            number,
            name,
            image: Arc::clone(&self.image),
            draw,
            seed,
            tender: request.tender,
            sharing: request.sharing,
            time_limit: request.time_limit_ms.map(Duration::from_millis),
            pid: child.pid,
            started: SystemTime::now(),
        };
        Member::new(identity, child, forked, poller)
    }
}

/// Where an instance's console goes. A log of an earlier launcher's instance of that name gives way.
fn console(logs: Option<&Path>, name: &str) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NOFOLLOW);
    let path = match logs {
        Some(folder) => {
            options.create(true).truncate(true).mode(0o600);
            folder.join(format!("{name}.log"))
        }
        None => "/dev/null".into(),
    };
    options
        .open(&path)
        .map_err(|error| Error::io(format!("opening the log {}", path.display()), error))
}

/// Why none of the `wanted` instances of a request stays: which of the host's limits was met, if it was one.
pub fn explain(error: Error, wanted: u32) -> Refusal {
    let Error::Io { what, source } = &error else {
        return error.into();
    };
    let limit = |resource| match rustix::process::getrlimit(resource).current {
        Some(limit) => limit.to_string(),
        None => "no limit".into(),
    };
    let (lacks, hint) = match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => (
            format!("file descriptors ({} for the launcher)", limit(Resource::Nofile)),
            "start fewer, or raise the hard limit: 'ulimit -Hn'",
        ),
        Some(Errno::NFILE) => (
            "file descriptors in the whole system".into(),
            "start fewer, or raise fs.file-max",
        ),
        Some(Errno::AGAIN) => (
            format!("processes (limit of the user: {})", limit(Resource::Nproc)),
            "start fewer, or raise 'ulimit -u', kernel.pid_max or the pids limit of the container",
        ),
        Some(Errno::NOMEM) => ("memory".into(), "start fewer, or stop some: 'unishare stop --all'"),
        Some(Errno::NOSPC) => (
            "watched descriptors, or space".into(),
            "start fewer, or raise fs.epoll.max_user_watches",
        ),
        _ => return error.into(),
    };
    Refusal::new(
        "host-lacks",
        format!("the host has too few {lacks} for {wanted} more instances ({what}); none was started"),
        hint,
    )
}
