//! An instance's process as the launcher has it: its channel, and the requests that are on their way to it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::Shutdown;

use super::ending::Reason;
use super::exchange::Exchange;
use super::poller::{Interest, Poller, Token};
use super::queue::Queue;
use super::refusal::Refusal;
use crate::channel::conversation::Conversation;
use crate::error::Error;

/// From fork to READY.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// What an instance has as long as it has a process.
pub struct Live {
    pub forked: Instant,
    pub channel: Option<OwnedFd>,
    interest: Interest,
    pub conversation: Conversation,
    pub reason: Option<Reason>,
    /// What its tender said went wrong.
    pub failure: Option<Refusal>,
    pub queue: Queue,
    pub exchange: Option<Exchange>,
    pub deadline: Option<Instant>,
}

impl Live {
    /// A freshly forked one, with our end of its channel, which `poller` watches.
    pub fn new(number: u64, channel: OwnedFd, forked: Instant, poller: &Poller) -> Result<Self, Error> {
        poller.add(&channel, Token::Channel(number), Interest::READ)?;
        Ok(Self {
            forked,
            channel: Some(channel),
            interest: Interest::READ,
            conversation: Conversation::default(),
            reason: None,
            failure: None,
            queue: Queue::default(),
            exchange: None,
            deadline: forked.checked_add(READY_LIMIT),
        })
    }

    /// Begin with the next request, if there is one and nothing else to do.
    pub fn next(&mut self, number: u64, poller: &Poller) {
        if !self.conversation.is_free() || self.reason.is_some() {
            return;
        }
        if let Some(job) = self.queue.pop() {
            let begun = Instant::now();
            let deadline = job.time_limit.and_then(|limit| begun.checked_add(limit));
            self.conversation.ask(job.payload);
            self.deadline = deadline;
            self.exchange = Some(Exchange {
                caller: job.caller,
                begun,
            });
            self.send(number, poller);
        }
    }

    /// Send what the channel takes, and wait for room if it does not take all.
    pub fn send(&mut self, number: u64, poller: &Poller) {
        let Some(channel) = &self.channel else { return };
        // Sending fails when the process has ended: how, it is told when it is reaped.
        let write = self.conversation.send(channel.as_fd()).unwrap_or(false);
        let interest = Interest { read: true, write };
        if interest != self.interest && poller.change(channel, Token::Channel(number), interest).is_ok() {
            self.interest = interest;
        }
    }

    pub fn close_channel(&mut self, poller: &Poller) {
        if let Some(channel) = self.channel.take() {
            poller.remove(&channel);
            // A child that was forked just now may still hold a copy: closing ours alone would not tell the guest.
            let _ = rustix::net::shutdown(&channel, Shutdown::Both);
        }
    }
}
