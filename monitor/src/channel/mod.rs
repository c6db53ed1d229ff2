//! Messages to and from an instance, as the parent sees them. The guest is not trusted: whatever it sends becomes a value here, never a
//! failure of ours, nor the monitor's word (zygote/word.rs).

pub mod conversation;

use std::mem::size_of;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use bytemuck::Zeroable;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt, sockopt::Timeout};

use crate::abi::{self, Message};
use crate::error::Error;

/// Of the KVM tender: the instance has no virtual machine until the next request. A guest that sends it only spoils what is told of itself.
const MESSAGE_PARKED: u32 = 0x8000_0001;
const HEADER: usize = size_of::<Message>();
const PART_MAX: usize = abi::MESSAGE_MAX - HEADER;
/// A crash record up to its stack bytes.
const CRASH_HEAD: usize = size_of::<abi::Crash>() - abi::CRASH_STACK_MAX;

/// One message from an instance.
#[derive(Debug)]
pub enum Incoming<'a> {
    Ready,
    /// It has given its virtual machine back until the next request.
    Parked,
    /// A part of the answer to request `id`; `status` counts in the last one.
    Reply {
        id: u64,
        last: bool,
        status: i32,
        data: &'a [u8],
    },
    Crash(Box<abi::Crash>),
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

/// How long an instance waits for a request until it gives memory back.
pub const QUIET: Duration = Duration::from_millis(100);

/// How many milliseconds an instance waits after that until it gives its virtual machine back.
pub const PARK_AFTER_MS: u64 = 10_000;

/// A channel's two ends: the parent's and the instance's. The instance's receives give up after `quiet`, if that is given (abi.h,
/// CHANNEL_RECEIVE_SOON).
pub fn pair(quiet: Option<Duration>) -> Result<(OwnedFd, OwnedFd), Error> {
    let failed = |error| Error::io("making an instance's channel", error);
    let (parent, instance) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(failed)?;
    for end in [&parent, &instance] {
        // A whole message has to fit, with the kernel's own accounting of it.
        sockopt::set_socket_send_buffer_size(end, 4 * abi::MESSAGE_MAX).map_err(failed)?;
    }
    sockopt::set_socket_timeout(&instance, Timeout::Recv, quiet).map_err(failed)?;
    Ok((parent, instance))
}

/// Let an instance's receives wait for as long as it takes.
pub fn wait_without_limit(instance: BorrowedFd<'_>) -> Result<(), Error> {
    sockopt::set_socket_timeout(instance, Timeout::Recv, None)
        .map_err(|error| Error::io("setting an instance's channel", error))
}

/// Take the next message without waiting. `buffer` holds `abi::MESSAGE_MAX` bytes.
pub fn receive<'a>(channel: BorrowedFd<'_>, buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
    let length = loop {
        match rustix::net::recv(channel, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(Received::Closed),
            Ok((length, _)) => break length,
            Err(Errno::AGAIN) => return Ok(Received::Empty),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("receiving from an instance", error)),
        }
    };
    Ok(Received::Message(parse(&buffer[..length])))
}

fn parse(bytes: &[u8]) -> Incoming<'_> {
    let Some((header, data)) = bytes.split_at_checked(HEADER) else {
        return Incoming::Malformed;
    };
    let message: Message = bytemuck::pod_read_unaligned(header);
    match message.kind {
        abi::MESSAGE_READY => Incoming::Ready,
        MESSAGE_PARKED => Incoming::Parked,
        abi::MESSAGE_REPLY => {
            let last = message.flags & abi::MESSAGE_MORE == 0;
            Incoming::Reply {
                id: message.id,
                last,
                // Whoever exits with it has eight bits: 256 is no success.
                status: u8::try_from(message.status).map_or(255, i32::from),
                data,
            }
        }
        abi::MESSAGE_CRASH => parse_crash(data).map_or(Incoming::Malformed, Incoming::Crash),
        _ => Incoming::Malformed,
    }
}

/// A record may end where its valid stack bytes do.
fn parse_crash(data: &[u8]) -> Option<Box<abi::Crash>> {
    let mut crash: Box<abi::Crash> = Box::new(Zeroable::zeroed());
    let room = bytemuck::bytes_of_mut(&mut *crash);
    if data.len() < CRASH_HEAD || data.len() > room.len() {
        return None;
    }
    room[..data.len()].copy_from_slice(data);
    (crash.stack_bytes as usize <= data.len() - CRASH_HEAD).then_some(crash)
}

/// Say that a guest is ready that said so before its snapshot was taken.
pub fn send_ready(channel: BorrowedFd<'_>) -> Result<(), Error> {
    let message = Message {
        kind: abi::MESSAGE_READY,
        ..Message::zeroed()
    };
    rustix::net::send(channel, bytemuck::bytes_of(&message), SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|error| Error::io("saying that the instance is ready", error))
}

/// From the tender: it is parked. Nobody needs to know it.
pub fn send_parked(channel: BorrowedFd<'_>) {
    let message = Message {
        kind: MESSAGE_PARKED,
        ..Message::default()
    };
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = rustix::net::send(channel, bytemuck::bytes_of(&message), flags);
}

/// Send the part of request `id` that starts at `offset` of `payload`, without waiting. Returns the next offset, `None` when the
/// last part is sent, and the same offset when the channel is full.
pub fn send_request_part(channel: BorrowedFd<'_>, id: u64, payload: &[u8], offset: usize) -> Result<Option<usize>, Error> {
    let end = payload.len().min(offset.saturating_add(PART_MAX));
    let last = end == payload.len();
    let flags = if last { 0 } else { abi::MESSAGE_MORE };
    let header = Message {
        kind: abi::MESSAGE_REQUEST,
        flags,
        id,
        ..Message::default()
    };
    let mut bytes = Vec::with_capacity(HEADER + end - offset);
    bytes.extend_from_slice(bytemuck::bytes_of(&header));
    bytes.extend_from_slice(&payload[offset..end]);
    loop {
        return match rustix::net::send(channel, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => Ok((!last).then_some(end)),
            Err(Errno::AGAIN) => Ok(Some(offset)),
            Err(Errno::INTR) => continue,
            Err(Errno::PIPE | Errno::CONNRESET) => Err(Error::Ended {
                what: "the instance has ended".into(),
            }),
            Err(error) => Err(Error::io("sending to an instance", error)),
        };
    }
}

#[cfg(test)]
mod tests;
