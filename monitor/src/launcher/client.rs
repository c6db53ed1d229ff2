//! One connected client: its half-read request and its unsent answers. A slow or broken one is nobody else's concern.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::frame::{self, Frame, Inbox, Oversize};
use super::poller::{Interest, Poller, Token};
use super::refusal::Refusal;
use crate::error::Error;

/// A client that does not read its answers is not read from either: past this many bytes of answers, or this many open requests.
const OUTBOX_MAX: usize = 2 * frame::PAYLOAD_MAX;
const OPEN_MAX: usize = 16_384;
const OPEN_BYTES_MAX: usize = 4 * frame::PAYLOAD_MAX;

/// What reading from a client gave.
#[derive(Debug)]
pub enum Input {
    /// Whole requests, maybe none yet.
    Frames(Vec<Frame>),
    /// Requests, then something that is not our protocol.
    Broken(Vec<Frame>, Oversize),
    Gone,
}

pub struct Client {
    socket: OwnedFd,
    token: Token,
    interest: Interest,
    inbox: Inbox,
    outbox: VecDeque<Vec<u8>>,
    /// Of the first one in the outbox.
    sent: usize,
    unsent_bytes: usize,
    open: usize,
    open_bytes: usize,
    /// Close it when the outbox is empty.
    closing: bool,
}

impl Client {
    pub fn new(socket: OwnedFd, number: u64, poller: &Poller) -> Result<Self, Error> {
        let token = Token::Client(number);
        poller.add(&socket, token, Interest::READ)?;
        Ok(Self {
            socket,
            token,
            interest: Interest::READ,
            inbox: Inbox::default(),
            outbox: VecDeque::new(),
            sent: 0,
            unsent_bytes: 0,
            open: 0,
            open_bytes: 0,
            closing: false,
        })
    }

    /// Take what has come, one buffer at most so that others get their turn.
    pub fn read(&mut self, buffer: &mut [u8]) -> Input {
        let length = match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Input::Gone,
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Input::Frames(Vec::new()),
            Err(_) => return Input::Gone,
        };
        let (mut bytes, mut frames) = (&buffer[..length], Vec::new());
        while !bytes.is_empty() {
            match self.inbox.feed(&mut bytes) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => {}
                Err(oversize) => return Input::Broken(frames, oversize),
            }
        }
        Input::Frames(frames)
    }

    /// A request of `bytes` bytes of payload waits for its answer.
    pub fn opened(&mut self, bytes: usize) {
        self.open += 1;
        self.open_bytes += bytes;
    }

    /// Answer a request whose payload had `bytes` bytes.
    pub fn answer(&mut self, body: &[u8], payload: Vec<u8>, bytes: usize) {
        self.open = self.open.saturating_sub(1);
        self.open_bytes = self.open_bytes.saturating_sub(bytes);
        self.push(body, payload);
    }

    /// Say something that answers nothing.
    pub fn push(&mut self, body: &[u8], payload: Vec<u8>) {
        let Some(head) = frame::head(body, payload.len()) else {
            return; // answer.rs sees to it that this does not happen
        };
        for part in [head, payload] {
            if !part.is_empty() {
                self.unsent_bytes += part.len();
                self.outbox.push_back(part);
            }
        }
    }

    /// No more requests; it is closed when it has its answers.
    pub fn close_after_answers(&mut self) {
        self.closing = true;
    }

    /// Send what the socket takes and ask for what is of interest next. False: it is to be dropped.
    pub fn flush(&mut self, poller: &Poller) -> bool {
        while let Some(part) = self.outbox.front() {
            match rustix::net::send(&self.socket, &part[self.sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(length) => self.advance(length),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        if self.closing && self.outbox.is_empty() {
            return false;
        }
        let busy = self.unsent_bytes > OUTBOX_MAX || self.open > OPEN_MAX || self.open_bytes > OPEN_BYTES_MAX;
        let interest = Interest {
            read: !busy && !self.closing,
            write: !self.outbox.is_empty(),
        };
        if interest != self.interest {
            self.interest = interest;
            return poller.change(&self.socket, self.token, interest).is_ok();
        }
        true
    }

    fn advance(&mut self, length: usize) {
        self.sent += length;
        self.unsent_bytes -= length;
        if self.outbox.front().is_some_and(|part| part.len() == self.sent) {
            self.outbox.pop_front();
            self.sent = 0;
        }
    }

    pub fn has_unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Before it is dropped.
    pub fn disconnect(&self, poller: &Poller) {
        poller.remove(&self.socket);
        // A child that was forked just now may still hold a copy: closing ours alone would not tell the other side.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }
}

impl From<Oversize> for Refusal {
    fn from(oversize: Oversize) -> Self {
        Self::bad_request(format!(
            "a frame of {} + {} bytes: the limits are {} for the object and {} for the payload",
            oversize.body,
            oversize.payload,
            frame::BODY_MAX,
            frame::PAYLOAD_MAX
        ))
    }
}
