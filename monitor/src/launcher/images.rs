//! Images by manifest: checked and verified once, for as long as the file stays the same.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::Error;
use crate::image::Image;
use crate::image::pool::Pool;
use crate::placing::Placed;
use crate::snapshot::{self, choice::Choice};

/// Size, time of the last change and inode: another manifest differs in one of them.
type Stamp = (u64, SystemTime, u64);

pub struct Images {
    pool: Pool,
    known: HashMap<PathBuf, (Stamp, Arc<Image>)>,
    floor: Option<Arc<Image>>,
    snapshots: HashMap<PathBuf, (Stamp, Arc<Placed>)>,
}

impl Images {
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            known: HashMap::new(),
            floor: None,
            snapshots: HashMap::new(),
        }
    }

    pub fn pool(&self) -> &Path {
        self.pool.path()
    }

    pub fn load(&mut self, manifest: &Path) -> Result<Arc<Image>, Error> {
        let stamp = stamp(manifest);
        if let (Ok(stamp), Some((known, image))) = (&stamp, self.known.get(manifest)) {
            if stamp == known {
                return Ok(Arc::clone(image));
            }
        }
        let image = Arc::new(Image::load(manifest, &self.pool)?);
        if let Ok(stamp) = stamp {
            self.known.insert(manifest.to_owned(), (stamp, Arc::clone(&image)));
        }
        Ok(image)
    }

    /// Those of an image's snapshots that can be used.
    pub fn snapshots(&mut self, image: &Arc<Image>, paths: &[PathBuf]) -> Choice {
        let mut choice = Choice::default();
        for path in paths {
            choice.consider(path, self.snapshot(image, path));
        }
        choice
    }

    fn snapshot(&mut self, image: &Arc<Image>, path: &Path) -> Result<Arc<Placed>, Error> {
        let stamp = stamp(path);
        if let (Ok(stamp), Some((known, placed))) = (&stamp, self.snapshots.get(path)) {
            if stamp == known && Arc::ptr_eq(&placed.image, image) {
                return Ok(Arc::clone(placed));
            }
        }
        let placed = Arc::new(snapshot::load(path, image, &self.pool)?);
        if let Ok(stamp) = stamp {
            self.snapshots.insert(path.to_owned(), (stamp, Arc::clone(&placed)));
        }
        Ok(placed)
    }

    /// The floor guest.
    pub fn floor(&mut self) -> Result<Arc<Image>, Error> {
        if let Some(image) = &self.floor {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(Image::empty()?);
        self.floor = Some(Arc::clone(&image));
        Ok(image)
    }

    pub fn is_floor(&self, image: &Arc<Image>) -> bool {
        self.floor.as_ref().is_some_and(|floor| Arc::ptr_eq(floor, image))
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    std::fs::metadata(path).and_then(|found| Ok((found.len(), found.modified()?, found.ino())))
}
