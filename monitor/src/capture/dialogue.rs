//! The few words with an instance that a snapshot will be taken of: READY, and the answers to its warm-up requests.

use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::abi;
use crate::channel::{self, Incoming, Received};
use crate::error::Error;
use crate::zygote::Child;

/// As much as the launcher's control protocol carries.
const ANSWER_MAX: usize = 64 << 20;

/// One instance and the time it has.
pub struct Dialogue<'a> {
    pub child: &'a Child,
    pub name: &'a str,
    pub deadline: Instant,
    pub last_id: u64,
}

/// An answer to a warm-up request.
pub struct Answer {
    pub status: i32,
    pub bytes: Vec<u8>,
}

impl Dialogue<'_> {
    /// Wait until it says that it is ready.
    pub fn ready(&mut self) -> Result<(), Error> {
        let mut buffer = vec![0; abi::MESSAGE_MAX];
        loop {
            match self.next(&mut buffer, "does not get ready to serve requests", false)? {
                Incoming::Ready => return Ok(()),
                Incoming::Crash(_) => return Err(self.ended("crashed before it was ready")),
                _ => {}
            }
        }
    }

    /// Ask it.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer, Error> {
        self.last_id += 1;
        let mut next = Some(0);
        let mut answer = Vec::new();
        let mut buffer = vec![0; abi::MESSAGE_MAX];
        loop {
            while let Some(offset) = next {
                let sent = channel::send_request_part(self.child.channel.as_fd(), self.last_id, request, offset)?;
                if sent == next {
                    break; // the channel is full: it reads, or answers
                }
                next = sent;
            }
            match self.next(&mut buffer, "does not answer a warm-up request", next.is_some())? {
                Incoming::Reply { id, last, status, data } if id == self.last_id => {
                    if answer.len() + data.len() > ANSWER_MAX {
                        return Err(self.ended("gave a warm-up request too long an answer"));
                    }
                    answer.extend_from_slice(data);
                    if last {
                        return Ok(Answer { status, bytes: answer });
                    }
                }
                Incoming::Crash(_) => return Err(self.ended("crashed on a warm-up request")),
                _ => {}
            }
        }
    }

    /// The next message; `Malformed` where there is none but perhaps room for what is still `unsent`.
    fn next<'b>(&self, buffer: &'b mut [u8], late: &str, unsent: bool) -> Result<Incoming<'b>, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::TimeLimit {
                what: format!("{} {late}, and its time is over", self.name),
            });
        }
        let timeout = Timespec::try_from(left).unwrap_or_default();
        let room = if unsent { PollFlags::OUT } else { PollFlags::empty() };
        let mut waited = [PollFd::new(&self.child.channel, PollFlags::IN | room)];
        poll(&mut waited, Some(&timeout)).map_err(|error| Error::io("waiting for an instance", error))?;
        match channel::receive(self.child.channel.as_fd(), buffer)? {
            Received::Message(message) => Ok(message),
            Received::Empty => Ok(Incoming::Malformed),
            Received::Closed => Err(self.ended(late)),
        }
    }

    fn ended(&self, how: &str) -> Error {
        Error::Ended {
            what: format!("{} {how}", self.name),
        }
    }
}
