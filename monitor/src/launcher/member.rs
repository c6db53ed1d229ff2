//! One instance as the launcher holds it: from its fork to its end, one request at a time.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::ending::{Ending, Reason, State};
use super::exchange::{Caller, Job};
use super::identity::Identity;
use super::live::Live;
use super::poller::Poller;
use super::refusal::Refusal;
use super::request::Start;
use crate::channel::conversation::{ANSWER_MAX, Answer, Heard, request_limit, too_large_request};
use crate::channel::{self, Incoming, Received};
use crate::crash::Evidence;
use crate::error::Error;
use crate::stopwatch::{self, Step};
use crate::zygote::{self, Exit};

/// What an instance gets to end by itself when its channel was closed.
const STOP_PATIENCE: Duration = Duration::from_millis(200);
/// What an instance gets to answer when who asked is gone.
const ABANDONED_PATIENCE: Duration = Duration::from_secs(10);
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
    Ended(u64),
}

pub struct Member {
    pub identity: Identity,
    pub start_us: Option<u64>,
    pub invocations: u64,
    phase: Phase,
}

enum Phase {
    Live(Box<Live>),
    Ended(Ending),
}

impl Member {
    /// A freshly forked one, with our end of its channel.
    pub fn new(identity: Identity, channel: OwnedFd, forked: Instant, poller: &Poller) -> Result<Self, Error> {
        let live = Live::new(identity.number, channel, forked, poller)?;
        Ok(Self {
            identity,
            start_us: None,
            invocations: 0,
            phase: Phase::Live(Box::new(live)),
        })
    }

    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Ended(ending) => ending.state(),
            Phase::Live(live) if live.conversation.is_busy() => State::Busy,
            Phase::Live(live) if live.conversation.is_parked() => State::Parked,
            Phase::Live(live) if live.conversation.is_ready() => State::Ready,
            Phase::Live(_) => State::Starting,
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live(_))
    }

    /// What it is started again from, if it has failed and is to be.
    pub fn to_restart(&self) -> Option<&Rc<Start>> {
        let has_failed = self.ending().is_some_and(|ending| !ending.is_good());
        self.identity.request.as_ref().filter(|_| has_failed)
    }

    /// The last crash of an instance of this name.
    pub fn crash(&self) -> Option<Evidence> {
        let own = self.ending().and_then(|ending| ending.evidence(&self.identity.origin()));
        own.or_else(|| self.identity.last_crash.clone())
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
            Phase::Live(live) => live.deadline.into_iter().chain(live.queue.deadline()).min(),
            Phase::Ended(_) => None,
        }
    }

    /// Ask it as soon as it is ready and has answered those before.
    pub fn invoke(&mut self, mut job: Job, poller: &Poller, events: &mut Vec<Event>) {
        let identity = &self.identity;
        let limit = request_limit(identity.heap);
        match &mut self.phase {
            Phase::Ended(ending) => events.push(Event::Refused {
                caller: job.caller,
                refusal: ending.refusal(&identity.name, &identity.origin()),
            }),
            Phase::Live(_) if job.payload.len() as u64 > limit => events.push(Event::Refused {
                caller: job.caller,
                refusal: too_large_request(&identity.name, job.payload.len(), limit).into(),
            }),
            Phase::Live(live) => {
                let patience = job.time_limit;
                job.time_limit = patience.or(identity.time_limit);
                live.queue.push(job, patience);
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

    /// The time of those who wait for their turn is over: they are refused. Or its own is: it is killed, and what that means follows when
    /// the process has gone.
    pub fn deadline_passed(&mut self, now: Instant, events: &mut Vec<Event>) {
        if let Phase::Live(live) = &mut self.phase {
            let refusal = no_turn(&self.identity.name);
            events.extend(live.queue.expire(now).into_iter().map(|caller| Event::Refused {
                caller,
                refusal: refusal.clone(),
            }));
            if live.deadline.is_none_or(|deadline| deadline > now) {
                return;
            }
            let why = if live.conversation.is_ready() {
                Reason::NoAnswer
            } else {
                Reason::NotReady
            };
            live.reason.get_or_insert(why);
            live.deadline = None;
            zygote::kill(self.identity.pid);
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
            if live.conversation.is_free() {
                live.deadline = Instant::now().checked_add(STOP_PATIENCE);
            } else {
                live.deadline = None;
                zygote::kill(self.identity.pid);
            }
        }
    }

    /// Its tender has said what went wrong while it ran. Its end follows.
    pub fn failed(&mut self, error: Error) {
        if let Phase::Live(live) = &mut self.phase {
            live.failure = Some(error.into());
        }
    }

    /// A client has gone: nobody waits for what it still wanted. What it is at gets a little time, so that it does not stay busy for ever.
    pub fn forget_client(&mut self, client: u64) {
        if let Phase::Live(live) = &mut self.phase {
            live.queue.forget_client(client);
            if live.reason.is_none()
                && live
                    .exchange
                    .as_ref()
                    .is_some_and(|exchange| exchange.caller.client == client)
            {
                let until = Instant::now() + ABANDONED_PATIENCE;
                live.deadline = Some(live.deadline.map_or(until, |deadline| deadline.min(until)));
            }
        }
    }

    /// The process has ended and was reaped. What it sent before is still to be read.
    pub fn ended(&mut self, exit: Exit, buffer: &mut [u8], poller: &Poller, events: &mut Vec<Event>) {
        self.receive(usize::MAX, buffer, poller, events);
        let Phase::Live(live) = &mut self.phase else { return };
        live.close_channel(poller);
        let ending = Ending::new(live.reason, exit, live.conversation.take_crash(), live.failure.take());
        let unanswered = live.exchange.take().map(|exchange| exchange.caller);
        let callers: Vec<Caller> = unanswered.into_iter().chain(live.queue.drain()).collect();
        if !callers.is_empty() {
            let refusal = ending.refusal(&self.identity.name, &self.identity.origin());
            events.extend(callers.into_iter().map(|caller| Event::Refused {
                caller,
                refusal: refusal.clone(),
            }));
        }
        self.keep_crash(&ending);
        self.phase = Phase::Ended(ending);
        events.push(Event::Ended(self.identity.number));
    }

    /// Put the evidence of a crash beside the log: it outlives the launcher.
    fn keep_crash(&self, ending: &Ending) {
        if let (Some(log), Some(evidence)) = (&self.identity.log, ending.evidence(&self.identity.origin())) {
            // A report that cannot be kept is still in the launcher.
            let _ = serde_json::to_vec(&evidence).map(|bytes| std::fs::write(log.crash(), bytes));
        }
    }

    fn receive(&mut self, most: usize, buffer: &mut [u8], poller: &Poller, events: &mut Vec<Event>) {
        for _ in 0..most {
            let Phase::Live(live) = &mut self.phase else { return };
            let Some(channel) = &live.channel else { return };
            match channel::receive(channel.as_fd(), buffer) {
                Ok(Received::Message(message)) => self.take(message, poller, events),
                Ok(Received::Empty) => return,
                // How it ended is told when it is reaped.
                Ok(Received::Closed) | Err(_) => return live.close_channel(poller),
            }
        }
    }

    fn take(&mut self, message: Incoming<'_>, poller: &Poller, events: &mut Vec<Event>) {
        let Phase::Live(live) = &mut self.phase else { return };
        let number = self.identity.number;
        match live.conversation.hear(message) {
            Heard::Ready if live.reason.is_none() => {
                stopwatch::mark(Step::Ready);
                live.deadline = None;
                self.start_us = Some(micros(live.forked.elapsed()));
                events.push(Event::Ready(number));
                live.next(number, poller);
            }
            Heard::Answered(answer) => self.answered(answer, poller, events),
            Heard::Ready | Heard::Nothing => {}
        }
    }

    fn answered(&mut self, answer: Answer, poller: &Poller, events: &mut Vec<Event>) {
        let Phase::Live(live) = &mut self.phase else { return };
        let Some(exchange) = live.exchange.take() else { return };
        stopwatch::mark(Step::Answered);
        self.invocations += 1;
        live.deadline = live.deadline.filter(|_| live.reason.is_some());
        let (caller, duration) = (exchange.caller, exchange.begun.elapsed());
        events.push(match answer.payload {
            Some(payload) => Event::Answered {
                caller,
                status: u8::try_from(answer.status).unwrap_or(1),
                duration,
                payload,
            },
            None => Event::Refused {
                caller,
                refusal: Refusal::new(
                    "ended",
                    format!("{} answered with more than {ANSWER_MAX} bytes", self.identity.name),
                    "make the function's answer smaller",
                ),
            },
        });
        if let Some(log) = &self.identity.log {
            log.rotate();
        }
        live.next(self.identity.number, poller);
    }
}

fn no_turn(name: &str) -> Refusal {
    Refusal::new(
        "time-limit",
        format!("{name} was busy with other requests until the time limit"),
        "ask another instance, give it more time with --time-limit, or look for a loop: 'unishare ps' shows who is busy",
    )
}

/// Microseconds, as the protocol counts.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
