//! How an instance came to its end, in the protocol's words and in a sentence.

use serde::Serialize;

use super::refusal::Refusal;
use crate::abi;
use crate::crash::{Evidence, Origin};
use crate::zygote::Exit;

/// The protocol's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Starting,
    Ready,
    Parked,
    Busy,
    Exited,
    Crashed,
    Stopped,
    TimedOut,
}

/// Why we ended an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Stopped,
    /// It did not say READY.
    NotReady,
    /// It did not answer.
    NoAnswer,
}

/// What is left of an instance. Small: many are kept.
pub struct Ending {
    pub reason: Option<Reason>,
    pub exit: Exit,
    pub crash: Option<Box<abi::Crash>>,
    /// The tender's own word.
    pub failure: Option<Refusal>,
}

impl Ending {
    /// From what was known before, and what the process left. A record counts only when the process ended as a crashed one does.
    pub fn new(reason: Option<Reason>, exit: Exit, crash: Option<Box<abi::Crash>>, failure: Option<Refusal>) -> Self {
        let crashed = reason.is_none() && matches!(exit, Exit::Code(129..));
        Self {
            reason,
            exit,
            crash: crash.filter(|_| crashed),
            failure,
        }
    }

    pub fn state(&self) -> State {
        match (self.reason, &self.crash) {
            (Some(Reason::Stopped), _) => State::Stopped,
            (Some(Reason::NotReady | Reason::NoAnswer), _) => State::TimedOut,
            (None, Some(_)) => State::Crashed,
            (None, None) if self.used_up_its_time() => State::TimedOut,
            (None, None) => State::Exited,
        }
    }

    /// What is known of a crash, if it was one.
    pub fn evidence(&self, origin: &Origin<'_>) -> Option<Evidence> {
        self.crash.as_deref().map(|record| Evidence::new(record, origin))
    }

    /// Whether nothing about it needs to be looked at.
    pub fn is_good(&self) -> bool {
        self.reason == Some(Reason::Stopped) || (self.reason.is_none() && self.exit == Exit::Code(0))
    }

    /// RLIMIT_CPU (zygote/birth.rs).
    fn used_up_its_time(&self) -> bool {
        self.exit == Exit::Signal(libc::SIGXCPU as u8)
    }

    /// Why the instance `name` cannot answer any more.
    pub fn refusal(&self, name: &str, origin: &Origin<'_>) -> Refusal {
        if let Some(failure) = &self.failure {
            return failure.clone();
        }
        let see_logs = || format!("'unishare logs {name}' shows what it wrote");
        let refusal = match (self.reason, &self.crash, self.exit) {
            (Some(Reason::NoAnswer), ..) => Refusal::new(
                "time-limit",
                format!("{name} did not answer within its time limit and was ended"),
                "give it more time with --time-limit, or look for a loop",
            ),
            (Some(Reason::NotReady), ..) => Refusal::new(
                "time-limit",
                format!("{name} was not ready in time and was ended"),
                see_logs(),
            ),
            (Some(Reason::Stopped), ..) => Refusal::new(
                "ended",
                format!("{name} was stopped"),
                "start another with 'unishare run --detach'",
            ),
            (None, Some(record), _) => Refusal::new(
                "crashed",
                format!("{name} crashed: {}", Evidence::new(record, origin).headline()),
                format!("'unishare crash {name}' shows where, and the whole report"),
            ),
            (None, None, _) if self.used_up_its_time() => Refusal::new(
                "time-limit",
                format!("{name} used up its processor time and was ended"),
                "give it more with --cpu-limit, or look for a loop",
            ),
            (None, None, Exit::Signal(signal)) => {
                Refusal::new("ended", format!("{name} was ended by signal {signal}"), see_logs())
            }
            (None, None, Exit::Code(code)) => Refusal::new("ended", format!("{name} ended with code {code}"), see_logs()),
        };
        match self.reason {
            None if !self.used_up_its_time() => refusal.with_exit(self.exit.code()),
            _ => refusal,
        }
    }
}
