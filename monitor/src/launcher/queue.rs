//! Invocations that wait for an instance, each for its turn no longer than its time limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::exchange::{Caller, Job};

/// In the order in which they came; no change looks at all of them but that of a client which goes.
#[derive(Default)]
pub struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    deadlines: BTreeSet<(Instant, u64)>,
    last: u64,
}

struct Waiting {
    job: Job,
    until: Option<Instant>,
}

impl Queue {
    /// Wait behind the others, for `patience` if it has an end.
    pub fn push(&mut self, job: Job, patience: Option<Duration>) {
        self.last += 1;
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        self.deadlines.extend(until.map(|until| (until, self.last)));
        self.waiting.insert(self.last, Waiting { job, until });
    }

    pub fn pop(&mut self) -> Option<Job> {
        let (number, Waiting { job, until }) = self.waiting.pop_first()?;
        if let Some(until) = until {
            self.deadlines.remove(&(until, number));
        }
        Some(job)
    }

    /// When `expire` has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Take out those whose patience has ended by `now`.
    pub fn expire(&mut self, now: Instant) -> Vec<Caller> {
        let mut over = BTreeSet::new();
        while let Some(&(until, number)) = self.deadlines.first().filter(|(until, _)| *until <= now) {
            self.deadlines.remove(&(until, number));
            over.insert(number);
        }
        let callers = over.iter().filter_map(|number| self.waiting.remove(number));
        callers.map(|waiting| waiting.job.caller).collect()
    }

    pub fn forget_client(&mut self, client: u64) {
        self.waiting.retain(|number, waiting| {
            let stays = waiting.job.caller.client != client;
            if let Some(until) = waiting.until.filter(|_| !stays) {
                self.deadlines.remove(&(until, *number));
            }
            stays
        });
    }

    /// All who wait: nobody's turn will come.
    pub fn drain(&mut self) -> impl Iterator<Item = Caller> {
        self.deadlines.clear();
        std::mem::take(&mut self.waiting)
            .into_values()
            .map(|waiting| waiting.job.caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(client: u64, seq: u64) -> Job {
        Job {
            caller: Caller { client, seq, bytes: 0 },
            payload: Vec::new(),
            time_limit: None,
        }
    }

    #[test]
    fn turns_are_in_order_and_the_nearest_deadline_is_known_after_every_change() {
        let mut queue = Queue::default();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        queue.push(job(1, 1), seconds(300));
        queue.push(job(1, 2), None);
        queue.push(job(2, 3), seconds(100));
        queue.push(job(1, 4), seconds(200));
        let within = |queue: &Queue| queue.deadline().map(|until| (until - Instant::now()).as_secs().div_ceil(100));
        assert_eq!(within(&queue), Some(1));
        queue.forget_client(2);
        assert_eq!(within(&queue), Some(2));
        assert_eq!(queue.pop().map(|job| job.caller.seq), Some(1));
        assert_eq!(within(&queue), Some(2));
        assert!(queue.expire(Instant::now()).is_empty());
        let over = queue.expire(Instant::now() + Duration::from_secs(250));
        assert_eq!(over.iter().map(|caller| caller.seq).collect::<Vec<_>>(), [4]);
        assert_eq!((within(&queue), queue.pop().map(|job| job.caller.seq)), (None, Some(2)));
        assert!(queue.pop().is_none());
        queue.push(job(1, 5), seconds(1));
        assert_eq!((queue.drain().count(), queue.deadline()), (1, None));
    }
}
