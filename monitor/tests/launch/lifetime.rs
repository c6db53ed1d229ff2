//! Instances from their start to their end, and the launcher's own end.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::client::{Launcher, children, exists, send_signal, tenders, within};
use crate::support::MONITOR;

fn pid(instance: &Value) -> u64 {
    instance["pid"].as_u64().expect("a pid")
}

#[test]
fn instances_start_answer_stop_and_leave_nothing() {
    for tender in tenders() {
        let mut launcher = Launcher::new();
        let mut client = launcher.connect();
        let hello = client.good("hello", json!({}));
        assert_eq!(hello["pid"], launcher.pid());
        assert!(hello["tenders"].as_array().expect("a list").contains(&tender.into()));

        let started = client.start_empty(tender, 20);
        let pids: Vec<u64> = started.iter().map(pid).collect();
        for (number, instance) in started.iter().enumerate() {
            assert_eq!(instance["instance"], format!("empty-{}", number + 1));
            assert!(instance["start_us"].as_u64().expect("a time") > 0 && instance.get("state").is_none());
        }
        let (answer, payload) = client.invoke("empty-7", b"any request");
        assert_eq!((&answer["status"], payload.len()), (&json!(0), 0), "{answer}");

        let listed = client.good("list", json!({}));
        let seventh = &listed["instances"][6];
        assert_eq!(seventh["image"], Value::Null);
        assert_eq!((&seventh["tender"], &seventh["sharing"]), (&json!(tender), &json!("pool")));
        assert_eq!(
            (&seventh["state"], &seventh["invocations"], &seventh["exit"]),
            (&json!("ready"), &json!(1), &Value::Null)
        );

        let stats = client.good("stats", json!({"instance": "empty-7"}));
        assert!(
            stats["pss"].as_u64().expect("bytes") > 0 && stats["rss"].as_u64() >= stats["pss"].as_u64(),
            "{stats}"
        );
        assert_eq!(stats["invocations"], 1);

        let stopped = client.good("stop", json!({"instance": "empty-3"}));
        assert_eq!(stopped["stopped"], json!(["empty-3"]));
        assert_eq!(client.state("empty-3"), "stopped");
        assert!(!exists(pids[2]));
        assert_eq!(client.good("stop", json!({"instance": "empty-3"}))["stopped"], json!([]));

        send_signal("-KILL", pids[4]);
        within(|| client.state("empty-5") == "exited", "a killed instance is not noticed");
        let (answer, _) = client.invoke("empty-5", b"");
        assert_eq!(answer["error"]["code"], "ended", "{answer}");
        assert!(
            answer["error"]["message"].as_str().expect("text").contains("signal 9"),
            "{answer}"
        );
        assert_eq!(client.refused("stats", json!({"instance": "empty-5"}))["code"], "ended");
        assert_eq!(client.refused("crash", json!({"instance": "empty-5"}))["code"], "not-found");
        assert_eq!(client.refused("stats", json!({"instance": "nobody"}))["code"], "not-found");
        assert_eq!(launcher.children().len(), 18);

        client.good("shutdown", json!({}));
        assert!(launcher.wait().success());
        assert!(!launcher.socket().exists());
        assert!(pids.iter().all(|pid| !exists(*pid)), "{tender}: a process is left");
    }
}

#[test]
fn the_socket_is_for_its_user_alone_and_not_taken_by_another_launcher() {
    let launcher = Launcher::new();
    let mode = std::fs::metadata(launcher.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut second = Command::new(MONITOR);
    second
        .args(["launch", "--control", "control", "--pool", "pool"])
        .current_dir(launcher.path(""));
    let output = second.output().expect("the second one");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another launcher"));
    launcher.connect().good("hello", json!({}));
}

#[test]
fn a_signal_is_a_shutdown() {
    for signal in ["-TERM", "-INT"] {
        let mut launcher = Launcher::new();
        let started = launcher.connect().start_empty("process", 5);
        launcher.signal(signal);
        launcher.wait();
        assert!(!launcher.socket().exists());
        assert!(started.iter().all(|instance| !exists(pid(instance))));
    }
}

#[test]
fn instances_die_with_a_launcher_that_is_killed() {
    for tender in tenders() {
        let mut launcher = Launcher::new();
        let started = launcher.connect().start_empty(tender, 5);
        launcher.signal("-KILL");
        launcher.wait();
        within(
            || started.iter().all(|instance| !exists(pid(instance))),
            "an instance is left",
        );
        // Its socket is stale now: the next launcher takes the name.
        let mut next = Command::new(MONITOR);
        next.args(["launch", "--control", "control", "--pool", "pool"])
            .current_dir(launcher.path(""))
            .stdin(Stdio::null());
        let mut next = next.spawn().expect("the next one");
        within(
            || std::os::unix::net::UnixStream::connect(launcher.socket()).is_ok(),
            "the stale socket stays",
        );
        launcher.connect().good("shutdown", json!({}));
        assert!(next.wait().expect("it ends").success());
    }
}

#[test]
fn the_launcher_ends_when_its_parent_does() {
    let mut parent = Command::new("sleep").arg("60").spawn().expect("a parent");
    let mut launcher = Launcher::with(&["--parent-pid", &parent.id().to_string()]);
    let started = launcher.connect().start_empty("process", 30);
    parent.kill().expect("killed");
    parent.wait().expect("reaped");
    assert!(launcher.wait().success());
    assert!(!launcher.socket().exists());
    assert!(started.iter().all(|instance| !exists(pid(instance))));
}

#[test]
fn stop_all_stops_all_and_the_launcher_stays() {
    let launcher = Launcher::new();
    let mut client = launcher.connect();
    client.start_empty("process", 12);
    let stopped = client.good("stop", json!({"all": true}));
    assert_eq!(stopped["stopped"].as_array().expect("a list").len(), 12);
    assert!(launcher.children().is_empty());
    assert_eq!(client.start_empty("process", 1)[0]["instance"], "empty-13");
}

#[test]
fn too_few_descriptors_are_said_and_nothing_of_the_request_stays() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", MONITOR]);
    let launcher = Launcher::through(limited, &[]);
    let mut client = launcher.connect();
    client.start_empty("process", 3);
    let error = client.refused(
        "start",
        json!({"empty": true, "tender": "process", "count": 60, "name": "many"}),
    );
    assert_eq!(error["code"], "host-lacks", "{error}");
    assert!(error["message"].as_str().expect("text").contains("descriptors"), "{error}");
    assert_eq!(launcher.children().len(), 3);
    assert!(
        client.states().iter().all(|(name, _)| name.starts_with("empty-")),
        "rows of what was not started"
    );
    // What was there goes on, and there is room again.
    assert_eq!(client.invoke("empty-2", b"").0["status"], 0);
    client.start_empty("process", 1);
}

#[test]
fn too_few_processes_are_said_and_nothing_of_the_request_stays() {
    // A limit on processes binds only users without rights over others.
    let mut probe = Command::new("setpriv");
    probe.args(["--reuid", "54321", "--clear-groups", "true"]);
    if !probe.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: not root, or there is no setpriv");
        return;
    }
    let program = std::env::temp_dir().join(format!("unishare-launch-{}", std::process::id()));
    std::fs::copy(MONITOR, &program).expect("a copy that others may run");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("pool/runs")).expect("the pool");
    std::fs::write(folder.path().join("pool/format"), "unishare-pool 1\n").expect("its format");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let mut limited = Command::new("prlimit");
    limited.args(["--nproc=10", "setpriv", "--reuid", "54321", "--clear-groups"]);
    limited
        .arg(&program)
        .args(["launch", "--control"])
        .arg(folder.path().join("s"));
    let mut process = limited
        .arg("--pool")
        .arg(folder.path().join("pool"))
        .spawn()
        .expect("the launcher");
    let socket = folder.path().join("s");
    within(
        || std::os::unix::net::UnixStream::connect(&socket).is_ok(),
        "it does not listen",
    );
    let mut client = crate::client::Client::to(&socket);
    let error = client.refused("start", json!({"empty": true, "tender": "process", "count": 40}));
    assert_eq!(error["code"], "host-lacks", "{error}");
    assert!(error["message"].as_str().expect("text").contains("processes"), "{error}");
    assert!(children(u64::from(process.id())).is_empty());
    client.good("shutdown", json!({}));
    assert!(process.wait().expect("it ends").success());
    std::fs::remove_file(program).expect("the copy");
}

#[test]
fn bad_starts_are_refused_and_the_launcher_stays() {
    let launcher = Launcher::new();
    let mut client = launcher.connect();
    let cases = [
        (
            json!({"manifest": "/nonexistent/manifest.json", "tender": "process"}),
            "not-found",
        ),
        (
            json!({"manifest": launcher.path("pool/format"), "tender": "process"}),
            "bad-manifest",
        ),
        (
            json!({"empty": true, "tender": "process", "memory": 1_u64 << 40}),
            "bad-request",
        ),
        (json!({"empty": true, "tender": "process", "logs": "/nonexistent"}), "io"),
        (
            json!({"empty": true, "tender": "process", "argv": ["x".repeat(5000)]}),
            "bad-request",
        ),
    ];
    for (fields, code) in cases {
        let error = client.refused("start", fields.clone());
        assert_eq!(error["code"], code, "{fields}: {error}");
    }
    within(|| launcher.children().is_empty(), "a process is left");
    client.start_empty("process", 1);
}

#[test]
fn other_requests_are_answered_while_many_instances_start() {
    let launcher = Launcher::new();
    let (mut first, mut second) = (launcher.connect(), launcher.connect());
    let seq = first.send("start", json!({"empty": true, "tender": "process", "count": 300}), b"");
    within(|| !second.states().is_empty(), "nothing starts");
    assert!(
        second.states().len() < 300,
        "all were started before another request was answered"
    );
    let (answer, _) = first.receive();
    assert_eq!(answer["seq"], seq);
    let times = answer["instances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["start_us"].as_u64().expect("a time"));
    assert!(times.count() == 300);
}

#[test]
fn a_shutdown_ends_what_is_still_starting() {
    let mut launcher = Launcher::new();
    let mut client = launcher.connect();
    let start = client.send("start", json!({"empty": true, "tender": "process", "count": 500}), b"");
    let shutdown = client.send("shutdown", json!({}), b"");
    let answers: Vec<Value> = (0..2).map(|_| client.receive().0).collect();
    let of = |seq: u64| answers.iter().find(|answer| answer["seq"] == seq).expect("an answer");
    assert_eq!(of(start)["error"]["code"], "ended", "{answers:?}");
    assert_eq!(of(shutdown)["ok"], true);
    assert!(launcher.wait().success());
}

#[test]
fn logs_are_one_file_an_instance() {
    let launcher = Launcher::new();
    let logs = launcher.path("logs");
    std::fs::create_dir(&logs).expect("a folder");
    let mut client = launcher.connect();
    client.good(
        "start",
        json!({"empty": true, "tender": "process", "count": 2, "logs": logs, "name": "quiet"}),
    );
    for name in ["quiet-1.log", "quiet-2.log"] {
        assert_eq!(
            std::fs::metadata(logs.join(name)).expect("a log").permissions().mode() & 0o777,
            0o600
        );
    }
}
