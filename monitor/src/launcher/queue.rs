//! Invocations that wait for an instance, each for its turn no longer than its time limit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::exchange::{Caller, Job};

#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    job: Job,
    until: Option<Instant>,
}

impl Queue {
    /// Wait behind the others, for `patience` if it has an end.
    pub fn push(&mut self, job: Job, patience: Option<Duration>) {
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        self.waiting.push_back(Waiting { job, until });
    }

    pub fn pop(&mut self) -> Option<Job> {
        self.waiting.pop_front().map(|waiting| waiting.job)
    }

    /// When `expire` has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|waiting| waiting.until).min()
    }

    /// Take out those whose patience has ended by `now`.
    pub fn expire(&mut self, now: Instant) -> Vec<Caller> {
        let is_over = |waiting: &Waiting| waiting.until.is_some_and(|until| until <= now);
        let over = self.waiting.iter().filter(|waiting| is_over(waiting));
        let callers = over.map(|waiting| waiting.job.caller).collect();
        self.waiting.retain(|waiting| !is_over(waiting));
        callers
    }

    pub fn forget_client(&mut self, client: u64) {
        self.waiting.retain(|waiting| waiting.job.caller.client != client);
    }

    /// All who wait: nobody's turn will come.
    pub fn drain(&mut self) -> impl Iterator<Item = Caller> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|waiting| waiting.job.caller)
    }
}
