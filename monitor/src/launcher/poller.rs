//! What the launcher waits for: descriptors, each with a token that says whose it is.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::error::Error;

/// Whose descriptor it is. Numbers of clients and instances are never used twice, so a late event finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Listener,
    Signals,
    Parent,
    Client(u64),
    /// An instance's message channel.
    Channel(u64),
    /// What instances that could not start say.
    Words,
    /// The zygote's replies.
    Zygote,
}

const KINDS: u64 = 8;

impl Token {
    fn pack(self) -> u64 {
        let (kind, number) = match self {
            Self::Listener => (0, 0),
            Self::Signals => (1, 0),
            Self::Parent => (2, 0),
            Self::Client(number) => (3, number),
            Self::Channel(number) => (4, number),
            Self::Words => (5, 0),
            Self::Zygote => (6, 0),
        };
        number * KINDS + kind
    }

    fn unpack(packed: u64) -> Self {
        let number = packed / KINDS;
        match packed % KINDS {
            0 => Self::Listener,
            1 => Self::Signals,
            2 => Self::Parent,
            3 => Self::Client(number),
            4 => Self::Channel(number),
            5 => Self::Words,
            _ => Self::Zygote,
        }
    }
}

/// What to be told about. Errors and hang-ups are told always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
}

impl Interest {
    pub const READ: Self = Self {
        read: true,
        write: false,
    };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    pub read: bool,
    /// The other side has gone altogether.
    pub gone: bool,
}

/// An epoll instance.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

const EVENTS: usize = 256;

impl Poller {
    pub fn new() -> Result<Self, Error> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| Error::io("epoll_create", error))?;
        Ok(Self {
            epoll,
            events: Vec::with_capacity(EVENTS),
        })
    }

    pub fn add(&self, source: impl AsFd, token: Token, interest: Interest) -> Result<(), Error> {
        epoll::add(&self.epoll, source, EventData::new_u64(token.pack()), interest.flags())
            .map_err(|error| Error::io("waiting for one more descriptor", error))
    }

    pub fn change(&self, source: impl AsFd, token: Token, interest: Interest) -> Result<(), Error> {
        epoll::modify(&self.epoll, source, EventData::new_u64(token.pack()), interest.flags())
            .map_err(|error| Error::io("waiting for a descriptor", error))
    }

    /// Before a descriptor is closed: a forked child may still hold a copy for a moment, which would keep it alive here.
    pub fn remove(&self, source: impl AsFd) {
        // Never added is as good.
        let _ = epoll::delete(&self.epoll, source);
    }

    /// Wait, for ever with `None`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Vec<(Token, Readiness)>, Error> {
        // Rounded up: waking before a deadline would mean waking twice.
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().min(1 << 31) as i64,
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut self.events),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("epoll_wait", error)),
        }
        Ok(self
            .events
            .iter()
            .map(|event| (Token::unpack(event.data.u64()), readiness(event.flags)))
            .collect())
    }
}

fn readiness(flags: EventFlags) -> Readiness {
    Readiness {
        read: flags.contains(EventFlags::IN),
        gone: flags.intersects(EventFlags::HUP | EventFlags::ERR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        let number = u64::MAX / KINDS;
        for token in [
            Token::Listener,
            Token::Signals,
            Token::Parent,
            Token::Client(number),
            Token::Channel(0),
            Token::Zygote,
            Token::Words,
        ] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}
