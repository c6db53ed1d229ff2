//! What each request does, and how what happened to instances becomes answers.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer;
use super::bases;
use super::exchange::{Caller, Job, Restart};
use super::host::explain;
use super::member::{Event, Member, micros};
use super::pending::{Goal, Pending};
use super::refusal::Refusal;
use super::request::{Invoke, Request, Start, Stop};
use super::server::Server;
use super::start::{Progress, Step};
use super::stats;
use crate::stopwatch::{self, Step as Reached};

/// So many instances end at a time.
const ENDED_AT_ONCE: usize = 128;

impl Server {
    /// Do what a request says. What is refused at once is returned; all else is answered here or later.
    pub fn act(&mut self, caller: Caller, request: Request) -> Result<(), Refusal> {
        match request {
            Request::Hello => self.greet(caller),
            Request::Start(start) => self.start(caller, *start)?,
            Request::Invoke(invoke, payload) => self.invoke(caller, &invoke, payload)?,
            Request::List => self.list(caller),
            Request::Stats(named) => {
                let found = stats::of(self.fleet.find(&named.instance)?)?;
                self.answer(caller, found, Vec::new());
            }
            Request::Bases(named) => {
                let found = bases::of(self.fleet.find(&named.instance)?);
                self.answer(caller, found, Vec::new());
            }
            Request::Crash(named) => self.explain(caller, &named.instance)?,
            Request::Steps => self.steps(caller)?,
            Request::Stop(stop) => self.stop(caller, &stop)?,
            Request::Shutdown => self.shut_down(Some(caller)),
        }
        Ok(())
    }

    fn greet(&mut self, caller: Caller) {
        let fields = json!({
            "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "tenders": self.zygote.born.tenders,
            "pool": self.pool.to_string_lossy(), "namespaces": self.zygote.born.namespaces,
        });
        self.answer(caller, fields, Vec::new());
    }

    fn start(&mut self, caller: Caller, start: Start) -> Result<(), Refusal> {
        stopwatch::mark(Reached::Asked);
        if self.ending {
            return Err(Refusal::new(
                "ended",
                "the launcher is ending",
                "ask again: a new one is started then",
            ));
        }
        self.last_pending += 1;
        let count = start.count;
        let live = self.fleet.live_count();
        self.starter.begin(self.last_pending, start, live)?;
        self.pending.insert(self.last_pending, Pending::start(caller, count));
        Ok(())
    }

    /// Get an image for what is to be started, or fork one of its instances.
    pub fn start_next(&mut self) {
        let step = self
            .starter
            .step(&mut self.images, &mut self.fleet, &mut self.zygote, &self.poller);
        let Some(Step { pending: number, result }) = step else {
            return;
        };
        match (result, self.pending.get_mut(&number)) {
            (Ok(Progress::Forked(member)), Some(pending)) => pending.forked(member),
            (Ok(Progress::Prepared(warnings)), Some(pending)) => pending.warnings = warnings,
            (Ok(Progress::Forked(member)), None) => {
                let jobs = self.restarts.remove(&number).map_or(Vec::new(), |restart| restart.jobs);
                jobs.into_iter().for_each(|job| self.fleet.invoke(member, job, &self.poller));
            }
            (Ok(Progress::Prepared(_)), None) => {}
            (Err(refusal), _) => self.undo(number, refusal),
        }
    }

    /// All or nothing: what a failed start has started is ended before it is answered.
    fn undo(&mut self, number: u64, refusal: Refusal) {
        self.starter.cancel(number);
        for job in self.restarts.remove(&number).map_or(Vec::new(), |restart| restart.jobs) {
            self.refuse(job.caller, &refusal);
        }
        let Some(pending) = self.pending.get_mut(&number) else {
            return;
        };
        self.to_end.extend(&pending.members);
        let fleet = &self.fleet;
        let live: Vec<u64> = pending
            .members
            .iter()
            .copied()
            .filter(|member| fleet.get(*member).is_some_and(Member::is_live))
            .collect();
        pending.undo(refusal, live.into_iter());
    }

    fn invoke(&mut self, caller: Caller, invoke: &Invoke, payload: Vec<u8>) -> Result<(), Refusal> {
        stopwatch::mark(Reached::Invoked);
        let member = self.fleet.find(&invoke.instance)?;
        let number = member.identity.number;
        let job = Job {
            caller,
            payload,
            time_limit: invoke.time_limit_ms.map(Duration::from_millis),
        };
        if let Some(request) = member.to_restart().filter(|_| !self.ending) {
            if let Some(restart) = self.restarts.values_mut().find(|restart| restart.of == number) {
                restart.jobs.push(job);
                return Ok(());
            }
            self.last_pending += 1;
            self.starter
                .begin_again(self.last_pending, Rc::clone(request), member, self.fleet.live_count())?;
            let jobs = vec![job];
            self.restarts.insert(self.last_pending, Restart { of: number, jobs });
            return Ok(());
        }
        self.fleet.invoke(number, job, &self.poller);
        Ok(())
    }

    fn list(&mut self, caller: Caller) {
        let entry = |member: &Member| {
            let image = &member.identity.image;
            answer::listed(member, image.manifest.as_ref().map(|_| image.summary.name.as_str()))
        };
        let all = json!({"instances": self.fleet.members().map(entry).collect::<Vec<_>>()});
        let fields = if answer::fits(&all) {
            all
        } else {
            json!({"instances": self.fleet.live().map(entry).collect::<Vec<_>>()})
        };
        self.answer(caller, fields, Vec::new());
    }

    fn explain(&mut self, caller: Caller, name: &str) -> Result<(), Refusal> {
        let Some(evidence) = self.fleet.find(name)?.crash() else {
            let message = format!("{name} has not crashed");
            return Err(Refusal::new("not-found", message, "'unishare ps' shows its state"));
        };
        let fields = json!({"record": evidence});
        self.answer(caller, fields, Vec::new());
        Ok(())
    }

    fn steps(&mut self, caller: Caller) -> Result<(), Refusal> {
        let Some(stopwatch) = &self.stopwatch else {
            return Err(Refusal::bad_request("steps: this launcher was started without --stopwatch"));
        };
        let steps = stopwatch.take();
        self.answer(caller, json!({"steps": steps}), Vec::new());
        Ok(())
    }

    fn stop(&mut self, caller: Caller, stop: &Stop) -> Result<(), Refusal> {
        let members = match &stop.instance {
            Some(name) => {
                let member = self.fleet.find(name)?;
                member.is_live().then_some(member.identity.number).into_iter().collect()
            }
            None => self.everything("all instances were stopped while these started"),
        };
        self.stop_members(Some(caller), members);
        Ok(())
    }

    /// End all instances, then answer, then end.
    pub fn shut_down(&mut self, caller: Option<Caller>) {
        self.ending = true;
        let members = self.everything("the launcher was shut down while these instances started");
        self.stop_members(caller, members);
    }

    /// All that live, after giving up what was still to be started.
    fn everything(&mut self, why: &str) -> Vec<u64> {
        for number in self.starter.unfinished() {
            self.undo(number, Refusal::new("ended", why, "start them again"));
        }
        self.fleet.live().map(|member| member.identity.number).collect()
    }

    fn stop_members(&mut self, caller: Option<Caller>, members: Vec<u64>) {
        self.to_end.extend(&members);
        self.last_pending += 1;
        self.pending.insert(self.last_pending, Pending::stop(caller, members));
    }

    /// End some of those that are to be ended, the next ones when these were reaped. Thousands that end at one moment can lock up a kernel
    /// that frees their filters and their mappings from one queue of work.
    pub fn end_next(&mut self) {
        let fleet = &self.fleet;
        self.being_ended
            .retain(|number| fleet.get(*number).is_some_and(Member::is_live));
        while self.being_ended.len() < ENDED_AT_ONCE {
            let Some(number) = self.to_end.pop_front() else { return };
            if self.fleet.get(number).is_some_and(Member::is_live) {
                self.fleet.stop(number, &self.poller);
                self.being_ended.insert(number);
            }
        }
    }

    /// What instances that could not start have said.
    pub fn hear_words(&mut self) {
        while let Some((number, error)) = self.zygote.word() {
            let is_ready = self.fleet.get(number).is_some_and(|member| member.start_us.is_some());
            let start = self.pending.iter().find(|(_, pending)| pending.starts(number));
            match start.map(|(start, pending)| (*start, pending.wanted())) {
                Some((start, wanted)) if !is_ready => self.undo(start, explain(error, wanted)),
                _ => self.fleet.failed(number, error),
            }
        }
    }

    /// Turn what has happened into answers.
    pub fn digest(&mut self) {
        for event in self.fleet.take_events() {
            match event {
                Event::Answered {
                    caller,
                    status,
                    duration,
                    payload,
                } => self.answer(caller, json!({"status": status, "duration_us": micros(duration)}), payload),
                Event::Refused { caller, refusal } => self.refuse(caller, &refusal),
                Event::Ready(number) => self.pending.values_mut().for_each(|pending| pending.ready(number)),
                Event::Ended(number) => self.pending.values_mut().for_each(|pending| pending.ended(number)),
            }
        }
        while let Some(number) = self.settled() {
            if let Some(pending) = self.pending.remove(&number) {
                self.conclude(&pending);
                if let Goal::Undone(_) = pending.goal {
                    // None was started: nothing of it is listed.
                    pending.members.iter().for_each(|member| self.fleet.forget(*member));
                }
            }
        }
        self.fleet.tidy();
    }

    fn settled(&self) -> Option<u64> {
        self.pending
            .iter()
            .find_map(|(number, pending)| pending.is_settled().then_some(*number))
    }

    fn conclude(&mut self, pending: &Pending) {
        let Some(caller) = pending.caller else { return };
        let members = pending.members.iter().filter_map(|number| self.fleet.get(*number));
        match &pending.goal {
            Goal::Started => {
                let instances: Vec<Value> = members.map(answer::started).collect();
                let mut fields = json!({"instances": instances});
                if !pending.warnings.is_empty() {
                    fields["warnings"] = json!(pending.warnings);
                }
                self.answer(caller, fields, Vec::new());
            }
            Goal::Stopped => {
                let stopped: Vec<&str> = members.map(|member| &*member.identity.name).collect();
                self.answer(caller, json!({"stopped": stopped}), Vec::new());
            }
            Goal::Undone(refusal) => self.refuse(caller, refusal),
        }
    }
}
