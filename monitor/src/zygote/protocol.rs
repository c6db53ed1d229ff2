//! What a launcher and its zygote say to each other: one JSON object a message (SOCK_SEQPACKET), with descriptors where they are named.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
    sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Failure};
use crate::image::names::Name;
use crate::placing::draw::Draw;
use crate::tender::{Sharing, Tender};

/// More than a manifest's or an order's message takes: the strings of an order fit into a boot page, or it is refused.
pub const MESSAGE_MAX: usize = 160 << 10;
const DESCRIPTORS_MAX: usize = 2;

/// Of the launcher to its zygote.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Check and verify the image whose manifest is the descriptor.
    Load { manifest: PathBuf },
    /// Check a snapshot of an image; it is the descriptor.
    Snapshot { image: u64, snapshot: PathBuf },
    /// The floor guest.
    Floor,
    /// Forget an image that was built again.
    Forget { image: u64 },
    /// Fork an instance. The descriptors are its end of the channel, and its console.
    Start(Box<Order>),
}

/// An instance to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// What its failure is told under.
    pub number: u64,
    pub image: u64,
    pub tender: Tender,
    pub sharing: Sharing,
    pub memory: Option<u64>,
    /// In place of the manifest's.
    pub argv: Option<Vec<String>>,
    /// In addition to the manifest's.
    pub env: BTreeMap<String, String>,
    /// Draw from this number: for debugging only.
    pub seed: Option<u64>,
    pub gaps: u64,
    pub beginning: Beginning,
    pub limits: Limits,
    /// Under KVM, milliseconds that it waits, once it has given memory back, until it gives its virtual machine back; `None`: it never does.
    pub park_after_ms: Option<u64>,
}

/// Where an instance begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Beginning {
    Entry,
    /// At its entry, to be stopped where it first waits: the guest's own seed, and where it is to lie.
    BeforeSnapshot {
        seed: [u8; 32],
        draw: Draw,
    },
    /// Where this snapshot was taken; there again after each answer if the image keeps nothing.
    Snapshot(u64),
    /// There too, and never again: to be looked at when it has answered.
    KeptSnapshot(u64),
}

/// What an instance may use up, beside its memory.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of its console, where that is a file.
    pub log_bytes: Option<u64>,
    /// Seconds of processor time in its life.
    pub cpu_seconds: Option<u64>,
}

/// Of the zygote to its launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    Born(Born),
    Image(Box<Summary>),
    Snapshot(u64),
    Started { pid: i32, draw: Draw },
    Forgotten,
    Failed(Failure),
}

/// What the zygote found and could do when it began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Born {
    pub tenders: Vec<Tender>,
    /// Namespaces that instances have for themselves.
    pub namespaces: Vec<String>,
}

/// What a launcher knows of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub image: u64,
    pub name: String,
    /// SHA-256 of the manifest; empty for the floor guest.
    pub digest: String,
    pub heap: u64,
    pub is_stateless: bool,
    /// Its ELF file, beside the manifest.
    pub elf: Option<PathBuf>,
    /// Layout aslr: names of modules and their ELF files.
    pub modules: Box<[(Name, Option<Name>)]>,
}

/// Send a message with up to two descriptors. Waits while the other side has no room.
pub fn send(socket: BorrowedFd<'_>, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let bytes = serde_json::to_vec(message).map_err(|error| Error::Defect {
        what: format!("a message to or from the zygote: {error}"),
    })?;
    if bytes.len() > MESSAGE_MAX {
        return Err(Error::BadRequest {
            what: format!("a start of {} bytes: argv and env have to fit into a page", bytes.len()),
        });
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    loop {
        return match sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::INTR) => continue,
            Err(error) => Err(Error::io("talking with the zygote", error)),
        };
    }
}

/// The next message; `None` when the other side has gone.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(message) => break message.bytes,
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(Error::io("talking with the zygote", error)),
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let message = serde_json::from_slice(&buffer[..length]).map_err(|error| Error::Defect {
        what: format!("a message to or from the zygote: {error}"),
    })?;
    Ok(Some((message, descriptors)))
}
