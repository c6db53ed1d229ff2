//! All instances: by number, by name, by deadline. The last ended ones are remembered for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::ending::Ending;
use super::exchange::Job;
use super::logs::Log;
use super::member::{Event, Member};
use super::names::Names;
use super::poller::Poller;
use super::refusal::Refusal;
use crate::abi;
use crate::error::Error;
use crate::zygote::Exit;

/// Ended instances that `list` and `crash` still know.
const ENDED_MAX: usize = 1000;
/// Logs looked at in one round.
const LOGS_AT_ONCE: usize = 512;

pub struct Fleet {
    members: BTreeMap<u64, Member>,
    numbers: HashMap<Box<str>, u64>,
    /// Of those that have a process.
    pids: HashMap<i32, u64>,
    deadlines: BTreeSet<(Instant, u64)>,
    ended: VecDeque<u64>,
    names: Names,
    last_number: u64,
    /// Where the next round of `rotate_logs` begins.
    rotated: u64,
    /// One for all instances: each message is done with before the next is read.
    buffer: Box<[u8]>,
    events: Vec<Event>,
}

impl Fleet {
    pub fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            numbers: HashMap::new(),
            pids: HashMap::new(),
            deadlines: BTreeSet::new(),
            ended: VecDeque::new(),
            names: Names::default(),
            last_number: 0,
            rotated: 0,
            buffer: vec![0; abi::MESSAGE_MAX].into_boxed_slice(),
            events: Vec::new(),
        }
    }

    /// A number and a name for an instance to be.
    pub fn christen(&mut self, prefix: &str) -> (u64, Box<str>) {
        (self.next_number(), self.names.next(prefix).into_boxed_str())
    }

    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub fn add(&mut self, member: Member) {
        let number = member.identity.number;
        // One that is started again takes the place of the one before.
        if let Some(before) = self.numbers.insert(member.identity.name.clone(), number) {
            self.members.remove(&before);
        }
        self.pids.insert(member.identity.pid, number);
        self.deadlines.extend(member.deadline().map(|deadline| (deadline, number)));
        self.members.insert(number, member);
    }

    pub fn find(&self, name: &str) -> Result<&Member, Refusal> {
        let member = self.numbers.get(name).and_then(|number| self.members.get(number));
        member.ok_or_else(|| Refusal::no_instance(name))
    }

    pub fn get(&self, number: u64) -> Option<&Member> {
        self.members.get(&number)
    }

    /// All that are known, in the order of their start.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// How many have a process.
    pub fn live_count(&self) -> u64 {
        self.pids.len() as u64
    }

    pub fn live(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.is_live())
    }

    pub fn invoke(&mut self, number: u64, job: Job, poller: &Poller) {
        self.with(number, |member, _, events| member.invoke(job, poller, events));
    }

    pub fn converse(&mut self, number: u64, poller: &Poller) {
        self.with(number, |member, buffer, events| member.converse(buffer, poller, events));
    }

    /// A process was reaped. False: it is none of an instance.
    pub fn reaped(&mut self, pid: i32, exit: Exit, poller: &Poller) -> bool {
        let Some(number) = self.pids.remove(&pid) else { return false };
        self.with(number, |member, buffer, events| member.ended(exit, buffer, poller, events));
        true
    }

    pub fn failed(&mut self, number: u64, error: Error) {
        self.with(number, |member, _, _| member.failed(error));
    }

    pub fn stop(&mut self, number: u64, poller: &Poller) {
        self.with(number, |member, _, _| member.stop(poller));
    }

    pub fn forget_client(&mut self, client: u64) {
        let numbers: Vec<u64> = self.members.keys().copied().collect();
        for number in numbers {
            self.with(number, |member, _, _| member.forget_client(client));
        }
    }

    /// End those whose time is over.
    pub fn expire(&mut self, now: Instant) {
        while let Some(&(deadline, number)) = self.deadlines.first() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            self.with(number, |member, _, events| member.deadline_passed(now, events));
        }
    }

    /// How long nothing expires.
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        self.deadlines
            .first()
            .map(|(deadline, _)| deadline.saturating_duration_since(now))
    }

    /// What has happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        let events = std::mem::take(&mut self.events);
        for event in &events {
            if let Event::Ended(number) = event {
                self.ended.push_back(*number);
            }
        }
        events
    }

    /// Forget the oldest ended ones. Only when nobody waits for them any more.
    pub fn tidy(&mut self) {
        while self.ended.len() > ENDED_MAX {
            if let Some(number) = self.ended.pop_front() {
                self.forget(number);
            }
        }
    }

    /// Forget an ended one, and its log.
    pub fn forget(&mut self, number: u64) {
        if self.members.get(&number).is_none_or(Member::is_live) {
            return;
        }
        if let Some(member) = self.members.remove(&number) {
            self.numbers.remove(&member.identity.name);
            member.identity.log.iter().for_each(Log::remove);
        }
    }

    /// Set aside logs that are full: those of some instances at a time, in turn.
    pub fn rotate_logs(&mut self) {
        let next = self.members.range(self.rotated..).take(LOGS_AT_ONCE);
        let looked_at: Vec<u64> = next
            .map(|(number, member)| {
                member.identity.log.iter().for_each(Log::rotate);
                *number
            })
            .collect();
        self.rotated = looked_at
            .last()
            .filter(|_| looked_at.len() == LOGS_AT_ONCE)
            .map_or(0, |last| last + 1);
    }

    /// At the launcher's end: logs of instances with which all was well go.
    pub fn remove_good_logs(&self) {
        let good = |member: &&Member| member.ending().is_some_and(Ending::is_good);
        let logs = self
            .members
            .values()
            .filter(good)
            .filter_map(|member| member.identity.log.as_ref());
        logs.for_each(Log::remove);
    }

    /// Do something with a member and keep its deadline's place up to date.
    fn with(&mut self, number: u64, action: impl FnOnce(&mut Member, &mut [u8], &mut Vec<Event>)) {
        let Some(member) = self.members.get_mut(&number) else { return };
        let before = member.deadline();
        action(member, &mut self.buffer, &mut self.events);
        let after = member.deadline();
        if before != after {
            if let Some(deadline) = before {
                self.deadlines.remove(&(deadline, number));
            }
            self.deadlines.extend(after.map(|deadline| (deadline, number)));
        }
    }
}
