//! Requests whose answer waits for instances: `start` until all are ready or have ended, `stop` until all have ended.

use std::collections::BTreeSet;

use super::exchange::Caller;
use super::refusal::Refusal;

/// What is answered when nothing is waited for any more.
#[derive(Debug)]
pub enum Goal {
    Started,
    /// A start that failed: the refusal, once all that it had started is gone again.
    Undone(Refusal),
    Stopped,
}

#[derive(Debug)]
pub struct Pending {
    /// Nobody, when a signal or the parent's death asked for it.
    pub caller: Option<Caller>,
    pub goal: Goal,
    /// The instances it is about, in order, and those it still waits for.
    pub members: Vec<u64>,
    waiting: BTreeSet<u64>,
    /// Instances that are still to be forked.
    unforked: u32,
    /// What the caller of a start should know though it succeeds.
    pub warnings: Vec<String>,
}

impl Pending {
    /// A start of `count` instances.
    pub fn start(caller: Caller, count: u32) -> Self {
        Self {
            caller: Some(caller),
            goal: Goal::Started,
            members: Vec::new(),
            waiting: BTreeSet::new(),
            unforked: count,
            warnings: Vec::new(),
        }
    }

    /// A stop of live instances.
    pub fn stop(caller: Option<Caller>, members: Vec<u64>) -> Self {
        Self {
            caller,
            goal: Goal::Stopped,
            waiting: members.iter().copied().collect(),
            members,
            unforked: 0,
            warnings: Vec::new(),
        }
    }

    pub fn forked(&mut self, member: u64) {
        self.members.push(member);
        self.waiting.insert(member);
        self.unforked = self.unforked.saturating_sub(1);
    }

    pub fn ready(&mut self, member: u64) {
        if matches!(self.goal, Goal::Started) {
            self.waiting.remove(&member);
        }
    }

    pub fn ended(&mut self, member: u64) {
        self.waiting.remove(&member);
    }

    /// How many instances a start is to have.
    pub fn wanted(&self) -> u32 {
        self.unforked
            .saturating_add(u32::try_from(self.members.len()).unwrap_or(u32::MAX))
    }

    /// Whether this start is what `member` came from.
    pub fn starts(&self, member: u64) -> bool {
        matches!(self.goal, Goal::Started) && self.members.contains(&member)
    }

    /// Give a start up: it now waits for the end of those that live.
    pub fn undo(&mut self, refusal: Refusal, live: impl Iterator<Item = u64>) {
        self.goal = Goal::Undone(refusal);
        self.waiting = live.collect();
        self.unforked = 0;
    }

    pub fn is_settled(&self) -> bool {
        self.unforked == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Caller = Caller {
        client: 1,
        seq: 1,
        bytes: 0,
    };

    #[test]
    fn a_start_waits_for_ready_or_ended_and_a_stop_for_ended() {
        let mut start = Pending::start(CALLER, 2);
        start.forked(7);
        start.ready(7);
        assert!(!start.is_settled(), "one is not forked yet");
        start.forked(8);
        start.ended(8);
        assert!(start.is_settled());

        let mut stop = Pending::stop(None, vec![7]);
        stop.ready(7);
        assert!(!stop.is_settled());
        stop.ended(7);
        assert!(stop.is_settled());
    }

    #[test]
    fn a_start_that_is_undone_waits_for_the_end_of_what_was_ready_too() {
        let mut start = Pending::start(CALLER, 10);
        start.forked(7);
        start.ready(7);
        start.undo(Refusal::bad_request("no"), [7].into_iter());
        start.ready(7);
        assert!(!start.is_settled());
        start.ended(7);
        assert!(start.is_settled() && matches!(start.goal, Goal::Undone(_)));
    }
}
