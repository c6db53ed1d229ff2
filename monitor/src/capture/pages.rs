//! What a waiting instance of the process tender has written: its registers and its pages, read from outside while it is stopped.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::abi::Waiting;
use crate::error::Error;
use crate::image::{Content, PAGE, Rights};
use crate::placing::Placed;
use crate::snapshot::check;
use crate::tender::process::{heap_taken, is_waiting_at};

/// How long a stopped guest that does not wait runs on before it is looked at again.
const PATIENCE: Duration = Duration::from_millis(2);
/// Entries of /proc/PID/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst).
const ENTRY_BYTES: u64 = 8;
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
const ALONE: u64 = 1 << 56;

type Page = Box<[u8; PAGE as usize]>;

/// A guest's state at the hypercall for its next request. `pages`: address and bytes of each that differs from the image.
pub struct Captured {
    pub waiting: Waiting,
    /// Bytes of the heap that the guest takes for usable.
    pub heap_ready: u64,
    pub pages: Vec<(u64, Page)>,
}

/// Stop the instance once it waits, and read it. It stays stopped.
pub fn capture(pid: i32, placed: &Placed, deadline: Instant) -> Result<Captured, Error> {
    let registers = stop(pid, &placed.image.name, deadline, |rip, call| {
        is_waiting_at(&placed.placement, rip, call)
    })?;
    let memory = Memory::open(pid)?;
    let waiting = waiting(pid, &registers)?;
    let mut pages = Vec::new();
    for extent in &placed.extents {
        let is_frame = matches!(extent.content, Content::Frames { .. });
        if extent.rights != Rights::ReadWrite && !is_frame {
            continue;
        }
        for number in 0..extent.pages() {
            let address = extent.address + number * PAGE;
            let original = match &extent.content {
                Content::Run { file, first } => Some((file.as_ref(), u64::from(*first) + number)),
                Content::Zero | Content::Frames { .. } => None,
            };
            // A frame's own content is nowhere in the image; tables must be there even where they are zeros.
            let is_needed = |page: &Page| !is_frame || extent.rights == Rights::Read || page.iter().any(|byte| *byte != 0);
            let changed = memory.changed(address, original, is_frame)?;
            pages.extend(changed.filter(|page| is_needed(page)).map(|page| (address, page)));
        }
    }
    let placement = &placed.placement;
    let heap = (placement.heap_start, placement.heap_start + placed.image.heap);
    for (from, to) in [(placement.stack_bottom, placement.stack_top), heap] {
        for address in memory.touched(from, to)? {
            pages.extend(memory.changed(address, None, false)?.map(|page| (address, page)));
        }
    }
    forget_dead_stack(&mut pages, placed, waiting.rsp);
    pages.sort_unstable_by_key(|(address, _)| *address);
    let heap_ready = heap_taken(placed, |address| memory.word(address))?;
    Ok(Captured {
        waiting,
        heap_ready,
        pages,
    })
}

/// Pages that an instance has copies of, once it waits again. It stays stopped.
pub fn written(pid: i32, placed: &Placed, deadline: Instant) -> Result<Vec<u64>, Error> {
    stop(pid, &placed.image.name, deadline, |_, call| call == libc::SYS_recvfrom)?;
    let memory = Memory::open(pid)?;
    let mut found = Vec::new();
    for (from, to) in check::writable(placed) {
        let entries = memory.entries(from, (to - from) / PAGE)?;
        // The page of zeros is nobody's alone.
        let written = |entry: u64| is_written(entry) && entry & ALONE != 0;
        let pages = entries.iter().enumerate().filter(|(_, entry)| written(**entry));
        found.extend(pages.map(|(number, _)| from + number as u64 * PAGE));
    }
    Ok(found)
}

/// Zero what lies below the stack pointer: no frame uses it, and requests have left their bytes there.
fn forget_dead_stack(pages: &mut Vec<(u64, Page)>, placed: &Placed, rsp: u64) {
    let stack = placed.placement.stack_bottom..placed.placement.stack_top;
    for (address, page) in pages.iter_mut().filter(|(address, _)| stack.contains(address)) {
        let dead = rsp.saturating_sub(*address).min(PAGE) as usize;
        page[..dead].fill(0);
    }
    pages.retain(|(address, page)| !stack.contains(address) || page.iter().any(|byte| *byte != 0));
}

/// Attach, and let the guest run until it waits: `waits` is asked with its instruction pointer and the number of its system call.
fn stop(pid: i32, name: &str, deadline: Instant, waits: impl Fn(u64, i64) -> bool) -> Result<libc::user_regs_struct, Error> {
    trace(libc::PTRACE_SEIZE, pid, 0)?;
    loop {
        trace(libc::PTRACE_INTERRUPT, pid, 0)?;
        wait_stopped(pid)?;
        // SAFETY: plain numbers; zeros are a value of it, and the kernel fills it.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        trace(libc::PTRACE_GETREGS, pid, (&raw mut registers).expose_provenance())?;
        if waits(registers.rip, registers.orig_rax as i64) {
            return Ok(registers);
        }
        if Instant::now() >= deadline {
            return Err(Error::TimeLimit {
                what: format!("{name} does not wait for its next request"),
            });
        }
        trace(libc::PTRACE_CONT, pid, 0)?;
        std::thread::sleep(PATIENCE);
    }
}

fn waiting(pid: i32, registers: &libc::user_regs_struct) -> Result<Waiting, Error> {
    // SAFETY: as above.
    let mut floats: libc::user_fpregs_struct = unsafe { std::mem::zeroed() };
    trace(libc::PTRACE_GETFPREGS, pid, (&raw mut floats).expose_provenance())?;
    Ok(Waiting {
        rsp: registers.rsp,
        rbx: registers.rbx,
        rbp: registers.rbp,
        r12: registers.r12,
        r13: registers.r13,
        r14: registers.r14,
        r15: registers.r15,
        fs_base: registers.fs_base,
        receive_address: registers.rsi,
        receive_bytes: registers.rdx,
        mxcsr: floats.mxcsr,
        x87_control: floats.cwd.into(),
    })
}

fn trace(request: libc::c_uint, pid: i32, data: usize) -> Result<(), Error> {
    // SAFETY: ptrace(2) writes at most the structure that the caller gave for this request.
    if unsafe { libc::ptrace(request, pid, 0, data) } < 0 {
        return Err(Error::io("reading the instance (ptrace)", std::io::Error::last_os_error()));
    }
    Ok(())
}

fn wait_stopped(pid: i32) -> Result<(), Error> {
    let mut status = 0;
    // SAFETY: the kernel writes one number.
    let found = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    if found == pid && libc::WIFSTOPPED(status) {
        return Ok(());
    }
    Err(Error::Ended {
        what: "the instance ended before its snapshot was taken".into(),
    })
}

/// A stopped process's memory.
struct Memory {
    bytes: File,
    map: File,
}

impl Memory {
    fn open(pid: i32) -> Result<Self, Error> {
        let open = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            File::open(&path).map_err(|error| Error::io(format!("opening {path}"), error))
        };
        Ok(Self {
            bytes: open("mem")?,
            map: open("pagemap")?,
        })
    }

    /// A page's bytes, if the guest has written it and it is not what it was: `original` is its place in a run (none: zeros).
    /// `always`: take it for written.
    fn changed(&self, address: u64, original: Option<(&File, u64)>, always: bool) -> Result<Option<Page>, Error> {
        let failed = |error| Error::io(format!("reading the instance's page at {address:#x}"), error);
        if !always && !is_written(self.entries(address, 1)?[0]) {
            return Ok(None);
        }
        let (mut page, mut before) = (Box::new([0; PAGE as usize]), [0; PAGE as usize]);
        self.bytes.read_exact_at(&mut page[..], address).map_err(failed)?;
        if let Some((file, number)) = original {
            file.read_exact_at(&mut before, number * PAGE).map_err(failed)?;
        }
        Ok((always || *page != before).then_some(page))
    }

    fn word(&self, address: u64) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        let failed = |error| Error::io(format!("reading the instance's word at {address:#x}"), error);
        self.bytes.read_exact_at(&mut bytes, address).map_err(failed)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Pages between two addresses that the guest has written.
    fn touched(&self, from: u64, to: u64) -> Result<Vec<u64>, Error> {
        let entries = self.entries(from, (to - from) / PAGE)?;
        let written = entries.iter().enumerate().filter(|(_, entry)| is_written(**entry));
        Ok(written.map(|(number, _)| from + number as u64 * PAGE).collect())
    }

    fn entries(&self, address: u64, pages: u64) -> Result<Vec<u64>, Error> {
        let mut bytes = vec![0; (pages * ENTRY_BYTES) as usize];
        self.map
            .read_exact_at(&mut bytes, address / PAGE * ENTRY_BYTES)
            .map_err(|error| Error::io("reading the instance's page map", error))?;
        let words = bytes.chunks_exact(ENTRY_BYTES as usize);
        Ok(words
            .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
            .collect())
    }
}

/// A private page that is there: not yet written ones are none, or the file's.
fn is_written(entry: u64) -> bool {
    entry & (PRESENT | SWAPPED) != 0 && entry & OF_FILE == 0
}
