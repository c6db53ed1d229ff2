//! A start whose image is being verified holds up nobody else.

use std::fs;

use serde_json::json;

use crate::client::{Launcher, send_signal};
use crate::support::Workshop;

const ENDS: &str = "static int run(void) { return 0; }";

/// Lets a process go on that was stopped, whatever happens to the test.
struct Stopped(u64);

impl Stopped {
    fn new(pid: u64) -> Self {
        send_signal("-STOP", pid);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        send_signal("-CONT", self.0);
    }
}

fn zygote(launcher: &Launcher) -> u64 {
    let pid = launcher.pid();
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children");
    let mut pids = text.split_whitespace().map(|pid| pid.parse::<u64>().expect("a pid"));
    let is_zygote =
        |pid: &u64| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "unishare-zygote");
    pids.find(is_zygote).expect("a zygote")
}

#[test]
fn others_are_answered_while_an_image_is_verified() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(ENDS));
    let launcher = Launcher::with_pool(&workshop.pool().to_string_lossy());
    let (mut starter, mut other) = (launcher.connect(), launcher.connect());
    other.start_empty("process", 1);

    let stopped = Stopped::new(zygote(&launcher));
    starter.send(
        "start",
        json!({"manifest": manifest, "tender": "process", "name": "late"}),
        &[],
    );
    assert_eq!(other.invoke("empty-1", b"").0["status"], 0);
    other.good("hello", json!({}));
    assert_eq!(other.state("empty-1"), "ready");
    drop(stopped);

    let (answer, _) = starter.receive();
    assert_eq!(answer["instances"][0]["state"], "exited", "{answer}");
}

#[test]
fn a_start_that_is_given_up_while_its_image_is_verified_leaves_the_next_one_alone() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(ENDS));
    let launcher = Launcher::with_pool(&workshop.pool().to_string_lossy());
    let (mut starter, mut other) = (launcher.connect(), launcher.connect());

    let stopped = Stopped::new(zygote(&launcher));
    let fields = json!({"manifest": manifest, "tender": "process"});
    starter.send("start", fields.clone(), &[]);
    other.send("start", json!({"empty": true, "tender": "process"}), &[]);
    let stop = launcher.connect().good("stop", json!({"all": true}));
    assert_eq!(stop["stopped"], json!([]));
    assert_eq!(starter.receive().0["error"]["code"], "ended");
    assert_eq!(other.receive().0["error"]["code"], "ended");
    other.send("start", json!({"empty": true, "tender": "process"}), &[]);
    drop(stopped);

    assert_eq!(other.receive().0["instances"][0]["instance"], "empty-1");
    assert_eq!(starter.good("start", fields)["instances"][0]["state"], "exited");
}

#[test]
fn an_image_that_cannot_be_loaded_is_refused_and_the_next_one_is_not() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(ENDS));
    let launcher = Launcher::with_pool(&workshop.pool().to_string_lossy());
    let (mut client, missing) = (launcher.connect(), workshop.path("missing.json"));
    let bad = client.send("start", json!({"manifest": missing, "tender": "process"}), &[]);
    let good = client.send("start", json!({"manifest": manifest, "tender": "process"}), &[]);
    let answers = [client.receive().0, client.receive().0];
    let answer = |seq: u64| answers.iter().find(|answer| answer["seq"] == seq).expect("an answer");
    assert_eq!(answer(bad)["error"]["code"], "not-found");
    assert_eq!(answer(good)["instances"][0]["state"], "exited");
}
