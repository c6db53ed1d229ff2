//! The launcher's loop: clients, instances, signals and the clock, one event after another. What requests do is in operations.rs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use serde_json::Value;

use super::answer;
use super::client::{Client, Input};
use super::exchange::{Caller, Restart};
use super::fleet::Fleet;
use super::frame::Frame;
use super::images::Images;
use super::pending::Pending;
use super::poller::{Interest, Poller, Readiness, Token};
use super::refusal::Refusal;
use super::request;
use super::socket::ControlSocket;
use super::start::Starter;
use crate::error::Error;
use crate::signals::Interruptions;
use crate::stopwatch::Stopwatch;
use crate::zygote::Zygote;

const READ_BYTES: usize = 64 << 10;
/// What clients get to take their last answers.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long new clients wait when there are no descriptors for them.
const DEAF: Duration = Duration::from_millis(100);
/// How often logs are looked at.
const ROTATION: Duration = Duration::from_secs(1);

pub struct Server {
    pub(super) poller: Poller,
    pub(super) fleet: Fleet,
    pub(super) images: Images,
    pub(super) zygote: Zygote,
    pub(super) pool: PathBuf,
    pub(super) stopwatch: Option<Stopwatch>,
    /// Instances that are to be ended, and how many of them are at it (operations.rs).
    pub(super) to_end: VecDeque<u64>,
    pub(super) being_ended: BTreeSet<u64>,
    pub(super) starter: Starter,
    /// Answers that wait for instances, by number.
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) last_pending: u64,
    /// Instances that are started again, by the number of the start, and who waits for them.
    pub(super) restarts: BTreeMap<u64, Restart>,
    /// All is to end, as soon as nothing is pending.
    pub(super) ending: bool,
    socket: ControlSocket,
    /// No new clients until then.
    deaf_until: Option<Instant>,
    signals: Interruptions,
    rotate_at: Instant,
    parent: Option<OwnedFd>,
    clients: BTreeMap<u64, Client>,
    last_client: u64,
    buffer: Box<[u8]>,
}

impl Server {
    pub fn new(
        control: &Path,
        pool: &Path,
        zygote: Zygote,
        parent_pid: Option<u32>,
        stopwatch: Option<Stopwatch>,
    ) -> Result<Self, Error> {
        let poller = Poller::new()?;
        let signals = Interruptions::catch()?;
        poller.add(&signals, Token::Signals, Interest::READ)?;
        poller.add(&zygote.words, Token::Words, Interest::READ)?;
        if let Some(control) = zygote.control() {
            poller.add(control, Token::Zygote, Interest::READ)?;
        }
        let parent = parent_pid.map(open_parent).transpose()?;
        if let Some(parent) = &parent {
            poller.add(parent, Token::Parent, Interest::READ)?;
        }
        let socket = ControlSocket::listen(control)?;
        poller.add(&socket.listener, Token::Listener, Interest::READ)?;
        Ok(Self {
            poller,
            fleet: Fleet::new(),
            images: Images::default(),
            zygote,
            pool: pool.to_owned(),
            stopwatch,
            to_end: VecDeque::new(),
            being_ended: BTreeSet::new(),
            starter: Starter::default(),
            pending: BTreeMap::new(),
            last_pending: 0,
            restarts: BTreeMap::new(),
            ending: false,
            socket,
            deaf_until: None,
            signals,
            rotate_at: Instant::now() + ROTATION,
            parent,
            clients: BTreeMap::new(),
            last_client: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
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
        self.fleet.remove_good_logs();
        // The name is free before the zygote, and what it holds, has gone.
        drop(self.socket);
        self.zygote.end();
        Ok(())
    }

    /// Wait for something to happen, `patience` at most, and deal with it.
    fn step(&mut self, patience: Option<Duration>) -> Result<(), Error> {
        let limit = if self.starter.is_idle() || self.images.is_waiting() {
            self.patience(patience)
        } else {
            Some(Duration::ZERO)
        };
        for (token, readiness) in self.poller.wait(limit)? {
            match token {
                Token::Listener => self.welcome(),
                Token::Signals => self.signalled()?,
                Token::Parent => self.orphaned(),
                Token::Client(number) => self.listen(number, readiness),
                Token::Channel(number) => self.fleet.converse(number, &self.poller),
                Token::Words => self.hear_words(),
                Token::Zygote => self.images.hear(&mut self.zygote),
            }
        }
        let now = Instant::now();
        self.fleet.expire(now);
        if now >= self.rotate_at {
            self.fleet.rotate_logs();
            self.rotate_at = now + ROTATION;
        }
        self.hear_again(now);
        self.start_next();
        self.end_next();
        self.digest();
        self.flush();
        Ok(())
    }

    fn patience(&self, ours: Option<Duration>) -> Option<Duration> {
        let now = Instant::now();
        let hearing = self.deaf_until.map(|until| until.saturating_duration_since(now));
        // An idle launcher sleeps: logs grow only while something runs.
        let rotation = (self.fleet.live_count() > 0).then(|| self.rotate_at.saturating_duration_since(now));
        [ours, hearing, rotation, self.fleet.patience(now)]
            .into_iter()
            .flatten()
            .min()
    }

    fn welcome(&mut self) {
        loop {
            match self.socket.accept() {
                Ok(socket) => {
                    self.last_client += 1;
                    // Whatever is wrong with one client's connection is that client's.
                    if let Ok(client) = Client::new(socket, self.last_client, &self.poller) {
                        self.clients.insert(self.last_client, client);
                    }
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                // Too few descriptors, or little memory: asking again at once would keep us busy with nothing else.
                Err(_) => {
                    self.deaf_until = Some(Instant::now() + DEAF);
                    self.poller.remove(&self.socket.listener);
                    return;
                }
            }
        }
    }

    fn hear_again(&mut self, now: Instant) {
        if self.deaf_until.is_some_and(|until| until <= now) {
            let added = self.poller.add(&self.socket.listener, Token::Listener, Interest::READ);
            self.deaf_until = added.is_err().then(|| now + DEAF);
        }
    }

    fn signalled(&mut self) -> Result<(), Error> {
        let mut children = false;
        while let Some(signal) = self.signals.take() {
            if signal == libc::SIGCHLD {
                children = true;
            } else if !self.ending {
                self.shut_down(None);
            }
        }
        if children { self.reap() } else { Ok(()) }
    }

    /// Several ends may have made one signal.
    fn reap(&mut self) -> Result<(), Error> {
        // Why an instance could not start was said before it ended.
        self.hear_words();
        while let Some((pid, exit)) = self.zygote.reap() {
            if !self.fleet.reaped(pid, exit, &self.poller) && self.zygote.is(pid) {
                return Err(Error::Defect {
                    what: format!("the zygote has ended ({exit:?}), and all instances with it"),
                });
            }
        }
        Ok(())
    }

    fn orphaned(&mut self) {
        if let Some(parent) = self.parent.take() {
            self.poller.remove(&parent);
            self.shut_down(None);
        }
    }

    /// Send what clients take, and let those go that are done or broken.
    fn flush(&mut self) {
        let poller = &self.poller;
        let broken = |(number, client): (&u64, &mut Client)| (!client.flush(poller)).then_some(*number);
        let gone: Vec<u64> = self.clients.iter_mut().filter_map(broken).collect();
        gone.into_iter().for_each(|number| self.drop_client(number));
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
            for restart in self.restarts.values_mut() {
                restart.jobs.retain(|job| job.caller.client != number);
            }
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

    pub fn answer(&mut self, caller: Caller, fields: Value, payload: Vec<u8>) {
        if let Some(client) = self.clients.get_mut(&caller.client) {
            client.answer(&answer::good(caller.seq, fields), payload, caller.bytes);
        }
    }

    pub fn refuse(&mut self, caller: Caller, refusal: &Refusal) {
        if let Some(client) = self.clients.get_mut(&caller.client) {
            client.answer(&answer::refused(Some(caller.seq), refusal), Vec::new(), caller.bytes);
        }
    }
}

/// Tells when the process that wants us has ended.
fn open_parent(parent: u32) -> Result<OwnedFd, Error> {
    let gone = || Error::Ended {
        what: format!("--parent-pid {parent}: there is no such process"),
    };
    let pid = i32::try_from(parent).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())
}
