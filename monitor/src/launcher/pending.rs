//! Requests whose answer waits for instances: `start` until all are ready or have ended, `stop` until all have ended.

use std::collections::BTreeSet;

use super::exchange::Caller;
use crate::error::Error;

/// What is answered when nothing is waited for any more.
pub enum Goal {
    Started,
    Stopped,
}

pub struct Pending {
    /// Nobody, when a signal or the parent's death asked for it.
    pub caller: Option<Caller>,
    pub goal: Goal,
    /// The instances it is about, in order, and those it still waits for.
    pub members: Vec<u64>,
    pub waiting: BTreeSet<u64>,
    pub failure: Option<Error>,
}

impl Pending {
    pub fn new(caller: Option<Caller>, goal: Goal, members: Vec<u64>) -> Self {
        let waiting = members.iter().copied().collect();
        Self {
            caller,
            goal,
            members,
            waiting,
            failure: None,
        }
    }
}
