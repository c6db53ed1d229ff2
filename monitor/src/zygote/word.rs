//! The monitor's own word on why an instance could not start. It has a socket for itself, which no guest can write to: what comes over an
//! instance's channel is the guest's, whatever it says.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Failure};

const WORD_MAX: usize = 16 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Word {
    number: u64,
    failure: Failure,
}

/// The launcher's end, and the one that every instance begins with.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|error| Error::io("making the zygote's sockets", error))
}

/// Say why instance `number` could not start. If nobody listens, nobody wants to know.
pub fn say(socket: BorrowedFd<'_>, number: u64, error: &Error) {
    let mut failure = error.to_failure();
    // Characters take up to six bytes in JSON.
    failure.what = failure.what.chars().take(WORD_MAX / 8).collect();
    if let Ok(bytes) = serde_json::to_vec(&Word { number, failure }) {
        let _ = rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL);
    }
}

/// The next word that waits, if one does.
pub fn hear(socket: &OwnedFd) -> Option<(u64, Error)> {
    let mut buffer = [0; WORD_MAX];
    loop {
        match rustix::net::recv(socket.as_fd(), &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return None,
            Ok((length, _)) => {
                if let Ok(word) = serde_json::from_slice::<Word>(&buffer[..length]) {
                    return Some((word.number, word.failure.into()));
                }
            }
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}
