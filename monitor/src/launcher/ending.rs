//! How an instance came to its end, in the protocol's words and in a sentence.

use rustix::process::WaitStatus;
use serde::Serialize;

use super::refusal::Refusal;
use crate::abi;
use crate::crash;
use crate::error::Error;
use crate::placing::Placed;

/// The protocol's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Starting,
    Ready,
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
    /// 128 + n for a signal.
    pub exit: i32,
    pub crash: Option<Box<abi::Crash>>,
    /// What the tender could not go on for: the host's matter, not the guest's.
    pub failure: Option<Box<Error>>,
}

impl Ending {
    /// From what was known before, and what the process left. A record counts only when the process ended as a crashed one does.
    pub fn new(
        reason: Option<Reason>,
        status: Option<WaitStatus>,
        crash: Option<Box<abi::Crash>>,
        failure: Option<Box<Error>>,
    ) -> Self {
        let exit = status.map_or(128 + libc::SIGKILL, |status| {
            let signal = || 128 + status.terminating_signal().unwrap_or(libc::SIGKILL);
            status.exit_status().unwrap_or_else(signal)
        });
        Self {
            reason,
            exit,
            crash: crash.filter(|_| reason.is_none() && exit > 128),
            failure: failure.filter(|_| reason.is_none()),
        }
    }

    pub fn state(&self) -> State {
        match (self.reason, &self.crash) {
            (Some(Reason::Stopped), _) => State::Stopped,
            (Some(Reason::NotReady | Reason::NoAnswer), _) => State::TimedOut,
            (None, Some(_)) => State::Crashed,
            (None, None) => State::Exited,
        }
    }

    /// Why the instance `name` cannot answer any more.
    pub fn refusal(&self, name: &str, placed: &Placed) -> Refusal {
        let see_logs = || format!("'unishare logs {name}' shows what it wrote");
        if let Some(failure) = &self.failure {
            return Refusal::new(failure.code(), format!("{name} was ended: {failure}"), failure.hint());
        }
        match (self.reason, &self.crash) {
            (Some(Reason::NoAnswer), _) => Refusal::new(
                "time-limit",
                format!("{name} did not answer within its time limit and was ended"),
                "give it more time with --time-limit, or look for a loop",
            ),
            (Some(Reason::NotReady), _) => Refusal::new(
                "time-limit",
                format!("{name} was not ready in time and was ended"),
                see_logs(),
            ),
            (Some(Reason::Stopped), _) => Refusal::new(
                "ended",
                format!("{name} was stopped"),
                "start another with 'unishare run --detach'",
            ),
            (None, Some(record)) => Refusal::new(
                "crashed",
                format!("{name} crashed: {}", crash::headline(placed, record)),
                format!("'unishare crash {name}' shows the whole report"),
            ),
            (None, None) if self.exit > 128 => {
                Refusal::new("ended", format!("{name} was ended by signal {}", self.exit - 128), see_logs())
            }
            (None, None) => Refusal::new("ended", format!("{name} ended with code {}", self.exit), see_logs()),
        }
    }
}
