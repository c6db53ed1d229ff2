//! What of an instance does not change.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::images::Known;
use super::logs::Log;
use super::request::Start;
use crate::crash::{Evidence, Origin};
use crate::placing::draw::Draw;
use crate::tender::{Sharing, Tender};

pub struct Identity {
    pub number: u64,
    pub name: Box<str>,
    pub image: Rc<Known>,
    /// Where it lies.
    pub draw: Draw,
    /// What the draw came from, when it is to be repeatable.
    pub seed: Option<u64>,
    pub tender: Tender,
    pub sharing: Sharing,
    pub heap: u64,
    pub time_limit: Option<Duration>,
    pub log: Option<Log>,
    /// Its own until it is reaped, which happens here.
    pub pid: i32,
    pub started: SystemTime,
    /// What it is started again from when it has failed, if it is to be.
    pub request: Option<Rc<Start>>,
    pub restarts: u32,
    /// The last one of those before it.
    pub last_crash: Option<Evidence>,
}

impl Identity {
    /// What it is, for those who explain its crash.
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            image: &self.image.summary.name,
            manifest: self.image.manifest.as_deref(),
            digest: &self.image.summary.digest,
            draw: &self.draw,
        }
    }
}
