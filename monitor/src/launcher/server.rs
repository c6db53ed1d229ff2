//! The launcher's loop: clients, instances, signals and the clock, one event after another.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags};
use serde_json::{Value, json};

use super::answer;
use super::client::{Client, Input};
use super::exchange::{Caller, Job};
use super::fleet::Fleet;
use super::frame::Frame;
use super::member::{Event, micros};
use super::pending::{Goal, Pending};
use super::plans::Plans;
use super::poller::{Interest, Poller, Readiness, Token};
use super::refusal::Refusal;
use super::request::{self, Invoke, Request, Start, Stop};
use super::socket::ControlSocket;
use super::start::Starter;
use super::stats;
use crate::crash;
use crate::error::Error;
use crate::foreground::signals::Interruptions;
use crate::pool::Pool;
use crate::tender::Tender;

const READ_BYTES: usize = 64 << 10;
/// What clients get to take their last answers.
const GOODBYE: Duration = Duration::from_secs(1);

pub struct Server {
    poller: Poller,
    socket: ControlSocket,
    signals: Interruptions,
    clients: BTreeMap<u64, Client>,
    last_client: u64,
    fleet: Fleet,
    plans: Plans,
    starter: Starter,
    pending: Vec<Pending>,
    buffer: Box<[u8]>,
    /// Set when all is to end: the last pending stop decides when.
    ending: bool,
}

impl Server {
    pub fn new(control: &Path, pool: Pool, parent_pid: Option<u32>) -> Result<Self, Error> {
        let poller = Poller::new()?;
        let signals = Interruptions::catch()?;
        poller.add(&signals, Token::Signals, Interest::READ)?;
        if let Some(parent) = parent_pid {
            watch_parent(&poller, parent)?;
        }
        let socket = ControlSocket::listen(control)?;
        poller.add(&socket.listener, Token::Listener, Interest::READ)?;
        Ok(Self {
            poller,
            socket,
            signals,
            clients: BTreeMap::new(),
            last_client: 0,
            fleet: Fleet::new(),
            plans: Plans::new(pool),
            starter: Starter::default(),
            pending: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            ending: false,
        })
    }

    /// Until it is shut down.
    pub fn serve(mut self) -> Result<(), Error> {
        while !(self.ending && self.pending.is_empty()) {
            self.step(None)?;
        }
        let until = Instant::now() + GOODBYE;
        while self.clients.values().any(Client::has_unsent) && Instant::now() < until {
            self.step(Some(GOODBYE / 10))?;
        }
        Ok(())
    }

    fn step(&mut self, patience: Option<Duration>) -> Result<(), Error> {
        let limit = match (patience, self.fleet.patience(Instant::now())) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        for (token, readiness) in self.poller.wait(limit)? {
            match token {
                Token::Listener => self.welcome(),
                Token::Signals | Token::Parent => {
                    let _ = self.signals.take();
                    self.shut_down(None);
                }
                Token::Client(number) => self.listen(number, readiness),
                Token::Channel(number) => self.fleet.converse(number, &self.poller),
                Token::Process(number) => self.fleet.ended(number, &self.poller),
            }
        }
        self.fleet.expire(Instant::now());
        self.digest();
        let (poller, fleet) = (&self.poller, &mut self.fleet);
        self.clients.retain(|number, client| {
            let stays = client.flush(poller);
            if !stays {
                client.disconnect(poller);
                fleet.forget_client(*number);
            }
            stays
        });
        Ok(())
    }

    fn welcome(&mut self) {
        // Whatever is wrong with one client's connection is that client's.
        while let Ok(socket) = self.socket.accept() {
            self.last_client += 1;
            if let Ok(client) = Client::new(socket, self.last_client, &self.poller) {
                self.clients.insert(self.last_client, client);
            }
        }
    }

    fn listen(&mut self, number: u64, readiness: Readiness) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        if !readiness.read && !readiness.gone {
            return; // there is room to write: flush follows
        }
        let (frames, broken) = match client.read(&mut self.buffer) {
            Input::Frames(frames) => (frames, None),
            Input::Broken(frames, oversize) => (frames, Some(oversize)),
            Input::Gone => return self.drop_client(number),
        };
        for frame in frames {
            self.take(number, frame);
        }
        if let (Some(oversize), Some(client)) = (broken, self.clients.get_mut(&number)) {
            client.push(&answer::refused(None, &oversize.into()), Vec::new());
            client.close_after_answers();
        }
    }

    fn drop_client(&mut self, number: u64) {
        if let Some(client) = self.clients.remove(&number) {
            client.disconnect(&self.poller);
            self.fleet.forget_client(number);
        }
    }

    fn take(&mut self, client: u64, frame: Frame) {
        let bytes = frame.payload.len();
        match request::parse(frame) {
            Ok((seq, request)) => {
                let caller = Caller { client, seq, bytes };
                if let Some(client) = self.clients.get_mut(&client) {
                    client.opened(bytes);
                }
                if let Err(refusal) = self.act(caller, request) {
                    self.refuse(caller, &refusal);
                }
            }
            Err((seq, refusal)) => {
                if let Some(client) = self.clients.get_mut(&client) {
                    client.push(&answer::refused(seq, &refusal), Vec::new());
                }
            }
        }
    }

    fn act(&mut self, caller: Caller, request: Request) -> Result<(), Refusal> {
        match request {
            Request::Hello => self.greet(caller),
            Request::Start(start) => self.start(caller, &start),
            Request::Invoke(invoke, payload) => self.invoke(caller, &invoke, payload)?,
            Request::List => self.list(caller),
            Request::Stats(named) => {
                let member = self.fleet.find(&named.instance)?;
                let found = stats::read(&named.instance, member.identity.pid, member.invocations)?;
                self.answer(caller, found, Vec::new());
            }
            Request::Crash(named) => self.explain(caller, &named.instance)?,
            Request::Stop(stop) => self.stop(caller, &stop)?,
            Request::Shutdown => self.shut_down(Some(caller)),
        }
        Ok(())
    }

    fn greet(&mut self, caller: Caller) {
        let tenders: Vec<Tender> = [Tender::Kvm, Tender::Process]
            .into_iter()
            .filter(|tender| crate::tender::device(*tender).is_ok())
            .collect();
        let fields = json!({
            "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "tenders": tenders,
            "pool": self.plans.pool().to_string_lossy(),
        });
        self.answer(caller, fields, Vec::new());
    }

    fn start(&mut self, caller: Caller, start: &Start) {
        let mut begun = Vec::new();
        let started = if self.ending {
            Err(Error::Ended {
                what: "the launcher is ending".into(),
            })
        } else {
            self.starter
                .start(start, &mut self.plans, &mut self.fleet, &self.poller, &mut begun)
        };
        let mut pending = Pending::new(Some(caller), Goal::Started, begun);
        if let Err(error) = started {
            pending
                .members
                .iter()
                .for_each(|number| self.fleet.stop(*number, &self.poller));
            pending.failure = Some(error);
        }
        self.pending.push(pending);
    }

    fn invoke(&mut self, caller: Caller, invoke: &Invoke, payload: Vec<u8>) -> Result<(), Refusal> {
        let number = self.fleet.find(&invoke.instance)?.identity.number;
        let job = Job {
            caller,
            payload,
            time_limit: invoke.time_limit_ms.map(Duration::from_millis),
        };
        self.fleet.invoke(number, job, &self.poller);
        Ok(())
    }

    fn list(&mut self, caller: Caller) {
        let entry = |member: &super::member::Member| {
            let plan = &member.identity.plan;
            answer::listed(member, (!self.plans.is_floor(plan)).then_some(plan.name.as_str()))
        };
        let instances: Vec<Value> = self.fleet.members().map(entry).collect();
        self.answer(caller, json!({"instances": instances}), Vec::new());
    }

    fn explain(&mut self, caller: Caller, name: &str) -> Result<(), Refusal> {
        let member = self.fleet.find(name)?;
        let Some(record) = member.ending().and_then(|ending| ending.crash.as_deref()) else {
            return Err(Refusal::new(
                "not-found",
                format!("{name} has not crashed"),
                "'unishare ps' shows its state",
            ));
        };
        let plan = member.identity.placed();
        let fields = json!({"report": crash::report(&plan, record), "record": crash::record(&plan, record)});
        self.answer(caller, fields, Vec::new());
        Ok(())
    }

    fn stop(&mut self, caller: Caller, stop: &Stop) -> Result<(), Refusal> {
        let members = match &stop.instance {
            Some(name) => {
                let member = self.fleet.find(name)?;
                if member.is_live() {
                    vec![member.identity.number]
                } else {
                    Vec::new()
                }
            }
            None => self.fleet.live().map(|member| member.identity.number).collect(),
        };
        self.stop_members(Some(caller), members);
        Ok(())
    }

    fn shut_down(&mut self, caller: Option<Caller>) {
        self.ending = true;
        let members = self.fleet.live().map(|member| member.identity.number).collect();
        self.stop_members(caller, members);
    }

    fn stop_members(&mut self, caller: Option<Caller>, members: Vec<u64>) {
        for number in &members {
            self.fleet.stop(*number, &self.poller);
        }
        self.pending.push(Pending::new(caller, Goal::Stopped, members));
    }

    /// Turn what has happened into answers.
    fn digest(&mut self) {
        for event in self.fleet.take_events() {
            match event {
                Event::Answered {
                    caller,
                    status,
                    duration,
                    payload,
                } => {
                    self.answer(caller, json!({"status": status, "duration_us": micros(duration)}), payload);
                }
                Event::Refused { caller, refusal } => self.refuse(caller, &refusal),
                Event::Ready(number) => self.settle(number, false, None),
                Event::Failed(number, error) => self.settle(number, false, Some(error)),
                Event::Ended(number) => self.settle(number, true, None),
            }
        }
        let (done, pending) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|one| one.waiting.is_empty());
        self.pending = pending;
        for one in done {
            self.conclude(one);
        }
        self.fleet.tidy();
    }

    fn settle(&mut self, number: u64, ended: bool, error: Option<Error>) {
        let Some(pending) = self
            .pending
            .iter_mut()
            .filter(|one| ended || matches!(one.goal, Goal::Started))
            .find(|one| one.waiting.contains(&number))
        else {
            return;
        };
        pending.waiting.remove(&number);
        if let Some(error) = error {
            pending.failure.get_or_insert(error);
        }
        if ended {
            self.settle(number, true, None); // a stop may wait for it as well as its start
        }
    }

    fn conclude(&mut self, done: Pending) {
        let members = done.members.iter().filter_map(|number| self.fleet.get(*number));
        let fields = match done.goal {
            Goal::Started => json!({"instances": members.map(answer::started).collect::<Vec<_>>()}),
            Goal::Stopped => json!({"stopped": members.map(|member| &*member.identity.name).collect::<Vec<_>>()}),
        };
        if done.failure.is_some() {
            // All or nothing: what did start is ended.
            done.members.iter().for_each(|number| self.fleet.stop(*number, &self.poller));
        }
        match (done.caller, done.failure) {
            (Some(caller), Some(error)) => self.refuse(caller, &error.into()),
            (Some(caller), None) => self.answer(caller, fields, Vec::new()),
            (None, _) => {}
        }
    }

    fn answer(&mut self, caller: Caller, fields: Value, payload: Vec<u8>) {
        if let Some(client) = self.clients.get_mut(&caller.client) {
            client.answer(&answer::good(caller.seq, fields), payload, caller.bytes);
        }
    }

    fn refuse(&mut self, caller: Caller, refusal: &Refusal) {
        if let Some(client) = self.clients.get_mut(&caller.client) {
            client.answer(&answer::refused(Some(caller.seq), refusal), Vec::new(), caller.bytes);
        }
    }
}

/// Be told when the process that wants us has ended.
fn watch_parent(poller: &Poller, parent: u32) -> Result<(), Error> {
    let gone = || Error::Ended {
        what: format!("--parent-pid {parent}: there is no such process"),
    };
    let pid = i32::try_from(parent).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    poller.add(&pidfd, Token::Parent, Interest::READ)?;
    // Kept open for as long as we live: epoll forgets what is closed.
    std::mem::forget(pidfd);
    Ok(())
}
