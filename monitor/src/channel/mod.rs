//! Messages to and from an instance, as the parent sees them, and the one message that only the monitor itself sends: why an
//! instance could not start. The guest is not trusted: whatever it sends becomes a value here, never a failure of ours.

use std::mem::size_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use bytemuck::Zeroable;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt, sockopt::Timeout};

use crate::abi::{self, Message};
use crate::error::Error;

/// Of the monitor's child to its parent, before the guest runs: the data is exit code, and the text of the error.
pub const MESSAGE_FAILED: u32 = 0x8000_0000;
const HEADER: usize = size_of::<Message>();
const PART_MAX: usize = abi::MESSAGE_MAX - HEADER;
/// A crash record up to its stack bytes.
const CRASH_HEAD: usize = size_of::<abi::Crash>() - abi::CRASH_STACK_MAX;

/// One message from an instance.
#[derive(Debug)]
pub enum Incoming<'a> {
    Ready,
    /// A part of the answer to request `id`; `status` counts in the last one.
    Reply {
        id: u64,
        last: bool,
        status: i32,
        data: &'a [u8],
    },
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

/// How long an instance waits for a request until it gives memory back.
pub const QUIET: Duration = Duration::from_millis(100);

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
        abi::MESSAGE_REPLY => {
            let last = message.flags & abi::MESSAGE_MORE == 0;
            Incoming::Reply {
                id: message.id,
                last,
                status: message.status,
                data,
            }
        }
        abi::MESSAGE_CRASH => parse_crash(data).map_or(Incoming::Malformed, Incoming::Crash),
        MESSAGE_FAILED => parse_failure(data).map_or(Incoming::Malformed, Incoming::Failed),
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

fn parse_failure(data: &[u8]) -> Option<Error> {
    let (errno, data) = data.split_first_chunk()?;
    let (&code, text) = data.split_first()?;
    Error::from_exit_code(code, String::from_utf8_lossy(text).into_owned(), i32::from_ne_bytes(*errno))
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

/// From the child: say why there will be no guest. Nothing can be done if that fails: the parent sees the channel close.
pub fn send_failure(channel: BorrowedFd<'_>, error: &Error) {
    let mut bytes = bytemuck::bytes_of(&Message {
        kind: MESSAGE_FAILED,
        ..Message::default()
    })
    .to_vec();
    let (what, errno) = match error {
        Error::Io { what, source } => (what.clone(), source.raw_os_error().unwrap_or(0)),
        _ => (error.to_string(), 0),
    };
    bytes.extend(errno.to_ne_bytes());
    bytes.push(error.exit_code());
    bytes.extend(what.into_bytes());
    bytes.truncate(abi::MESSAGE_MAX);
    let _ = rustix::net::send(channel, &bytes, SendFlags::NOSIGNAL);
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

/// For the child, which keeps its end under another number.
pub fn duplicate(channel: &OwnedFd) -> Result<OwnedFd, Error> {
    rustix::io::fcntl_dupfd_cloexec(channel.as_fd(), 0).map_err(|error| Error::io("duplicating a channel", error))
}

#[cfg(test)]
mod tests;
