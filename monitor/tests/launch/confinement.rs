//! What the kernel says of an instance (proc(5), status): no capabilities, system calls filtered, namespaces of its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Launcher, tenders};
use crate::support::MONITOR;

const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect(name).trim()
}

/// Start one instance of each tender, and look at it.
fn check(launcher: &Launcher, tenders: &[&str], namespaces: &[&str]) {
    let mut client = launcher.connect();
    let entered = client.good("hello", json!({}))["namespaces"].clone();
    eprintln!("entered: {entered}");
    for tender in tenders {
        let pid = client.start_empty(tender, 1)[0]["pid"].as_u64().expect("a pid");
        inspect(tender, pid, launcher.pid().into(), namespaces);
    }
}

/// The same of one that runs in the foreground, without a launcher and a zygote. `program` is the monitor.
fn check_foreground(program: &mut Command, tender: &str, namespaces: &[&str]) {
    program.args(["run", "--empty", "--tender", tender]).stdout(Stdio::null());
    let mut monitor = Reaped(program.spawn().expect("the monitor"));
    let parent = u64::from(monitor.0.id());
    let children = format!("/proc/{parent}/task/{parent}/children");
    let until = Instant::now() + Duration::from_secs(20);
    let pid = loop {
        // It is one when its filter is in force, which is the last thing before the guest.
        let found = fs::read_to_string(&children).ok().and_then(|text| text.trim().parse().ok());
        let filtered =
            |pid: &u64| fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| field(&status, "Seccomp") == "2");
        if let Some(pid) = found.filter(filtered) {
            break pid;
        }
        assert!(Instant::now() < until, "{tender}: no instance: {:?}", monitor.0.try_wait());
        std::thread::sleep(Duration::from_millis(5));
    };
    inspect(tender, pid, parent, namespaces);
}

/// A process that does not outlive its test.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the kernel says of the instance `pid`, whose parent is `parent`.
fn inspect(tender: &str, pid: u64, parent: u64, namespaces: &[&str]) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    for set in SETS {
        assert_eq!(
            u64::from_str_radix(field(&status, set), 16),
            Ok(0),
            "{tender}: {set}\n{status}"
        );
    }
    assert_eq!(
        (field(&status, "Seccomp"), field(&status, "NoNewPrivs")),
        ("2", "1"),
        "{tender}"
    );
    for namespace in namespaces {
        let link = |pid: u64| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).expect("a namespace");
        assert_ne!(link(pid), link(parent), "{tender}: {namespace}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).expect("a limit");
    let core = limit("Max core file size");
    assert!(
        core.split_whitespace().skip(4).take(2).all(|value| value == "0"),
        "{tender}: {core}"
    );
    let open = limit("Max open files");
    assert!(
        open.split_whitespace().skip(3).take(2).all(|value| value == "16"),
        "{tender}: {open}"
    );
    let root = fs::read_dir(format!("/proc/{pid}/root")).expect("its root");
    assert_eq!(root.count(), 0, "{tender}: its root folder is not empty");
    let above = fs::read_dir(format!("/proc/{pid}/root/..")).expect("what is above its root");
    assert_eq!(above.count(), 0, "{tender}: its root folder is not the top");
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
    // Channel and console; under KVM machine and processor too, the device that a parked one gets others from, and the word's socket.
    assert_eq!(descriptors, if tender == "kvm" { 6 } else { 2 }, "{tender}");
    let score = |pid: u64| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("a number");
    assert!(
        score(pid).trim().parse::<i32>().expect("a number") > score(parent).trim().parse().expect("a number"),
        "{tender}"
    );
}

#[test]
fn an_instance_has_no_rights_when_its_launcher_is_roots() {
    if !rustix_is_root() {
        eprintln!("skipped: not root");
        return;
    }
    check(&Launcher::new(), &tenders(), &["mnt", "net", "ipc", "pid"]);
    for tender in tenders() {
        check_foreground(&mut Command::new(MONITOR), tender, &["mnt", "net", "ipc", "pid"]);
    }
}

#[test]
fn an_instance_has_no_rights_when_its_launcher_is_an_ordinary_users() {
    let user = if rustix_is_root() { Some(54_321_u32) } else { None };
    if user.is_some()
        && !Command::new("setpriv")
            .arg("--version")
            .status()
            .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: there is no setpriv");
        return;
    }
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|text| text.trim() == "0") {
        eprintln!("skipped: no user namespaces on this host");
        return;
    }
    let all = ["user", "mnt", "net", "ipc", "pid"];
    let Some(user) = user else {
        check(&Launcher::new(), &tenders(), &all);
        return tenders()
            .iter()
            .for_each(|tender| check_foreground(&mut Command::new(MONITOR), tender, &all));
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("rights");
    let program = folder.path().join("monitor");
    fs::copy(MONITOR, &program).expect("a copy that others may run");
    let as_user = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user.to_string(), "--regid", &user.to_string()]);
        match fs::metadata("/dev/kvm") {
            Ok(device) => command.args(["--groups", &device.gid().to_string()]),
            Err(_) => command.arg("--clear-groups"),
        };
        command.arg(&program);
        command
    };
    let launcher = Launcher::of_user(as_user(), user);
    let offered = launcher.connect().good("hello", json!({}))["tenders"].clone();
    let tenders: Vec<&str> = tenders()
        .into_iter()
        .filter(|tender| offered.as_array().expect("a list").contains(&json!(tender)))
        .collect();
    check(&launcher, &tenders, &all);
    for tender in tenders {
        check_foreground(&mut as_user(), tender, &all);
    }
}

#[test]
fn a_descriptor_table_is_as_large_as_the_instance_needs_not_as_its_launchers() {
    let mut crowded = Command::new("bash");
    crowded
        .arg("-c")
        .arg("for n in {10..300}; do eval \"exec $n</dev/null\"; done; exec \"$@\"")
        .arg("bash")
        .arg(MONITOR);
    let launcher = Launcher::through(crowded, &[]);
    let mut client = launcher.connect();
    for tender in tenders() {
        let pid = client.start_empty(tender, 1)[0]["pid"].as_u64().expect("a pid");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        assert_eq!(field(&status, "FDSize"), "64", "{tender}");
    }
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}
