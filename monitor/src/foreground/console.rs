//! The console of the one instance: our own stdout or stderr. What that is decides what the guest gets.
//!
//! A terminal obeys what is written to it, so a guest does not write there: it gets a pipe, and what comes through is shown with control
//! characters as \xNN. A file gets bytes as they are, up to a limit; so does a pipe, whose reader knows what it takes.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PIPE_BUF, PipeFlags};

use crate::error::Error;

/// Our own descriptor, and the pipe before it where there is one.
pub struct Console {
    own: OwnedFd,
    pipe: Option<Pipe>,
}

struct Pipe {
    ours: OwnedFd,
    /// Closed once the instance has it.
    theirs: Option<OwnedFd>,
    /// The beginning of a letter that is not complete yet.
    cut: Vec<u8>,
}

impl Console {
    pub fn new(own: BorrowedFd<'_>) -> Result<Self, Error> {
        let failed = |error: Errno| Error::io("making the console", error);
        let own = own
            .try_clone_to_owned()
            .map_err(|error| Error::io("making the console", error))?;
        let pipe = if own.is_terminal() {
            let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
            rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK).map_err(failed)?;
            Some(Pipe {
                ours,
                theirs: Some(theirs),
                cut: Vec::new(),
            })
        } else {
            None
        };
        Ok(Self { own, pipe })
    }

    /// What the instance writes to.
    pub fn of_instance(&self) -> BorrowedFd<'_> {
        let theirs = self.pipe.as_ref().and_then(|pipe| pipe.theirs.as_ref());
        theirs.unwrap_or(&self.own).as_fd()
    }

    /// The instance has it now.
    pub fn handed_over(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            pipe.theirs = None;
        }
    }

    /// What may be waited for.
    pub fn incoming(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(|pipe| pipe.ours.as_fd())
    }

    /// Where a file ends that has `limit` bytes more than it has now; `None` for what is no file.
    pub fn end_of_file(&self, limit: u64) -> Option<u64> {
        let found = rustix::fs::fstat(&self.own).ok()?;
        (FileType::from_raw_mode(found.st_mode) == FileType::RegularFile).then(|| {
            let written = u64::try_from(found.st_size).unwrap_or(0);
            let at = rustix::fs::tell(&self.own).unwrap_or(0);
            written.max(at).saturating_add(limit)
        })
    }

    /// Whether a file has come to that end.
    pub fn is_full(&self, end: u64) -> bool {
        rustix::fs::fstat(&self.own).is_ok_and(|found| u64::try_from(found.st_size).is_ok_and(|size| size >= end))
    }

    /// Show what has come.
    pub fn pass(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 4 * PIPE_BUF];
        loop {
            match rustix::io::read(&pipe.ours, &mut buffer) {
                Err(Errno::INTR) => {}
                Ok(0) => {
                    let last = std::mem::take(&mut pipe.cut);
                    self.pipe = None;
                    return self.write(&escaped(&last));
                }
                Err(_) => return,
                Ok(length) => {
                    pipe.cut.extend_from_slice(&buffer[..length]);
                    let whole = pipe.cut.len() - cut_letter(&pipe.cut);
                    let shown = printable(&pipe.cut[..whole]);
                    pipe.cut.drain(..whole);
                    write(&self.own, shown.as_bytes());
                }
            }
        }
    }

    fn write(&self, text: &str) {
        write(&self.own, text.as_bytes());
    }
}

/// A terminal that went away shows nothing.
fn write(descriptor: &OwnedFd, text: &[u8]) {
    let _ = descriptor
        .try_clone()
        .map(File::from)
        .and_then(|mut file| file.write_all(text));
}

/// Bytes of a guest as text: control characters (C0, DEL, C1: ECMA-48) but newlines and tabs as \xNN, and what is no text as well.
pub fn printable(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' | '\t' => shown.push(letter),
                letter if letter.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(letter))),
                letter => shown.push(letter),
            }
        }
        shown.push_str(&escaped(chunk.invalid()));
    }
    shown
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// How many bytes at the end are the beginning of a letter that goes on.
fn cut_letter(bytes: &[u8]) -> usize {
    let is_cut = |length: &usize| {
        let begun = std::str::from_utf8(&bytes[bytes.len() - length..]);
        begun.is_err_and(|error| error.error_len().is_none() && error.valid_up_to() == 0)
    };
    (1..=bytes.len().min(3)).rev().find(is_cut).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_shown() {
        assert_eq!(printable(b"a\x1b[2Jb\r\n\tc\x07\x7f"), "a\\x1b[2Jb\\x0d\n\tc\\x07\\x7f");
        assert_eq!(printable("\u{9b}2Jä€".as_bytes()), "\\x9b2Jä€");
        assert_eq!(printable(b"\x9b2J\xff"), "\\x9b2J\\xff");
    }

    #[test]
    fn a_letter_may_be_cut() {
        assert_eq!(cut_letter("aä".as_bytes()), 0);
        assert_eq!(cut_letter(&"aä".as_bytes()[..2]), 1);
        assert_eq!(cut_letter(&"€".as_bytes()[..2]), 2);
        assert_eq!(cut_letter(b"\xff\xe2\x82"), 2);
        assert_eq!(cut_letter(b"\xffab"), 0);
    }
}
