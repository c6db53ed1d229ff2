//! What an instance leaves in the kernel: its frames, its descriptors, its address space.

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

use support::{MONITOR, Workshop};

/// Writes to the first page of its data (every guest does, at its start), reads the second one, says that it is up and sleeps.
const SLEEPER: &str = r#"static volatile int data[2048] = {3};
static int run(void) { if (data[0] != 3 || data[1100] != 0) return 1; data[0] = 4; say("up\n"); for (;;) call(UNISHARE_CALL_POLL, 0, ~0ULL, 0); }"#;

/// A monitor in the foreground and its instance, ended with it.
struct Running {
    monitor: Child,
    instance: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut monitor = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the monitor");
        let mut up = [0; 3];
        monitor
            .stdout
            .as_mut()
            .expect("a pipe")
            .read_exact(&mut up)
            .expect("the guest's word");
        let pid = monitor.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children");
        Self {
            monitor,
            instance: support::instance_of(&children),
        }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.instance)).expect("a file in /proc")
    }

    /// The physical frame behind an address; `None` where only root is told.
    fn frame(&self, address: u64) -> Option<u64> {
        let pagemap = fs::File::open(format!("/proc/{}/pagemap", self.instance)).expect("pagemap");
        let mut entry = [0; 8];
        pagemap.read_exact_at(&mut entry, address / 4096 * 8).expect("an entry");
        let entry = u64::from_le_bytes(entry);
        assert!(entry >> 63 == 1, "{address:#x} is not present");
        Some(entry & ((1 << 55) - 1)).filter(|frame| *frame != 0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
    }
}

#[test]
fn pool_pages_are_one_frame_and_copies_are_not() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(SLEEPER));
    let (text, written_data, read_data) = (0x40_0000, 0x60_0000, 0x60_1000);
    for (sharing, shared) in [("pool", vec![text, read_data]), ("copy", vec![])] {
        let start = || Running::start(workshop.run_command(&manifest, &["--sharing", sharing]));
        let (first, second) = (start(), start());
        for address in [text, written_data, read_data] {
            let (Some(a), Some(b)) = (first.frame(address), second.frame(address)) else {
                eprintln!("SKIPPED: page frames are told to root only");
                return;
            };
            assert_eq!(
                a == b,
                shared.contains(&address),
                "{sharing}: {address:#x} is in frames {a:#x} and {b:#x}"
            );
        }
    }
}

#[test]
fn an_instance_keeps_two_descriptors_in_a_table_of_its_own_size() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(SLEEPER));
    let mut crowded = Command::new("bash");
    crowded
        .arg("-c")
        .arg("for n in {10..300}; do eval \"exec $n</dev/null\"; done; exec \"$@\"")
        .arg("bash")
        .arg(MONITOR);
    crowded
        .arg("run")
        .arg(&manifest)
        .arg("--pool")
        .arg(workshop.pool())
        .args(["--tender", "process"]);
    let running = Running::start(crowded);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", running.instance))
        .expect("its descriptors")
        .count();
    assert_eq!(descriptors, 2);
    assert!(running.proc("status").contains("FDSize:\t64\n"), "{}", running.proc("status"));
}

#[test]
fn nothing_but_the_guest_is_mapped_and_nothing_is_writable_and_executable() {
    let workshop = Workshop::new();
    let running = Running::start(workshop.run_command(&workshop.write(&workshop.image(SLEEPER)), &[]));
    for line in running.proc("maps").lines().filter(|line| !line.ends_with("[vsyscall]")) {
        let (range, rest) = line.split_once(' ').expect("a mapping");
        let start = u64::from_str_radix(range.split('-').next().expect("a start"), 16).expect("an address");
        assert!((0x40_0000..0x8000_0000).contains(&start), "{line}");
        assert!(!(rest.starts_with("rwx") || rest.starts_with("-wx")), "{line}");
    }
    let status = running.proc("status");
    assert!(
        status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"),
        "{status}"
    );
}

#[test]
fn a_virtual_machines_process_keeps_nothing_of_its_parents_heap_and_stack() {
    if fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        eprintln!("SKIPPED: no access to /dev/kvm");
        return;
    }
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(SLEEPER));
    let mut command = Command::new(MONITOR);
    command
        .arg("run")
        .arg(&manifest)
        .arg("--pool")
        .arg(workshop.pool())
        .args(["--tender", "kvm"]);
    let running = Running::start(command);
    let maps = running.proc("maps");
    assert!(!maps.contains("[stack]") && !maps.contains("[heap]"), "{maps}");
    assert!(running.proc("status").contains("Seccomp:\t2\n"));
}

#[test]
fn an_instance_dies_with_its_monitor() {
    let workshop = Workshop::new();
    let mut running = Running::start(workshop.run_command(&workshop.write(&workshop.image(SLEEPER)), &[]));
    running.monitor.kill().expect("killed");
    running.monitor.wait().expect("its end");
    // A process that nobody reaps yet is a zombie; a living one has a memory map.
    let alive = || fs::read_to_string(format!("/proc/{}/maps", running.instance)).is_ok_and(|maps| !maps.is_empty());
    for _ in 0..200 {
        if !alive() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("instance {} outlives its monitor", running.instance);
}
