//! The conversation with one instance, as a state machine: is it ready, what was it asked, what came back. No clock and no waiting: the
//! launcher, the foreground monitor and the taking of snapshots bring those.

use std::os::fd::BorrowedFd;

use super::{Incoming, send_request_part};
use crate::abi;
use crate::error::Error;

/// The most that an answer may have: a guest must not fill our memory.
pub const ANSWER_MAX: usize = 64 << 20;
/// The most that a request may have, for however large a heap.
pub const REQUEST_MAX: u64 = 64 << 20;
/// What every instance takes, however small its heap.
const REQUEST_LEAST: u64 = 64 << 10;
/// A guest holds a request while it grows the buffer for it, and works on it: so only this part of its heap.
const HEAP_PER_REQUEST: u64 = 4;

/// Bytes that a request may have for an instance with `heap` bytes of heap; what is more is refused before the guest sees any of it.
pub fn request_limit(heap: u64) -> u64 {
    (heap / HEAP_PER_REQUEST).clamp(REQUEST_LEAST, REQUEST_MAX)
}

/// Why such a request is not sent.
pub fn too_large_request(name: &str, bytes: usize, limit: u64) -> Error {
    Error::BadRequest {
        what: format!(
            "a request of {bytes} bytes is more than {name} takes ({limit}): a {HEAP_PER_REQUEST}th of its heap, {REQUEST_MAX} at most; \
             give it more with --memory"
        ),
    }
}

/// What a message meant.
#[derive(Debug)]
pub enum Heard {
    Ready,
    Answered(Answer),
    /// A part of an answer; or the guest's own business, like a second READY.
    Nothing,
}

/// The whole answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: i32,
    /// `None`: it had more than `ANSWER_MAX` bytes, and was not kept.
    pub payload: Option<Vec<u8>>,
}

/// What an instance is at.
#[derive(Debug, Default)]
pub struct Conversation {
    ready: bool,
    parked: bool,
    exchange: Option<Box<Exchange>>,
    last_id: u64,
    crash: Option<Box<abi::Crash>>,
}

#[derive(Debug)]
struct Exchange {
    id: u64,
    request: Vec<u8>,
    /// Where the next part starts; `None` behind the last one.
    unsent: Option<usize>,
    answer: Vec<u8>,
    too_large: bool,
}

impl Conversation {
    /// Whether it has said READY.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether it has no virtual machine until it is asked.
    pub fn is_parked(&self) -> bool {
        self.parked
    }

    /// Whether an answer is due.
    pub fn is_busy(&self) -> bool {
        self.exchange.is_some()
    }

    /// Whether the answer that is coming has more than `ANSWER_MAX` bytes already.
    pub fn is_answer_too_large(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.too_large)
    }

    /// Whether it can be asked now.
    pub fn is_free(&self) -> bool {
        self.ready && self.exchange.is_none()
    }

    /// Ask it, which must be free. `send` sends.
    pub fn ask(&mut self, request: Vec<u8>) {
        self.parked = false;
        self.last_id += 1;
        self.exchange = Some(Box::new(Exchange {
            id: self.last_id,
            request,
            unsent: Some(0),
            answer: Vec::new(),
            too_large: false,
        }));
    }

    /// Send as many parts as the channel takes. Returns whether more are to come.
    pub fn send(&mut self, channel: BorrowedFd<'_>) -> Result<bool, Error> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(false);
        };
        while let Some(offset) = exchange.unsent {
            match send_request_part(channel, exchange.id, &exchange.request, offset)? {
                Some(next) if next == offset => return Ok(true),
                next => exchange.unsent = next,
            }
        }
        exchange.request = Vec::new();
        Ok(false)
    }

    /// Take a message.
    pub fn hear(&mut self, message: Incoming<'_>) -> Heard {
        match message {
            Incoming::Ready if !self.ready => {
                self.ready = true;
                Heard::Ready
            }
            Incoming::Reply { id, last, status, data } => self.take_part(id, last, status, data),
            // The process ends right after it, or it means nothing.
            Incoming::Crash(record) => {
                self.crash = Some(record);
                Heard::Nothing
            }
            Incoming::Parked => {
                self.parked = self.exchange.is_none();
                Heard::Nothing
            }
            Incoming::Ready | Incoming::Malformed => Heard::Nothing,
        }
    }

    fn take_part(&mut self, id: u64, last: bool, status: i32, data: &[u8]) -> Heard {
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.id == id) else {
            return Heard::Nothing;
        };
        if exchange.answer.len() + data.len() > ANSWER_MAX {
            exchange.too_large = true;
            exchange.answer = Vec::new();
        }
        if !exchange.too_large {
            exchange.answer.extend_from_slice(data);
        }
        if !last {
            return Heard::Nothing;
        }
        let exchange = self.exchange.take();
        Heard::Answered(Answer {
            status,
            payload: exchange
                .filter(|exchange| !exchange.too_large)
                .map(|exchange| exchange.answer),
        })
    }

    /// What the tender, or the guest, said of a crash. It counts only when the process ended as a crashed one does.
    pub fn take_crash(&mut self) -> Option<Box<abi::Crash>> {
        self.crash.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u64, last: bool, data: &[u8]) -> Incoming<'_> {
        Incoming::Reply {
            id,
            last,
            status: 3,
            data,
        }
    }

    #[test]
    fn parts_of_an_answer_are_put_together_and_others_are_not_counted() {
        let mut conversation = Conversation::default();
        assert!(matches!(conversation.hear(reply(1, true, b"to nothing")), Heard::Nothing));
        assert!(matches!(conversation.hear(Incoming::Ready), Heard::Ready));
        assert!(matches!(conversation.hear(Incoming::Ready), Heard::Nothing));
        conversation.ask(b"question".to_vec());
        assert!(conversation.is_busy() && !conversation.is_free());
        for (id, data) in [(1, b"a"), (9, b"x"), (1, b"b")] {
            assert!(matches!(conversation.hear(reply(id, false, data)), Heard::Nothing));
        }
        let Heard::Answered(answer) = conversation.hear(reply(1, true, b"c")) else {
            panic!("no answer")
        };
        assert_eq!((answer.status, answer.payload.as_deref()), (3, Some(&b"abc"[..])));
        assert!(conversation.is_free());
    }

    #[test]
    fn too_large_an_answer_is_not_kept() {
        let mut conversation = Conversation::default();
        conversation.hear(Incoming::Ready);
        conversation.ask(Vec::new());
        let part = vec![0; 1 << 20];
        for _ in 0..=ANSWER_MAX >> 20 {
            conversation.hear(reply(1, false, &part));
        }
        let Heard::Answered(answer) = conversation.hear(reply(1, true, b"")) else {
            panic!("no answer")
        };
        assert!(answer.payload.is_none());
    }

    #[test]
    fn a_request_may_have_a_part_of_the_heap() {
        assert_eq!(request_limit(0), 64 << 10);
        assert_eq!(request_limit(16 << 20), 4 << 20);
        assert_eq!(request_limit(1 << 40), 64 << 20);
    }
}
