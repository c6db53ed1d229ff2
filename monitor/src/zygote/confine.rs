//! What instances shall not have, given up once by the zygote: they inherit it at no cost each. An instance without a zygote of its own gives
//! it up itself.
//!
//! Namespaces (user for who is not root, mount, network, IPC, PID), a root folder with nothing in it, capabilities, and rights that a
//! program could gain by executing another. What a host refuses is left out and told; the seccomp filters do not depend on it.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;

use rustix::pipe::PipeFlags;
use rustix::process::{Resource, Rlimit, Signal};

use crate::error::Error;

/// Where a folder is on every Linux host (FHS 3.0): the empty root is mounted over one of them while it moves to the top.
const FOLDERS: [&CStr; 3] = [c"/tmp", c"/proc", c"/dev"];
/// Instances are worth less than their launcher when memory ends (proc(5), oom_score_adj).
const OOM_SCORE: &str = "500";
/// linux/capability.h: version 3, two words of each set.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Namespaces beside that of users.
const NAMESPACES: [(i32, &str); 4] = [
    (libc::CLONE_NEWNET, "network"),
    (libc::CLONE_NEWIPC, "ipc"),
    (libc::CLONE_NEWNS, "mount"),
    (libc::CLONE_NEWPID, "pid"),
];

/// Enter what the host gives. Returns the names of the namespaces. That of processes is entered by children only, so an instance leaves it out.
pub fn enter(has_children: bool) -> Result<Vec<String>, Error> {
    step_aside();
    let mut entered = Vec::new();
    if !rustix::process::geteuid().is_root() && enter_user_namespace().is_ok() {
        entered.push("user".to_owned());
    }
    for (flag, name) in NAMESPACES {
        if flag == libc::CLONE_NEWPID && !has_children {
            continue;
        }
        // SAFETY: changes which namespaces this process, or its children, are in; it has one thread.
        if unsafe { libc::unshare(flag) } == 0 {
            entered.push(name.to_owned());
        }
    }
    if entered.iter().any(|name| name == "mount") && empty_root().is_err() {
        entered.retain(|name| name != "mount");
    }
    if entered.iter().any(|name| name == "pid") {
        begin_pid_namespace()?;
    }
    give_up_rights()?;
    Ok(entered)
}

/// Worth less than the launcher, and in a session of its own: a terminal's Ctrl-C is for the launcher, which then ends instances in order.
fn step_aside() {
    // Only lowered by who may: not being able to is no reason not to start.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let _ = rustix::process::setsid();
}

/// All namespaces at once, for one process that is forked into them: flags of clone(2), and who it is outside.
#[derive(Clone, Copy)]
pub struct Apart {
    user: u32,
    group: u32,
}

impl Apart {
    pub fn of_caller() -> Self {
        Self {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        }
    }

    pub fn flags(self) -> u64 {
        let users = if self.user == 0 { 0 } else { libc::CLONE_NEWUSER };
        NAMESPACES.iter().fold(users, |flags, (flag, _)| flags | flag) as u64
    }

    /// What is left to do in the child that was forked into them.
    pub fn settle(self) -> Result<(), Error> {
        step_aside();
        let failed = |error| Error::io("entering namespaces", error);
        if self.user != 0 {
            map_user(self.user, self.group).map_err(failed)?;
        }
        covered_root().map_err(failed)?;
        give_up_rights()
    }
}

/// One user, as outside.
fn enter_user_namespace() -> io::Result<()> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: as above.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
    map_user(user, group)
}

fn map_user(user: u32, group: u32) -> io::Result<()> {
    // user_namespaces(7): groups cannot be given up by who could not do it before.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// A read-only root with nothing in it.
fn empty_root() -> io::Result<()> {
    let (root, here) = (c"/".as_ptr(), c".".as_ptr());
    mount_empty()?;
    // SAFETY: mounts of a mount namespace that is this process's alone; all strings end with NUL.
    unsafe {
        // pivot_root(2): the old root lies over the new one, and goes.
        check(libc::syscall(libc::SYS_pivot_root, here, here) as i32)?;
        check(libc::umount2(here, libc::MNT_DETACH))?;
        check(libc::chdir(root))
    }
}

/// The same with the old root below it instead of away: unmounting waits for all processors, up to milliseconds. Nothing leads below but file
/// system calls of a process with capabilities, and both are given up next.
fn covered_root() -> io::Result<()> {
    let (root, here) = (c"/".as_ptr(), c".".as_ptr());
    mount_empty()?;
    // SAFETY: as above.
    unsafe {
        check(libc::mount(here, root, std::ptr::null(), libc::MS_MOVE, std::ptr::null()))?;
        check(libc::chroot(here))?;
        check(libc::chdir(root))
    }
}

/// Mount an empty folder over one that is there, and go there.
fn mount_empty() -> io::Result<()> {
    let (none, tmpfs, root) = (c"none".as_ptr(), c"tmpfs".as_ptr(), c"/".as_ptr());
    let options = c"size=4k,nr_inodes=2,mode=555".as_ptr();
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
    // SAFETY: as above.
    unsafe {
        check(libc::mount(
            none,
            root,
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        ))?;
        let mounted = FOLDERS
            .into_iter()
            .find(|folder| libc::mount(none, folder.as_ptr(), tmpfs, flags, options.cast()) == 0);
        let folder = mounted.ok_or_else(io::Error::last_os_error)?;
        check(libc::chdir(folder.as_ptr()))
    }
}

/// The first process of the new PID namespace: it waits for the zygote's end. When it ends, the kernel ends all others of the namespace, so it is tied to
/// the zygote.
fn begin_pid_namespace() -> Result<(), Error> {
    let failed = |error: io::Error| Error::io("forking the first process of a PID namespace", error);
    let (tie, held) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    // SAFETY: one thread; the child calls nothing but system calls and does not return.
    match unsafe { libc::fork() } {
        -1 => Err(failed(io::Error::last_os_error())),
        0 => {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            let _ = rustix::thread::set_name(c"unishare-init");
            let _ = give_up_rights();
            // SAFETY: the child uses no other descriptor.
            unsafe {
                libc::dup2(tie.as_raw_fd(), 0);
                libc::close_range(1, u32::MAX, 0);
            }
            // The zygote may have ended before the signal was asked for: then nobody holds the pipe, and this does not wait.
            let end = rustix::io::retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut [0_u8; 1]));
            // SAFETY: ends the process without the zygote's exit handlers.
            unsafe { libc::_exit(end.is_err().into()) }
        }
        _ => {
            // Held until the zygote ends: instances close theirs.
            std::mem::forget(held);
            Ok(())
        }
    }
}

/// Capabilities, the bounding set too, and what executing a program could give.
fn give_up_rights() -> Result<(), Error> {
    let failed = |what: &'static str| move |error| Error::io(what, error);
    rustix::thread::set_no_new_privs(true).map_err(|error| Error::io("PR_SET_NO_NEW_PRIVS", error))?;
    for capability in 0..64 {
        // SAFETY: takes a number. What may not be dropped is not had, or told below.
        if unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) } < 0 {
            break; // the kernel knows no more of them
        }
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    let header: [u32; 2] = [CAPABILITY_VERSION_3, 0];
    let sets = [0_u32; 6];
    // SAFETY: capset(2): a header and two structures of three words.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) as i32 }).map_err(failed("capset"))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none).map_err(|error| Error::io("RLIMIT_CORE", error))
}

/// Signals as in a fresh process: none is blocked, and none but SIGPIPE and SIGXFSZ ignored. Handlers go with `CLONE_CLEAR_SIGHAND`.
pub fn reset_signals() -> Result<(), Error> {
    for signal in 1..=64 {
        if ![libc::SIGKILL, libc::SIGSTOP, libc::SIGPIPE, 32, 33].contains(&signal) {
            // SAFETY: a signal's disposition becomes the default one.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    // A console past its limit (RLIMIT_FSIZE) is an error to the guest, not its end.
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    // SAFETY: a set of zeros is an empty one.
    let unblocked = unsafe {
        let set: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    check(unblocked).map_err(|error| Error::io("unblocking signals", error))
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
