//! Images by manifest, as the launcher knows them: a summary each. The zygote has checked and verified them, once for as long as the
//! manifest stays the same.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use crate::error::Error;
use crate::snapshot::choice::Choice;
use crate::zygote::{Summary, Zygote};

/// Device, inode, size and time of the last change: another manifest differs in one of them.
type Stamp = (u64, u64, u64, SystemTime);

/// An image that the zygote holds.
#[derive(Debug)]
pub struct Known {
    pub summary: Summary,
    /// `None` for the floor guest.
    pub manifest: Option<PathBuf>,
}

impl Known {
    /// Its ELF file, if it is there.
    pub fn beside(&self, file: Option<&PathBuf>) -> Option<PathBuf> {
        let folder = self.manifest.as_deref()?.parent()?;
        Some(folder.join(file?)).filter(|path| path.is_file())
    }

    pub fn is_random(&self) -> bool {
        !self.summary.modules.is_empty()
    }
}

#[derive(Default)]
pub struct Images {
    known: HashMap<PathBuf, (Stamp, Rc<Known>)>,
    floor: Option<Rc<Known>>,
    /// Of which image each is, and its number.
    snapshots: HashMap<PathBuf, (Stamp, u64, u64)>,
    /// Built again since: to be forgotten when nothing is forked from them any more.
    stale: Vec<u64>,
}

impl Images {
    pub fn load(&mut self, manifest: &Path, zygote: &mut Zygote) -> Result<Rc<Known>, Error> {
        let stamp = stamp(manifest).ok();
        if let (Some(stamp), Some((known, image))) = (&stamp, self.known.get(manifest)) {
            if stamp == known {
                return Ok(Rc::clone(image));
            }
        }
        let image = Rc::new(Known {
            summary: zygote.load(manifest)?,
            manifest: Some(manifest.to_owned()),
        });
        let old = match stamp {
            Some(stamp) => self.known.insert(manifest.to_owned(), (stamp, Rc::clone(&image))),
            None => self.known.remove(manifest),
        };
        self.stale.extend(old.map(|(_, old)| old.summary.image));
        Ok(image)
    }

    /// The floor guest.
    pub fn floor(&mut self, zygote: &mut Zygote) -> Result<Rc<Known>, Error> {
        if let Some(image) = &self.floor {
            return Ok(Rc::clone(image));
        }
        let image = Rc::new(Known {
            summary: zygote.floor()?,
            manifest: None,
        });
        self.floor = Some(Rc::clone(&image));
        Ok(image)
    }

    /// Those of an image's snapshots that can be used.
    pub fn snapshots(&mut self, image: &Known, paths: &[PathBuf], zygote: &mut Zygote) -> Choice {
        let mut choice = Choice::default();
        for path in paths {
            choice.consider(path, self.snapshot(image.summary.image, path, zygote));
        }
        choice
    }

    fn snapshot(&mut self, image: u64, path: &Path, zygote: &mut Zygote) -> Result<u64, Error> {
        let stamp = stamp(path).ok();
        if let (Some(stamp), Some((known, of, snapshot))) = (&stamp, self.snapshots.get(path)) {
            if stamp == known && *of == image {
                return Ok(*snapshot);
            }
        }
        let snapshot = zygote.snapshot(image, path)?;
        if let Some(stamp) = stamp {
            self.snapshots.insert(path.to_owned(), (stamp, image, snapshot));
        }
        Ok(snapshot)
    }

    /// Let the zygote forget images that were built again and of which nothing is still to be forked.
    pub fn forget_stale(&mut self, zygote: &mut Zygote, in_use: impl Fn(u64) -> bool) {
        self.stale.retain(|image| in_use(*image) || zygote.forget(*image).is_err());
    }
}

fn stamp(manifest: &Path) -> std::io::Result<Stamp> {
    let found = std::fs::metadata(manifest)?;
    Ok((found.dev(), found.ino(), found.len(), found.modified()?))
}
