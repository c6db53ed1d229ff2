//! What the kernel says of an instance (proc(5), status): no capabilities, system calls filtered, namespaces of its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

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
    for tender in tenders {
        let pid = client.start_empty(tender, 1)[0]["pid"].as_u64().expect("a pid");
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
            assert_ne!(
                link(pid),
                link(launcher.pid().into()),
                "{tender}: {namespace}; entered: {entered}"
            );
        }
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .expect("a limit");
        assert!(
            core.split_whitespace().skip(4).take(2).all(|value| value == "0"),
            "{tender}: {core}"
        );
        let open = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .expect("a limit");
        assert!(
            open.split_whitespace().skip(3).take(2).all(|value| value == "16"),
            "{tender}: {open}"
        );
        let root = fs::read_dir(format!("/proc/{pid}/root")).expect("its root");
        assert_eq!(root.count(), 0, "{tender}: its root folder is not empty");
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
        // Channel and console; under KVM machine and processor too, the device that a parked one gets others from, and the word's socket.
        assert_eq!(descriptors, if *tender == "kvm" { 6 } else { 2 }, "{tender}");
        let score = |pid: u64| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("a number");
        assert!(
            score(pid).trim().parse::<i32>().expect("a number")
                > score(launcher.pid().into()).trim().parse().expect("a number")
        );
    }
}

#[test]
fn an_instance_has_no_rights_when_its_launcher_is_roots() {
    if !rustix_is_root() {
        eprintln!("skipped: not root");
        return;
    }
    check(&Launcher::new(), &tenders(), &["mnt", "net", "ipc", "pid"]);
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
    let Some(user) = user else {
        return check(&Launcher::new(), &tenders(), &["user", "mnt", "net", "ipc", "pid"]);
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("rights");
    let program = folder.path().join("monitor");
    fs::copy(MONITOR, &program).expect("a copy that others may run");
    let mut as_user = Command::new("setpriv");
    as_user.args(["--reuid", &user.to_string(), "--regid", &user.to_string()]);
    match fs::metadata("/dev/kvm") {
        Ok(device) => as_user.args(["--groups", &device.gid().to_string()]),
        Err(_) => as_user.arg("--clear-groups"),
    };
    as_user.arg(&program);
    let launcher = Launcher::of_user(as_user, user);
    let offered = launcher.connect().good("hello", json!({}))["tenders"].clone();
    let tenders: Vec<&str> = tenders()
        .into_iter()
        .filter(|tender| offered.as_array().expect("a list").contains(&json!(tender)))
        .collect();
    check(&launcher, &tenders, &["user", "mnt", "net", "ipc", "pid"]);
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}
