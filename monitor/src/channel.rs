//! Messages to and from a guest, as the parent sees them.

use std::os::fd::BorrowedFd;

use crate::abi;
use crate::error::Error;

/// One message from an instance.
#[derive(Debug)]
pub enum Incoming<'a> {
    Ready,
    /// A part of the answer to request `id`; `status` counts in the last one.
    Reply { id: u64, last: bool, status: i32, data: &'a [u8] },
    Crash(Box<abi::Crash>),
    /// The instance could not be started.
    Failed(Error),
    /// Not a message of abi.h: the guest misbehaves.
    Malformed,
}

/// What `receive` found.
#[derive(Debug)]
pub enum Received<'a> {
    Message(Incoming<'a>),
    /// Nothing now.
    Empty,
    /// The instance has closed the channel: it has ended or is about to.
    Closed,
}

/// Take the next message without waiting. `buffer` holds `abi::MESSAGE_MAX` bytes.
pub fn receive<'a>(_channel: BorrowedFd<'_>, _buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
    todo!()
}

/// Send the part of request `id` that starts at `offset` of `payload`, without waiting. Returns the next offset, `None` when the last
/// part is sent, and the same offset when the channel is full.
pub fn send_request_part(_channel: BorrowedFd<'_>, _id: u64, _payload: &[u8], _offset: usize) -> Result<Option<usize>, Error> {
    todo!()
}
