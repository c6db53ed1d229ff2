//! The zygote's own loop: images, and forks of instances. It does what the launcher asks and nothing by itself; it ends with the launcher.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Pid, Signal};

use super::birth::{self, Place};
use super::protocol::{self, Beginning, Born, Order, Reply, Request, Summary};
use super::{confine, rseq};
use crate::error::Error;
use crate::image::Image;
use crate::image::names::{self, Name};
use crate::image::pool::Pool;
use crate::placing::draw::{Draw, Source};
use crate::placing::{Placed, seed};
use crate::snapshot;
use crate::stopwatch::{self, Step};
use crate::tender::{self, Prepared, Tender, descriptor_table};

/// What the zygote holds.
pub struct Nursery {
    pool: Option<Pool>,
    kvm: Result<Option<OwnedFd>, Error>,
    images: BTreeMap<u64, Box<Known>>,
    last_image: u64,
    snapshots: BTreeMap<u64, Box<Snapshot>>,
    last_snapshot: u64,
    /// Instances say through it why they could not start.
    word: OwnedFd,
    /// Where instances are put, if there is one (cgroups(7)).
    cgroup: Option<OwnedFd>,
    place: Place,
}

/// An image, and what was made for it once.
struct Known {
    image: Arc<Image>,
    /// As its snapshots need it.
    lean: Option<Arc<Image>>,
    /// Where it lies, in a fixed layout: known when the first instance begins at its entry.
    fixed: Option<Placed>,
    prepared: BTreeMap<Tender, Prepared>,
}

/// The same of a snapshot, which always has a place.
struct Snapshot {
    /// The number of its image.
    image: u64,
    placed: Placed,
    prepared: BTreeMap<Tender, Prepared>,
}

/// Be the zygote of `launcher` until that closes `control`.
pub fn serve(
    control: OwnedFd,
    word: OwnedFd,
    pool: Option<PathBuf>,
    cgroup: Option<OwnedFd>,
    launcher: Pid,
) -> Result<Infallible, Error> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::io("PR_SET_PDEATHSIG", error))?;
    let _ = rustix::thread::set_name(c"unishare-zygote");
    confine::reset_signals()?;
    rseq::forget()?;
    // All that it allocates is to lie in its heap, which instances give up as one.
    // SAFETY: a setting of the C library's allocator.
    unsafe { libc::mallopt(libc::M_MMAP_MAX, 0) };
    descriptor_table::reserve(word.as_fd())?;
    let pool = pool.as_deref().map(Pool::open).transpose();
    let kvm = tender::device(Tender::Kvm);
    tender::kvm::remember()?;
    let begun = pool.and_then(|pool| Ok((pool, confine::enter(true)?)));
    let (pool, namespaces) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            protocol::send(control.as_fd(), &Reply::Failed(error.to_failure()), &[])?;
            return Err(error);
        }
    };
    let tenders = [Tender::Kvm, Tender::Process]
        .into_iter()
        .filter(|tender| kvm.is_ok() || *tender == Tender::Process);
    let born = Born {
        tenders: tenders.collect(),
        namespaces: namespaces.clone(),
    };
    protocol::send(control.as_fd(), &Reply::Born(born), &[])?;
    let mut nursery = Nursery {
        cgroup,
        place: Place::Inherited {
            launcher,
            own_pids: namespaces.iter().any(|name| name == "pid"),
        },
        ..Nursery::new(pool, kvm, word)
    };
    let mut buffer = vec![0; protocol::MESSAGE_MAX];
    while let Some((request, descriptors)) = protocol::receive(control.as_fd(), &mut buffer)? {
        let reply = nursery
            .act(request, descriptors)
            .unwrap_or_else(|error| Reply::Failed(error.to_failure()));
        protocol::send(control.as_fd(), &reply, &[])?;
    }
    // SAFETY: ends the process without the launcher's exit handlers.
    unsafe { libc::_exit(0) }
}

impl Nursery {
    /// One whose instances confine themselves.
    pub fn new(pool: Option<Pool>, kvm: Result<Option<OwnedFd>, Error>, word: OwnedFd) -> Self {
        Self {
            pool,
            kvm,
            images: BTreeMap::new(),
            last_image: 0,
            snapshots: BTreeMap::new(),
            last_snapshot: 0,
            word,
            cgroup: None,
            place: Place::Own,
        }
    }

    pub fn act(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> Result<Reply, Error> {
        match request {
            Request::Load { manifest } => self.load(&manifest, descriptors),
            Request::Snapshot { image, snapshot } => self.load_snapshot(image, &snapshot, descriptors),
            Request::Floor => Ok(self.keep(Image::empty()?)),
            Request::Forget { image } => {
                self.images.remove(&image);
                self.snapshots.retain(|_, snapshot| snapshot.image != image);
                if let Some(pool) = &self.pool {
                    pool.forget_unused();
                }
                names::forget_unused();
                Ok(Reply::Forgotten)
            }
            Request::Start(order) => self.start(&order, descriptors),
        }
    }

    fn load(&mut self, manifest: &Path, descriptors: Vec<OwnedFd>) -> Result<Reply, Error> {
        let (Some(pool), Some(file)) = (&self.pool, descriptors.into_iter().next()) else {
            return Err(Error::Defect {
                what: "the zygote was given no pool, or no manifest".into(),
            });
        };
        let image = Image::read(File::from(file), manifest, pool)?;
        Ok(self.keep(image))
    }

    fn load_snapshot(&mut self, image: u64, path: &Path, descriptors: Vec<OwnedFd>) -> Result<Reply, Error> {
        let (Some(pool), Some(file), Some(known)) = (&self.pool, descriptors.into_iter().next(), self.images.get_mut(&image))
        else {
            return Err(Error::Defect {
                what: "the zygote was given no pool, no snapshot, or none of its images".into(),
            });
        };
        let lean = match &known.lean {
            Some(lean) => Arc::clone(lean),
            None => Arc::new(known.image.for_snapshots()),
        };
        let placed = snapshot::load(File::from(file), path, &lean, pool)?;
        if known.lean.is_none() {
            // Until an instance begins at its entry, if one ever does.
            if known.prepared.is_empty() {
                known.image = Arc::clone(&lean);
                pool.forget_unused();
            }
            known.lean = Some(lean);
        }
        self.last_snapshot += 1;
        self.snapshots.insert(
            self.last_snapshot,
            Box::new(Snapshot {
                image,
                placed,
                prepared: BTreeMap::new(),
            }),
        );
        Ok(Reply::Snapshot(self.last_snapshot))
    }

    fn keep(&mut self, image: Image) -> Reply {
        self.last_image += 1;
        let image = Arc::new(image);
        let summary = Summary {
            image: self.last_image,
            name: image.name.clone(),
            digest: image.identity.clone(),
            heap: image.heap,
            is_stateless: image.is_stateless,
            elf: image.elf.clone(),
            modules: image
                .modules
                .iter()
                .map(|module| (Name(Arc::clone(&module.name)), module.elf.clone().map(Name)))
                .collect(),
        };
        self.images.insert(
            self.last_image,
            Box::new(Known {
                image,
                lean: None,
                fixed: None,
                prepared: BTreeMap::new(),
            }),
        );
        Reply::Image(Box::new(summary))
    }

    fn start(&mut self, order: &Order, descriptors: Vec<OwnedFd>) -> Result<Reply, Error> {
        stopwatch::mark(Step::Ordered);
        let defect = |what: &str| Error::Defect { what: what.into() };
        let [channel, console] = <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| defect("an order without descriptors"))?;
        let known = self
            .images
            .get_mut(&order.image)
            .ok_or_else(|| defect("an order for an image that is not there"))?;
        let kvm = match (order.tender, &self.kvm) {
            (Tender::Process, _) => None,
            (Tender::Kvm, Ok(device)) => device.as_ref().map(AsFd::as_fd),
            (Tender::Kvm, Err(error)) => return Err(error.to_failure().into()),
        };
        let mut source = match order.seed {
            Some(number) => {
                seed::check(&known.image.name, known.image.is_random())?;
                Source::Seed(number)
            }
            None => Source::Kernel,
        };
        let heap = known.image.heap_for(order.memory)?;
        if !known.image.is_whole() && !matches!(order.beginning, Beginning::Snapshot(_)) {
            let pool = self.pool.as_ref().ok_or_else(|| defect("an image, but no pool"))?;
            known.image = Arc::new(known.image.whole(pool)?);
        }
        if known.fixed.is_none() && !matches!(order.beginning, Beginning::Snapshot(_)) {
            known.fixed = Draw::fixed(&known.image).map(|draw| Placed::new(&known.image, &draw));
        }
        let (placed, beginning, prepared) = match &order.beginning {
            Beginning::Entry => (known.fixed.as_ref(), tender::Beginning::Entry, &mut known.prepared),
            Beginning::BeforeSnapshot { seed, .. } => {
                (None, tender::Beginning::BeforeSnapshot { seed: *seed }, &mut known.prepared)
            }
            Beginning::Snapshot(snapshot) | Beginning::KeptSnapshot(snapshot) => {
                let found = self.snapshots.get_mut(snapshot);
                let found = found.filter(|snapshot| snapshot.image == order.image);
                let found = found.ok_or_else(|| defect("an order for a snapshot that is not there"))?;
                let reset = known.image.is_stateless && matches!(order.beginning, Beginning::Snapshot(_));
                (
                    Some(&found.placed),
                    tender::Beginning::Snapshot { reset },
                    &mut found.prepared,
                )
            }
        };
        let prepared = match prepared.entry(order.tender) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(tender::prepare(
                order.tender,
                placed.or(known.fixed.as_ref()),
                self.pool.as_ref(),
            )?),
        };
        let draw = match (&order.beginning, placed) {
            (Beginning::BeforeSnapshot { draw, .. }, _) => draw.clone(),
            (_, Some(placed)) => placed.draw.clone(),
            (_, None) => Draw::of(&known.image, heap, order.gaps, &mut source)?,
        };
        stopwatch::mark(Step::Drawn);
        let birth = birth::Birth {
            order,
            image: &known.image,
            placed,
            beginning,
            draw: &draw,
            heap,
            prepared,
            kvm,
            word: self.word.as_fd(),
            place: self.place,
        };
        let pid = birth.fork(channel, console, self.cgroup.as_ref().map(AsFd::as_fd))?;
        Ok(Reply::Started { pid, draw })
    }
}
