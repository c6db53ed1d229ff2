//! Clients that send garbage, go away in the middle, or do not read: none of the others notices.

use std::io::{Read, Write};

use serde_json::json;

use crate::client::{Launcher, frame, within};

#[test]
fn garbage_gets_an_error_answer_and_no_more_than_that() {
    let launcher = Launcher::new();
    let mut good = launcher.connect();
    good.start_empty("process", 1);
    let bodies: [&[u8]; 8] = [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b"{\"seq\": \"x\"}",
        b"\xff\xfe",
        b"{\"seq\": 1, \"op\": 7}",
        &[b'['; 100_000],
    ];
    let mut bad = launcher.connect();
    for body in bodies {
        bad.stream.write_all(&frame(body, b"payload")).expect("sent");
        let (answer, _) = bad.receive();
        assert_eq!(
            (&answer["ok"], &answer["error"]["code"]),
            (&json!(false), &json!("bad-request")),
            "{answer}"
        );
    }
    // The connection is as good as before.
    bad.good("hello", json!({}));
    good.good("hello", json!({}));
}

#[test]
fn a_frame_past_the_limits_is_answered_and_the_connection_closed() {
    let launcher = Launcher::new();
    for lengths in [[0xff_u8; 8], [1, 0, 16, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 4]] {
        let mut bad = launcher.connect();
        bad.stream.write_all(&lengths).expect("sent");
        let (answer, _) = bad.receive();
        assert_eq!(answer["error"]["code"], "bad-request", "{answer}");
        assert_eq!(bad.stream.read(&mut [0; 16]).expect("the end"), 0);
    }
    launcher.connect().good("hello", json!({}));
}

#[test]
fn a_client_that_goes_away_in_the_middle_disturbs_nobody() {
    let launcher = Launcher::new();
    let mut good = launcher.connect();
    good.start_empty("process", 2);
    let whole = frame(br#"{"op": "invoke", "seq": 1, "instance": "empty-1"}"#, &[7; 100_000]);
    for end in [1, 7, 8, 20, 60, 1000, whole.len() - 1, whole.len()] {
        let mut leaving = launcher.connect();
        leaving.stream.write_all(&whole[..end]).expect("sent");
        drop(leaving);
        assert_eq!(good.invoke("empty-1", b"after").0["status"], 0, "after {end} bytes");
    }
    let mut starting = launcher.connect();
    starting.send("start", json!({"empty": true, "tender": "process", "count": 20}), b"");
    drop(starting);
    within(|| good.states().len() == 22, "its instances do not start");
    within(
        || good.states().iter().all(|(_, state)| state == "ready"),
        "its instances are not ready",
    );
}

#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let launcher = Launcher::new();
    let mut good = launcher.connect();
    good.start_empty("process", 200);
    let mut deaf = launcher.connect();
    // Some 20 MB of answers, far more than a socket holds.
    for _ in 0..500 {
        deaf.send("list", json!({}), b"");
    }
    for _ in 0..20 {
        assert_eq!(good.invoke("empty-1", b"").0["status"], 0);
    }
    assert_eq!(deaf.receive().0["ok"], true);
}

#[test]
fn more_connections_than_descriptors_do_not_stop_the_launcher() {
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", crate::support::MONITOR]);
    let launcher = Launcher::through(limited, &[]);
    let mut good = launcher.connect();
    good.start_empty("process", 2);
    let many: Vec<_> = (0..100).map(|_| launcher.connect()).collect();
    let before = cpu_ticks(launcher.pid());
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(cpu_ticks(launcher.pid()) - before < 15, "the launcher spins");
    assert_eq!(good.invoke("empty-1", b"").0["status"], 0);
    drop(many);
    within(
        || std::panic::catch_unwind(|| launcher.connect().good("hello", json!({}))).is_ok(),
        "no new clients",
    );
}

/// User and system time, in 1/100 s (proc_pid_stat(5): fields 14 and 15).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its times");
    let behind_name = stat.rsplit_once(')').expect("a name").1;
    let fields = behind_name.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().expect("a number")).sum()
}
