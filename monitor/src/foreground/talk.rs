//! Talks with one instance until it has answered or ended: one loop over its channel, signals and the clock.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::console::Console;
use crate::abi;
use crate::channel::conversation::{self, Conversation, Heard};
use crate::channel::{self, Received};
use crate::error::Error;
use crate::signals::Interruptions;
use crate::zygote::{self, Exit, Zygote};

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

/// One instance, and what it is to be asked.
pub struct Talk<'a> {
    zygote: &'a Zygote,
    pid: i32,
    channel: OwnedFd,
    signals: &'a Interruptions,
    console: &'a mut Console,
    deadline: Option<Instant>,
    request: Option<Vec<u8>>,
    asks: bool,
    conversation: Conversation,
    unsent: bool,
    open: bool,
    exit: Option<Exit>,
}

impl<'a> Talk<'a> {
    pub fn new(
        zygote: &'a Zygote,
        (pid, channel): (i32, OwnedFd),
        request: Option<Vec<u8>>,
        deadline: Option<Instant>,
        signals: &'a Interruptions,
        console: &'a mut Console,
    ) -> Self {
        Self {
            console,
            zygote,
            pid,
            channel,
            signals,
            deadline,
            asks: request.is_some(),
            request,
            conversation: Conversation::default(),
            unsent: false,
            open: true,
            exit: None,
        }
    }

    /// To the end. Whatever goes wrong, no instance stays behind.
    pub fn hold(&mut self) -> Result<End, Error> {
        let end = self.converse();
        if !matches!(end, Ok(End::Answered { .. })) {
            self.end_it();
        }
        // What it said before its last message, or its end, is shown before ours.
        self.console.pass();
        end
    }

    fn converse(&mut self) -> Result<End, Error> {
        let mut buffer = vec![0; abi::MESSAGE_MAX];
        loop {
            self.wait()?;
            self.console.pass();
            while let Some(signal) = self.signals.take() {
                if signal != libc::SIGCHLD {
                    return Ok(End::Interrupted { signal: signal as u8 });
                }
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(End::TimedOut);
            }
            self.reap()?;
            if let Some(end) = self.drain(&mut buffer)? {
                return Ok(end);
            }
            if let Some(exit) = self.exit {
                return Ok(self.ended(exit));
            }
            self.send()?;
        }
    }

    /// All messages that are there. An end when one of them is.
    fn drain(&mut self, buffer: &mut [u8]) -> Result<Option<End>, Error> {
        if let Some((_, error)) = self.zygote.word() {
            return Ok(Some(End::Failed(error)));
        }
        while self.open {
            let message = match channel::receive(self.channel.as_fd(), buffer)? {
                Received::Empty => break,
                Received::Closed => {
                    self.open = false;
                    break;
                }
                Received::Message(message) => message,
            };
            match self.conversation.hear(message) {
                Heard::Ready => {
                    if let Some(request) = self.request.take() {
                        self.conversation.ask(request);
                        self.unsent = true;
                    }
                }
                Heard::Answered(answer) => {
                    return Ok(Some(match answer.payload {
                        Some(payload) => End::Answered {
                            status: answer.status,
                            answer: payload,
                        },
                        None => End::Failed(Error::Ended {
                            what: format!("the answer has more than {} bytes", conversation::ANSWER_MAX),
                        }),
                    }));
                }
                Heard::Nothing => {}
            }
        }
        Ok(None)
    }

    /// As many parts as the channel takes.
    fn send(&mut self) -> Result<(), Error> {
        if self.unsent {
            self.unsent = match self.conversation.send(self.channel.as_fd()) {
                // It ended: how, its exit tells.
                Err(Error::Ended { .. }) => false,
                more => more?,
            };
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<(), Error> {
        while let Some((pid, exit)) = self.zygote.reap() {
            if pid == self.pid {
                self.exit = Some(exit);
            } else if self.zygote.is(pid) && self.exit.is_none() {
                return Err(Error::Defect {
                    what: "the zygote has ended before its instance".into(),
                });
            }
        }
        Ok(())
    }

    fn ended(&mut self, exit: Exit) -> End {
        match (exit, self.conversation.take_crash()) {
            (Exit::Code(code), Some(record)) if code > 128 => End::Crashed { record, code },
            (Exit::Code(code), _) if self.asks => End::ExitedUnasked { code },
            (Exit::Code(code), _) => End::Exited { code },
            (Exit::Signal(signal), _) => End::Killed { signal },
        }
    }

    fn wait(&self) -> Result<(), Error> {
        let timeout = match self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
        {
            None => None,
            Some(left) => Some(timespec(left)?),
        };
        let room = if self.unsent { PollFlags::OUT } else { PollFlags::empty() };
        let mut descriptors = vec![
            PollFd::new(self.signals, PollFlags::IN),
            PollFd::new(&self.zygote.words, PollFlags::IN),
        ];
        let console = self.console.incoming();
        if let Some(console) = &console {
            descriptors.push(PollFd::new(console, PollFlags::IN));
        }
        if self.open {
            descriptors.push(PollFd::new(&self.channel, PollFlags::IN | room));
        }
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Error::io("waiting for an instance", error)),
        }
    }

    /// Let it end by itself, which a closed channel asks for; then make it.
    pub fn stop(&mut self) {
        let _ = rustix::net::shutdown(&self.channel, rustix::net::Shutdown::Both);
        let until = Instant::now() + STOP_PATIENCE;
        while self.reap().is_ok() && self.exit.is_none() && Instant::now() < until {
            let left = timespec(until.saturating_duration_since(Instant::now())).ok();
            let _ = poll(&mut [PollFd::new(self.signals, PollFlags::IN)], left.as_ref());
            while self.signals.take().is_some() {}
        }
        self.end_it();
        self.console.pass();
    }

    fn end_it(&mut self) {
        if self.exit.is_none() {
            zygote::kill(self.pid);
            let _ = rustix::process::waitpid(
                rustix::process::Pid::from_raw(self.pid),
                rustix::process::WaitOptions::empty(),
            );
        }
    }
}

fn timespec(left: Duration) -> Result<Timespec, Error> {
    Timespec::try_from(left).map_err(|_| Error::BadRequest {
        what: "the time limit is too far".into(),
    })
}
