//! Images by manifest, as the launcher knows them: a summary each. The zygote has checked and verified them, once for as long as the
//! manifest stays the same.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use crate::error::Error;
use crate::image::names;
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
    pub fn beside(&self, file: Option<impl AsRef<Path>>) -> Option<PathBuf> {
        let folder = self.manifest.as_deref()?.parent()?;
        Some(folder.join(file?)).filter(|path| path.is_file())
    }

    pub fn is_random(&self) -> bool {
        !self.summary.modules.is_empty()
    }
}

/// What the zygote was asked for, and how the file looked then.
struct Asked {
    path: PathBuf,
    stamp: Option<Stamp>,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Image,
    /// Of the image of that number.
    Snapshot(u64),
}

/// An answer that nobody has taken yet.
enum Reply {
    Image(Result<Rc<Known>, Error>),
    Snapshot(Result<u64, Error>),
}

#[derive(Default)]
pub struct Images {
    known: HashMap<PathBuf, (Stamp, Rc<Known>)>,
    floor: Option<Rc<Known>>,
    /// Of which image each is, and its number.
    snapshots: HashMap<PathBuf, (Stamp, u64, u64)>,
    /// Built again since: to be forgotten when nothing is forked from them any more.
    stale: Vec<u64>,
    asked: Option<Asked>,
    reply: Option<(PathBuf, What, Reply)>,
}

impl Images {
    /// The image of a manifest. `None`: the zygote verifies it, and this is to be called again when it has replied.
    pub fn load(&mut self, manifest: &Path, zygote: &mut Zygote) -> Result<Option<Rc<Known>>, Error> {
        if let Some(Reply::Image(image)) = self.take_reply(manifest, What::Image) {
            return image.map(Some);
        }
        let stamp = stamp(manifest).ok();
        if let (Some(stamp), Some((known, image))) = (&stamp, self.known.get(manifest)) {
            if stamp == known {
                return Ok(Some(Rc::clone(image)));
            }
        }
        zygote.begin_load(manifest)?;
        self.ask(manifest, stamp, What::Image);
        Ok(None)
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

    /// The number of an image's snapshot. `None` as above.
    pub fn snapshot(&mut self, image: u64, path: &Path, zygote: &mut Zygote) -> Result<Option<u64>, Error> {
        let what = What::Snapshot(image);
        if let Some(Reply::Snapshot(snapshot)) = self.take_reply(path, what) {
            return snapshot.map(Some);
        }
        let stamp = stamp(path).ok();
        if let (Some(stamp), Some((known, of, snapshot))) = (&stamp, self.snapshots.get(path)) {
            if stamp == known && *of == image {
                return Ok(Some(*snapshot));
            }
        }
        zygote.begin_snapshot(image, path)?;
        self.ask(path, stamp, what);
        Ok(None)
    }

    /// Whether the zygote's reply is due. It is asked nothing else meanwhile.
    pub fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// The zygote may have replied.
    pub fn hear(&mut self, zygote: &mut Zygote) {
        let Some(Asked { path, stamp, what }) = self.asked.take() else {
            return;
        };
        let reply = match what {
            What::Image => Reply::Image(zygote.finish_load().map(|summary| self.keep(&path, stamp, summary))),
            What::Snapshot(image) => Reply::Snapshot(zygote.finish_snapshot().inspect(|snapshot| {
                if let Some(stamp) = stamp {
                    self.snapshots.insert(path.clone(), (stamp, image, *snapshot));
                }
            })),
        };
        self.reply = Some((path, what, reply));
    }

    fn ask(&mut self, path: &Path, stamp: Option<Stamp>, what: What) {
        self.asked = Some(Asked {
            path: path.to_owned(),
            stamp,
            what,
        });
    }

    /// The reply to what is asked again. One that nobody waits for any more, because its start was given up, goes.
    fn take_reply(&mut self, path: &Path, what: What) -> Option<Reply> {
        let (of, which, reply) = self.reply.take()?;
        (of == path && which == what).then_some(reply)
    }

    fn keep(&mut self, manifest: &Path, stamp: Option<Stamp>, summary: Summary) -> Rc<Known> {
        let image = Rc::new(Known {
            summary,
            manifest: Some(manifest.to_owned()),
        });
        let old = match stamp {
            Some(stamp) => self.known.insert(manifest.to_owned(), (stamp, Rc::clone(&image))),
            None => self.known.remove(manifest),
        };
        self.stale.extend(old.map(|(_, old)| old.summary.image));
        image
    }

    /// Let the zygote forget images that were built again and of which nothing is still to be forked.
    pub fn forget_stale(&mut self, zygote: &mut Zygote, in_use: impl Fn(u64) -> bool) {
        let before = self.stale.len();
        self.stale.retain(|image| in_use(*image) || zygote.forget(*image).is_err());
        if self.stale.len() < before {
            names::forget_unused();
        }
    }
}

fn stamp(manifest: &Path) -> std::io::Result<Stamp> {
    let found = std::fs::metadata(manifest)?;
    Ok((found.dev(), found.ino(), found.len(), found.modified()?))
}
