//! One instance as the launcher holds it: from its fork to its end, one request at a time.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::net::Shutdown;
use rustix::process::{Pid, Signal, WaitOptions};

use super::ending::{Ending, Reason, State};
use super::exchange::{Caller, Exchange, Job};
use super::poller::{Interest, Poller, Token};
use super::refusal::Refusal;
use crate::abi;
use crate::channel::{self, Incoming, Received};
use crate::error::Error;
use crate::image::Image;
use crate::placing::Placed;
use crate::placing::draw::Draw;
use crate::tender::{Sharing, Tender};
use crate::zygote::Child;

/// From fork to READY.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// What an instance gets to end by itself when its channel was closed.
const STOP_PATIENCE: Duration = Duration::from_millis(200);
/// Messages taken at a time, so that a guest that floods its channel does not starve the others.
const MESSAGES_AT_ONCE: usize = 16;

/// What the rest of the launcher has to know.
#[derive(Debug)]
pub enum Event {
    Answered {
        caller: Caller,
        status: u8,
        duration: Duration,
        payload: Vec<u8>,
    },
    Refused {
        caller: Caller,
        refusal: Refusal,
    },
    Ready(u64),
    /// The monitor's own part failed before the guest ran. `Ended` follows.
    Failed(u64, Error),
    Ended(u64),
}

/// What does not change.
pub struct Identity {
    pub number: u64,
    pub name: Box<str>,
    pub image: Arc<Image>,
    pub draw: Draw,
    /// What the draw came from, when it is to be repeatable.
    pub seed: Option<u64>,
    pub tender: Tender,
    pub sharing: Sharing,
    pub time_limit: Option<Duration>,
    pub pid: i32,
    pub started: SystemTime,
}

impl Identity {
    /// The image where this instance has it, for reports.
    pub fn placed(&self) -> Placed {
        Placed::new(&self.image, &self.draw)
    }
}

pub struct Member {
    pub identity: Identity,
    pub start_us: Option<u64>,
    pub invocations: u64,
    phase: Phase,
}

enum Phase {
    Live(Live),
    Ended(Ending),
}

/// What an instance has as long as it has a process.
struct Live {
    forked: Instant,
    pidfd: OwnedFd,
    channel: Option<OwnedFd>,
    interest: Interest,
    ready: bool,
    reason: Option<Reason>,
    crash: Option<Box<abi::Crash>>,
    failure: Option<Box<Error>>,
    queue: VecDeque<Job>,
    exchange: Option<Box<Exchange>>,
    deadline: Option<Instant>,
    last_id: u64,
}

impl Member {
    /// A freshly forked one. On an error it is gone again.
    pub fn new(identity: Identity, child: Child, forked: Instant, poller: &Poller) -> Result<Self, Error> {
        let (process, channel) = (Token::Process(identity.number), Token::Channel(identity.number));
        let watched = poller
            .add(&child.pidfd, process, Interest::READ)
            .and_then(|()| poller.add(&child.channel, channel, Interest::READ));
        if let Err(error) = watched {
            poller.remove(&child.pidfd);
            kill(&child.pidfd);
            let _ = rustix::process::waitpid(Pid::from_raw(child.pid), WaitOptions::empty());
            return Err(error);
        }
        let live = Live {
            forked,
            pidfd: child.pidfd,
            channel: Some(child.channel),
            interest: Interest::READ,
            ready: false,
            reason: None,
            crash: None,
            failure: None,
            queue: VecDeque::new(),
            exchange: None,
            deadline: forked.checked_add(READY_LIMIT),
            last_id: 0,
        };
        Ok(Self {
            identity,
            start_us: None,
            invocations: 0,
            phase: Phase::Live(live),
        })
    }

    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Ended(ending) => ending.state(),
            Phase::Live(live) if live.exchange.is_some() => State::Busy,
            Phase::Live(live) if live.ready => State::Ready,
            Phase::Live(_) => State::Starting,
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live(_))
    }

    /// How it ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.phase {
            Phase::Live(_) => None,
            Phase::Ended(ending) => Some(ending),
        }
    }

    /// When `deadline_passed` is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Live(live) => live.deadline,
            Phase::Ended(_) => None,
        }
    }

    /// Ask it as soon as it is ready and has answered those before.
    pub fn invoke(&mut self, mut job: Job, poller: &Poller, events: &mut Vec<Event>) {
        let identity = &self.identity;
        match &mut self.phase {
            Phase::Ended(ending) => events.push(Event::Refused {
                caller: job.caller,
                refusal: ending.refusal(&identity.name, &identity.placed()),
            }),
            Phase::Live(live) => {
                job.time_limit = job.time_limit.or(identity.time_limit);
                live.queue.push_back(job);
                live.next(identity.number, poller);
            }
        }
    }

    /// The channel has messages or room.
    pub fn converse(&mut self, buffer: &mut [u8], poller: &Poller, events: &mut Vec<Event>) {
        self.receive(MESSAGES_AT_ONCE, buffer, poller, events);
        if let Phase::Live(live) = &mut self.phase {
            live.send(self.identity.number, poller);
        }
    }

    /// Its time is over: it is killed, and what that means follows when the process has gone.
    pub fn deadline_passed(&mut self) {
        if let Phase::Live(live) = &mut self.phase {
            let why = if live.ready { Reason::NoAnswer } else { Reason::NotReady };
            live.reason.get_or_insert(why);
            live.deadline = None;
            kill(&live.pidfd);
        }
    }

    /// Let it end by itself, which a closed channel asks for; later make it.
    pub fn stop(&mut self, poller: &Poller) {
        if let Phase::Live(live) = &mut self.phase {
            if live.reason.is_some() {
                return; // it is about to end already
            }
            live.reason = Some(Reason::Stopped);
            live.close_channel(poller);
            if live.ready && live.exchange.is_none() {
                live.deadline = Instant::now().checked_add(STOP_PATIENCE);
            } else {
                live.deadline = None;
                kill(&live.pidfd);
            }
        }
    }

    /// A client has gone: nobody waits for what it still wanted.
    pub fn forget_client(&mut self, client: u64) {
        if let Phase::Live(live) = &mut self.phase {
            live.queue.retain(|job| job.caller.client != client);
        }
    }

    /// The pidfd says that the process has ended. What it sent before is still to be read.
    pub fn ended(&mut self, buffer: &mut [u8], poller: &Poller, events: &mut Vec<Event>) {
        self.receive(usize::MAX, buffer, poller, events);
        let Phase::Live(live) = &mut self.phase else { return };
        let status = match rustix::process::waitpid(Pid::from_raw(self.identity.pid), WaitOptions::NOHANG) {
            Ok(None) => return,
            Ok(Some((_, status))) => Some(status),
            Err(_) => None, // somebody else reaped it: it is gone all the same
        };
        poller.remove(&live.pidfd);
        live.close_channel(poller);
        let ending = Ending::new(live.reason, status, live.crash.take(), live.failure.take());
        let unanswered = live.exchange.take().map(|exchange| exchange.caller);
        let queued = std::mem::take(&mut live.queue).into_iter().map(|job| job.caller);
        let callers: Vec<Caller> = unanswered.into_iter().chain(queued).collect();
        if !callers.is_empty() {
            let refusal = ending.refusal(&self.identity.name, &self.identity.placed());
            events.extend(callers.into_iter().map(|caller| Event::Refused {
                caller,
                refusal: refusal.clone(),
            }));
        }
        self.phase = Phase::Ended(ending);
        events.push(Event::Ended(self.identity.number));
    }

    fn receive(&mut self, most: usize, buffer: &mut [u8], poller: &Poller, events: &mut Vec<Event>) {
        for _ in 0..most {
            let Phase::Live(live) = &mut self.phase else { return };
            let Some(channel) = &live.channel else { return };
            match channel::receive(channel.as_fd(), buffer) {
                Ok(Received::Message(message)) => self.take(message, poller, events),
                Ok(Received::Empty) => return,
                // The pidfd tells how it ended.
                Ok(Received::Closed) | Err(_) => return live.close_channel(poller),
            }
        }
    }

    fn take(&mut self, message: Incoming<'_>, poller: &Poller, events: &mut Vec<Event>) {
        let Phase::Live(live) = &mut self.phase else { return };
        let number = self.identity.number;
        match message {
            Incoming::Ready if !live.ready && live.reason.is_none() => {
                live.ready = true;
                live.deadline = None;
                self.start_us = Some(micros(live.forked.elapsed()));
                events.push(Event::Ready(number));
                live.next(number, poller);
            }
            Incoming::Reply { id, last, status, data } => {
                if live.exchange.as_mut().is_some_and(|exchange| exchange.take(id, last, data)) {
                    self.answered(status, poller, events);
                }
            }
            Incoming::Crash(record) => live.crash = Some(record),
            // Only before the guest runs is it the monitor that says so.
            Incoming::Failed(error) if !live.ready => events.push(Event::Failed(number, error)),
            // A virtual machine's guest cannot send that: it is its tender that says so.
            Incoming::Failed(error) if self.identity.tender == Tender::Kvm => live.failure = Some(Box::new(error)),
            // A second READY, or no message at all: the guest's own business.
            Incoming::Ready | Incoming::Failed(_) | Incoming::Malformed => {}
        }
    }

    fn answered(&mut self, status: i32, poller: &Poller, events: &mut Vec<Event>) {
        let Phase::Live(live) = &mut self.phase else { return };
        let Some(exchange) = live.exchange.take() else { return };
        self.invocations += 1;
        live.deadline = live.deadline.filter(|_| live.reason.is_some());
        let (caller, duration) = (exchange.caller, exchange.begun.elapsed());
        events.push(match exchange.answer(&self.identity.name) {
            Ok(payload) => Event::Answered {
                caller,
                status: u8::try_from(status).unwrap_or(1),
                duration,
                payload,
            },
            Err(refusal) => Event::Refused { caller, refusal },
        });
        live.next(self.identity.number, poller);
    }
}

impl Live {
    /// Begin with the next request, if there is one and nothing else to do.
    fn next(&mut self, number: u64, poller: &Poller) {
        if !self.ready || self.exchange.is_some() || self.reason.is_some() {
            return;
        }
        if let Some(job) = self.queue.pop_front() {
            self.last_id += 1;
            let exchange = Exchange::new(job, self.last_id, Instant::now());
            self.deadline = exchange.deadline();
            self.exchange = Some(Box::new(exchange));
            self.send(number, poller);
        }
    }

    /// Send what the channel takes, and wait for room if it does not take all.
    fn send(&mut self, number: u64, poller: &Poller) {
        let Some(channel) = &self.channel else { return };
        let write = match &mut self.exchange {
            // Sending fails when the process has ended: the pidfd tells how.
            Some(exchange) => exchange.send(channel.as_fd()).unwrap_or(false),
            None => false,
        };
        let interest = Interest { read: true, write };
        if interest != self.interest && poller.change(channel, Token::Channel(number), interest).is_ok() {
            self.interest = interest;
        }
    }

    fn close_channel(&mut self, poller: &Poller) {
        if let Some(channel) = self.channel.take() {
            poller.remove(&channel);
            // A child that was forked just now may still hold a copy: closing ours alone would not tell the guest.
            let _ = rustix::net::shutdown(&channel, Shutdown::Both);
        }
    }
}

fn kill(pidfd: &OwnedFd) {
    // Gone already is as good.
    let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
}

/// Microseconds, as the protocol counts.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
