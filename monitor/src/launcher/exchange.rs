//! One invocation: a request, part by part to the instance, and its answer, part by part back.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::frame::PAYLOAD_MAX;
use super::refusal::Refusal;
use crate::channel;
use crate::error::Error;

/// Who is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub client: u64,
    pub seq: u64,
    /// Payload bytes of the request: what the client has in here until the answer.
    pub bytes: usize,
}

/// An invocation that waits for its turn.
pub struct Job {
    pub caller: Caller,
    pub payload: Vec<u8>,
    pub time_limit: Option<Duration>,
}

/// An invocation that the instance is at.
pub struct Exchange {
    pub caller: Caller,
    pub begun: Instant,
    pub time_limit: Option<Duration>,
    id: u64,
    request: Vec<u8>,
    /// Where the next part starts; `None` behind the last one.
    unsent: Option<usize>,
    answer: Vec<u8>,
    too_large: bool,
}

impl Exchange {
    pub fn new(job: Job, id: u64, begun: Instant) -> Self {
        Self {
            caller: job.caller,
            begun,
            time_limit: job.time_limit,
            id,
            request: job.payload,
            unsent: Some(0),
            answer: Vec::new(),
            too_large: false,
        }
    }

    /// When it must be over.
    pub fn deadline(&self) -> Option<Instant> {
        self.begun.checked_add(self.time_limit?)
    }

    /// Send as many parts as the channel takes. Returns whether more are to come.
    pub fn send(&mut self, channel: BorrowedFd<'_>) -> Result<bool, Error> {
        while let Some(offset) = self.unsent {
            match channel::send_request_part(channel, self.id, &self.request, offset)? {
                Some(next) if next == offset => return Ok(true),
                next => self.unsent = next,
            }
        }
        self.request = Vec::new();
        Ok(false)
    }

    /// Take a part of an answer. Returns whether it was the last; parts of other answers are not counted.
    pub fn take(&mut self, id: u64, last: bool, data: &[u8]) -> bool {
        if id != self.id {
            return false;
        }
        // A guest must not fill our memory: what is past the limit is not kept.
        if self.answer.len() + data.len() > PAYLOAD_MAX {
            self.too_large = true;
            self.answer = Vec::new();
        }
        if !self.too_large {
            self.answer.extend_from_slice(data);
        }
        last
    }

    /// The whole answer.
    pub fn answer(self, name: &str) -> Result<Vec<u8>, Refusal> {
        if self.too_large {
            let message = format!("{name} answered with more than {PAYLOAD_MAX} bytes");
            return Err(Refusal::new("ended", message, "make the function's answer smaller"));
        }
        Ok(self.answer)
    }
}
