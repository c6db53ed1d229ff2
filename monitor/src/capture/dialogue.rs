//! The few words with an instance that a snapshot will be taken of: READY, and the answers to its warm-up requests.

use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::abi;
use crate::channel::conversation::{Answer, Conversation, Heard};
use crate::channel::{self, Incoming, Received};
use crate::error::Error;
use crate::zygote::Child;

/// One instance and the time it has.
pub struct Dialogue<'a> {
    pub child: &'a Child,
    pub name: &'a str,
    pub deadline: Instant,
    conversation: Conversation,
    buffer: Vec<u8>,
}

impl<'a> Dialogue<'a> {
    /// Nothing is said yet.
    pub fn new(child: &'a Child, name: &'a str, deadline: Instant) -> Self {
        Self {
            child,
            name,
            deadline,
            conversation: Conversation::default(),
            buffer: vec![0; abi::MESSAGE_MAX],
        }
    }

    /// Wait until it says that it is ready.
    pub fn ready(&mut self) -> Result<(), Error> {
        while !matches!(
            self.hear("does not get ready to serve requests", "before it was ready", false)?,
            Heard::Ready
        ) {}
        Ok(())
    }

    /// Ask it: the status and the bytes of its answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<(i32, Vec<u8>), Error> {
        self.conversation.ask(request.to_vec());
        loop {
            // Where the channel is full, it reads, or answers.
            let unsent = self.conversation.send(self.child.channel.as_fd())?;
            let heard = self.hear("does not answer a warm-up request", "on a warm-up request", unsent)?;
            if let Heard::Answered(Answer {
                status,
                payload: Some(bytes),
            }) = heard
            {
                return Ok((status, bytes));
            }
            if self.conversation.is_answer_too_large() || matches!(heard, Heard::Answered(_)) {
                return Err(self.ended("gave a warm-up request too long an answer"));
            }
        }
    }

    /// What the next message meant; nothing where there is none but perhaps room for what is still `unsent`.
    fn hear(&mut self, late: &str, crashed: &str, unsent: bool) -> Result<Heard, Error> {
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
        let message = match channel::receive(self.child.channel.as_fd(), &mut self.buffer)? {
            Received::Message(message) => message,
            Received::Empty => Incoming::Malformed,
            Received::Closed => return Err(self.ended(late)),
        };
        let heard = self.conversation.hear(message);
        match self.conversation.take_crash() {
            Some(_) => Err(self.ended(&format!("crashed {crashed}"))),
            None => Ok(heard),
        }
    }

    fn ended(&self, how: &str) -> Error {
        Error::Ended {
            what: format!("{} {how}", self.name),
        }
    }
}
