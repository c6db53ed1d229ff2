//! Talks with one instance until it has answered or ended: one loop over its channel, its pidfd, our signals and the clock.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use crate::abi;
use crate::channel::{self, Incoming, Received};
use crate::error::Error;
use crate::signals::Interruptions;
use crate::tender::Tender;
use crate::zygote::Child;

/// The only request's id.
const REQUEST_ID: u64 = 1;
/// As much as the launcher's control protocol carries: a guest must not fill our memory.
const ANSWER_MAX: usize = 64 << 20;
/// What an instance gets to end by itself when its channel was closed.
const STOP_PATIENCE: Duration = Duration::from_millis(200);

/// How it came to an end. In all but `Answered` the instance is gone and reaped.
pub enum End {
    Answered {
        status: i32,
        answer: Vec<u8>,
    },
    Exited {
        code: u8,
    },
    /// Before it answered.
    ExitedUnasked {
        code: u8,
    },
    Crashed {
        record: Box<abi::Crash>,
        code: u8,
    },
    Killed {
        signal: u8,
    },
    TimedOut,
    Interrupted {
        signal: u8,
    },
    Failed(Error),
}

/// One instance, what is still to be sent to it, and what came back so far.
pub struct Conversation<'a> {
    child: &'a Child,
    interruptions: &'a Interruptions,
    deadline: Option<Instant>,
    request: Option<Vec<u8>>,
    /// Where the next part starts; `None` before READY and behind the last part.
    unsent: Option<usize>,
    answer: Vec<u8>,
    crash: Option<Box<abi::Crash>>,
    channel_open: bool,
    /// Whether a failure is still the monitor's own to tell. A process's guest could send one itself once it runs, a virtual machine's not.
    trusted: bool,
    tender: Tender,
}

impl<'a> Conversation<'a> {
    pub fn new(
        child: &'a Child,
        tender: Tender,
        request: Option<Vec<u8>>,
        deadline: Option<Instant>,
        interruptions: &'a Interruptions,
    ) -> Self {
        let (unsent, answer, crash) = (None, Vec::new(), None);
        Self {
            child,
            interruptions,
            deadline,
            request,
            unsent,
            answer,
            crash,
            channel_open: true,
            trusted: true,
            tender,
        }
    }

    /// To the end. Whatever goes wrong, no instance stays behind.
    pub fn hold(mut self) -> Result<End, Error> {
        let end = self.converse();
        if !matches!(end, Ok(End::Answered { .. } | End::Exited { .. } | End::ExitedUnasked { .. })) {
            kill(self.child);
        }
        end
    }

    fn converse(&mut self) -> Result<End, Error> {
        let mut buffer = vec![0; abi::MESSAGE_MAX];
        loop {
            let ready = self.wait()?;
            if let Some(signal) = self.interruptions.take() {
                return Ok(End::Interrupted { signal });
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(End::TimedOut);
            }
            if let Some(end) = self.drain(&mut buffer)? {
                return Ok(end);
            }
            self.send()?;
            if ready.ended {
                if let Some(end) = self.ended(&mut buffer)? {
                    return Ok(end);
                }
            }
        }
    }

    /// All messages that are there. An end when one of them is.
    fn drain(&mut self, buffer: &mut [u8]) -> Result<Option<End>, Error> {
        while self.channel_open {
            match channel::receive(self.child.channel.as_fd(), buffer)? {
                Received::Empty => break,
                Received::Closed => self.channel_open = false,
                Received::Message(message) => {
                    if let Some(end) = self.take(message) {
                        return Ok(Some(end));
                    }
                }
            }
        }
        Ok(None)
    }

    fn take(&mut self, message: Incoming<'_>) -> Option<End> {
        match message {
            Incoming::Ready => {
                self.unsent = self.request.is_some().then_some(0);
                self.trusted = self.tender == Tender::Kvm;
            }
            Incoming::Reply {
                id: REQUEST_ID,
                last,
                status,
                data,
            } if self.request.is_some() => {
                if self.answer.len() + data.len() > ANSWER_MAX {
                    let what = format!("the answer has more than {ANSWER_MAX} bytes");
                    return Some(End::Failed(Error::Ended { what }));
                }
                self.answer.extend_from_slice(data);
                if last {
                    return Some(End::Answered {
                        status,
                        answer: std::mem::take(&mut self.answer),
                    });
                }
            }
            // The process ends right after it: its exit code comes with that.
            Incoming::Crash(record) => self.crash = Some(record),
            Incoming::Failed(error) if self.trusted => return Some(End::Failed(error)),
            // An answer to nothing, or no message at all: the guest's own business.
            Incoming::Reply { .. } | Incoming::Failed(_) | Incoming::Malformed => {}
        }
        None
    }

    /// As many parts as the channel takes.
    fn send(&mut self) -> Result<(), Error> {
        let Some(request) = &self.request else { return Ok(()) };
        while let Some(offset) = self.unsent {
            match channel::send_request_part(self.child.channel.as_fd(), REQUEST_ID, request, offset) {
                Ok(next) if next == Some(offset) => break,
                Ok(next) => self.unsent = next,
                // It ended: the pidfd tells how.
                Err(Error::Ended { .. }) => self.unsent = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The process has ended; what it sent before is still to be read.
    fn ended(&mut self, buffer: &mut [u8]) -> Result<Option<End>, Error> {
        if let Some(end) = self.drain(buffer)? {
            return Ok(Some(end));
        }
        let Some(status) = reap(self.child, WaitOptions::NOHANG)? else {
            return Ok(None);
        };
        Ok(Some(match (status, self.crash.take()) {
            (Ended::Exit(code), Some(record)) => End::Crashed { record, code },
            (Ended::Exit(code), None) if self.request.is_some() => End::ExitedUnasked { code },
            (Ended::Exit(code), None) => End::Exited { code },
            (Ended::Signal(signal), _) => End::Killed { signal },
        }))
    }

    fn wait(&self) -> Result<Ready, Error> {
        let timeout = match self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
        {
            None => None,
            Some(left) => Some(Timespec::try_from(left).map_err(|_| Error::BadRequest {
                what: "the time limit is too far".into(),
            })?),
        };
        let room = if self.unsent.is_some() {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        };
        let mut descriptors = vec![
            PollFd::new(&self.child.pidfd, PollFlags::IN),
            PollFd::new(self.interruptions, PollFlags::IN),
        ];
        if self.channel_open {
            descriptors.push(PollFd::new(&self.child.channel, PollFlags::IN | room));
        }
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(Ready {
                ended: !descriptors[0].revents().is_empty(),
            }),
            Err(error) => Err(Error::io("waiting for an instance", error)),
        }
    }
}

struct Ready {
    ended: bool,
}

enum Ended {
    Exit(u8),
    Signal(u8),
}

/// Let it end by itself, which a closed channel asks for; then make it.
pub fn stop(child: &Child) {
    let _ = rustix::net::shutdown(&child.channel, rustix::net::Shutdown::Both);
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: STOP_PATIENCE.as_nanos() as i64,
    };
    let _ = poll(&mut [PollFd::new(&child.pidfd, PollFlags::IN)], Some(&patience));
    kill(child);
}

fn kill(child: &Child) {
    // Gone already is as good.
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
    let _ = reap(child, WaitOptions::empty());
}

fn reap(child: &Child, options: WaitOptions) -> Result<Option<Ended>, Error> {
    let status = match waitpid(Pid::from_raw(child.pid), options) {
        Ok(status) => status,
        Err(error) => return Err(Error::io("waiting for an instance", error)),
    };
    Ok(status.map(|(_, status)| match status.exit_status() {
        Some(code) => Ended::Exit(code as u8),
        None => Ended::Signal(status.terminating_signal().unwrap_or(0) as u8),
    }))
}
