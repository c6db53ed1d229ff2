//! Plans by manifest: checked and verified once, for as long as the file stays the same.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use crate::error::Error;
use crate::image::Plan;
use crate::image::pool::Pool;

/// Size, time of the last change and inode: another manifest differs in one of them.
type Stamp = (u64, SystemTime, u64);

pub struct Plans {
    pool: Pool,
    known: HashMap<PathBuf, (Stamp, Rc<Plan>)>,
    floor: Option<Rc<Plan>>,
}

impl Plans {
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            known: HashMap::new(),
            floor: None,
        }
    }

    pub fn pool(&self) -> &Path {
        self.pool.path()
    }

    pub fn load(&mut self, manifest: &Path) -> Result<Rc<Plan>, Error> {
        let stamp = std::fs::metadata(manifest).and_then(|found| Ok((found.len(), found.modified()?, found.ino())));
        if let (Ok(stamp), Some((known, plan))) = (&stamp, self.known.get(manifest)) {
            if stamp == known {
                return Ok(Rc::clone(plan));
            }
        }
        let plan = Rc::new(Plan::load(manifest, &self.pool)?);
        if let Ok(stamp) = stamp {
            self.known.insert(manifest.to_owned(), (stamp, Rc::clone(&plan)));
        }
        Ok(plan)
    }

    /// The floor guest.
    pub fn floor(&mut self) -> Result<Rc<Plan>, Error> {
        if let Some(plan) = &self.floor {
            return Ok(Rc::clone(plan));
        }
        let plan = Rc::new(Plan::empty()?);
        self.floor = Some(Rc::clone(&plan));
        Ok(plan)
    }

    pub fn is_floor(&self, plan: &Rc<Plan>) -> bool {
        self.floor.as_ref().is_some_and(|floor| Rc::ptr_eq(floor, plan))
    }
}
