//! Guests that answer, loop, crash and misbehave, held by a launcher.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Launcher, tenders, within};
use crate::support::Workshop;

/// Answers with the request, part for part; the first byte of it says what else to do.
pub const FUNCTION: &str = r#"
static unsigned char buffer[65536];
static int run(void) {
    struct unishare_message *message = (struct unishare_message *)buffer;
    uint64_t last = 0;
    message->kind = UNISHARE_MESSAGE_READY;
    call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)buffer, sizeof *message, 0);
    for (;;) {
        int64_t length = call(UNISHARE_CALL_CHANNEL_RECEIVE, (uint64_t)buffer, sizeof buffer, 0);
        if (length <= 0) return 0;
        char first = message->id != last && length > 24 ? buffer[24] : 0;
        last = message->id;
        if (first == 'L') for (;;) __asm__ volatile("pause");
        if (first == 'C') *(volatile int *)8 = 1;
        if (first == 'E') return 7;
        if (first == 'S') call(UNISHARE_CALL_POLL, 0, 200000000, 0);
        if (first == 'W') { say("word\n"); }
        if (first == 'G') { /* garbage in between: no message, a READY, an answer to nothing, a lie about a failed start */
            static unsigned char junk[64];
            uint32_t kinds[] = {0, 3, 2, 99, 0x80000000u};
            for (int i = 0; i < 2000; i++) {
                *(uint32_t *)junk = kinds[i % 5];
                call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)junk, (uint64_t)(i % 63 + 1), 0);
            }
        }
        message->kind = UNISHARE_MESSAGE_REPLY;
        message->status = first == 'T' ? 3 : first == 'B' ? 70000 : 0;
        call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)buffer, (uint64_t)length, 0);
    }
}"#;

pub struct Function {
    _workshop: Workshop,
    pub launcher: Launcher,
    pub manifest: String,
    tender: &'static str,
}

impl Function {
    pub fn new(code: &str, tender: &'static str) -> Self {
        let workshop = Workshop::new();
        let manifest = workshop.write(&workshop.image(code));
        let pool = workshop.pool().to_string_lossy().into_owned();
        let launcher = Launcher::with_pool(&pool);
        Self {
            manifest: manifest.to_string_lossy().into_owned(),
            _workshop: workshop,
            launcher,
            tender,
        }
    }

    pub fn start(&self, client: &mut Client, more: Value) -> Vec<Value> {
        let mut fields = json!({"manifest": self.manifest, "tender": self.tender});
        fields
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        client.good("start", fields)["instances"].as_array().expect("a list").clone()
    }
}

#[test]
fn large_requests_and_answers_pass_in_parts() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        function.start(&mut client, json!({"memory": 32 << 20}));
        for size in [0, 1, 65511, 65512, 65513, 1 << 20, 5_000_000] {
            let payload: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            let (answer, echo) = client.invoke("guest-1", &payload);
            assert_eq!(answer["status"], 0, "{answer}");
            assert!(echo == payload, "{tender}: {size} bytes came back as {}", echo.len());
        }
        assert_eq!(client.invoke("guest-1", b"T").0["status"], 3);
        assert_eq!(client.invoke("guest-1", b"B").0["status"], 255);
    }
}

#[test]
fn invocations_overlap_over_instances_and_queue_up_at_one() {
    let function = Function::new(FUNCTION, "process");
    let mut client = function.launcher.connect();
    function.start(&mut client, json!({"count": 2}));
    let slow = client.send("invoke", json!({"instance": "guest-1"}), b"S");
    let queued = client.send("invoke", json!({"instance": "guest-1"}), b"after");
    let fast = client.send("invoke", json!({"instance": "guest-2"}), b"fast");
    let order: Vec<Value> = (0..3).map(|_| client.receive().0["seq"].clone()).collect();
    assert_eq!(order, [fast, slow, queued]);

    // Many at once, from two clients, each finds its caller.
    let mut other = function.launcher.connect();
    let mut expected = std::collections::HashMap::new();
    for number in 0..200 {
        let (name, text) = (format!("guest-{}", number % 2 + 1), format!("request {number}"));
        for client in [&mut client, &mut other] {
            let seq = client.send("invoke", json!({"instance": name}), text.as_bytes());
            expected.insert((client.stream.as_ptr_number(), seq), text.clone());
        }
    }
    for client in [&mut client, &mut other] {
        for _ in 0..200 {
            let (answer, payload) = client.receive();
            let key = (client.stream.as_ptr_number(), answer["seq"].as_u64().expect("a number"));
            assert_eq!(expected.remove(&key).as_deref().map(str::as_bytes), Some(&payload[..]));
        }
    }
    assert!(expected.is_empty());
}

/// To tell two streams apart.
trait Number {
    fn as_ptr_number(&self) -> i32;
}

impl Number for std::os::unix::net::UnixStream {
    fn as_ptr_number(&self) -> i32 {
        std::os::fd::AsRawFd::as_raw_fd(self)
    }
}

#[test]
fn a_loop_meets_its_time_limit_and_those_behind_it_are_refused() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        function.start(&mut client, json!({"count": 2, "time_limit_ms": 300}));
        let begun = Instant::now();
        let looping = client.send("invoke", json!({"instance": "guest-1"}), b"L");
        let behind = client.send("invoke", json!({"instance": "guest-1"}), b"x");
        for seq in [looping, behind] {
            let (answer, _) = client.receive();
            assert_eq!(
                (&answer["seq"], &answer["error"]["code"]),
                (&json!(seq), &json!("time-limit")),
                "{answer}"
            );
        }
        assert!(begun.elapsed() >= Duration::from_millis(300));
        assert_eq!(client.state("guest-1"), "timed-out");
        // A request's own limit is stronger than the instance's, and one that was kept leaves no trace.
        assert_eq!(client.invoke("guest-2", b"x").0["status"], 0);
        client.send("invoke", json!({"instance": "guest-2", "time_limit_ms": 5000}), b"S");
        assert_eq!(client.receive().0["status"], 0);
        std::thread::sleep(Duration::from_millis(350));
        assert_eq!(client.state("guest-2"), "ready");
    }
}

#[test]
fn who_does_not_get_a_turn_within_its_time_limit_is_refused_and_the_instance_goes_on() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        function.start(&mut client, json!({}));
        let slow = client.send("invoke", json!({"instance": "guest-1"}), b"S");
        let impatient = client.send("invoke", json!({"instance": "guest-1", "time_limit_ms": 1}), b"x");
        let patient = client.send("invoke", json!({"instance": "guest-1", "time_limit_ms": 60_000}), b"x");
        let (refused, _) = client.receive();
        assert_eq!(
            (&refused["seq"], &refused["error"]["code"]),
            (&json!(impatient), &json!("time-limit")),
            "{refused}"
        );
        for seq in [slow, patient] {
            let (answer, _) = client.receive();
            assert_eq!((&answer["seq"], &answer["status"]), (&json!(seq), &json!(0)), "{answer}");
        }
        assert_eq!(client.state("guest-1"), "ready");
    }
}

#[test]
fn a_crash_is_told_to_its_caller_and_explained_by_the_client() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        let logs = function.launcher.path("logs");
        std::fs::create_dir(&logs).expect("a folder");
        function.start(&mut client, json!({"logs": logs}));
        let (answer, _) = client.invoke("guest-1", b"C");
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["exit"]), (&json!("crashed"), &json!(139)), "{answer}");
        assert!(error["message"].as_str().expect("text").contains("null pointer"), "{answer}");
        assert_eq!(client.state("guest-1"), "crashed");
        let evidence = client.good("crash", json!({"instance": "guest-1"}))["record"].clone();
        assert_eq!(
            (&evidence["exception"], &evidence["fault_address"]),
            (&json!(14), &json!(8)),
            "{tender}"
        );
        let kept: Value = serde_json::from_slice(&std::fs::read(logs.join("guest-1.crash.json")).expect("kept")).expect("JSON");
        assert_eq!(kept, evidence);
        let explained = explain(&evidence);
        let report = explained["report"].as_str().expect("text");
        for part in ["null pointer", "guest.c:", "rax", "rip"] {
            assert!(report.contains(part), "no {part} in:\n{report}");
        }
        assert_eq!(explained["record"]["fault_address"], "0x8");
        // Another ELF file in its place, and another manifest: their symbols would be lies.
        let elf = std::path::Path::new(&function.manifest).with_file_name("guest.elf");
        let mut other = std::fs::read(&elf).expect("the ELF file");
        other.push(0);
        std::fs::write(&elf, other).expect("changed");
        let report = explain(&evidence)["report"].clone();
        assert!(
            report
                .as_str()
                .expect("text")
                .contains("not the file that the manifest describes"),
            "{report}"
        );
        let text = std::fs::read_to_string(&function.manifest).expect("the manifest");
        std::fs::write(&function.manifest, text + "\n").expect("changed");
        let report = explain(&evidence)["report"].clone();
        assert!(report.as_str().expect("text").contains("built again"), "{report}");
    }
}

/// What `explain-crash` makes of evidence.
fn explain(evidence: &Value) -> Value {
    let mut command = std::process::Command::new(crate::support::MONITOR);
    command
        .args(["explain-crash", "--json"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut process = command.spawn().expect("the monitor");
    let mut stdin = process.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, evidence.to_string().as_bytes()).expect("sent");
    drop(stdin);
    serde_json::from_slice(&process.wait_with_output().expect("its output").stdout).expect("JSON")
}

#[test]
fn a_guest_that_ends_or_lies_hurts_only_itself() {
    let function = Function::new(FUNCTION, "process");
    let mut client = function.launcher.connect();
    function.start(&mut client, json!({"count": 2}));
    let (answer, _) = client.invoke("guest-1", b"E");
    assert_eq!(answer["error"]["code"], "ended", "{answer}");
    assert!(
        answer["error"]["message"].as_str().expect("text").contains("code 7"),
        "{answer}"
    );
    let (answer, echo) = client.invoke("guest-2", b"G and so on");
    assert_eq!((&answer["status"], &echo[..]), (&json!(0), &b"G and so on"[..]), "{answer}");
    assert_eq!(client.state("guest-2"), "ready");
}

#[test]
fn stopping_a_busy_instance_refuses_its_callers() {
    let function = Function::new(FUNCTION, "process");
    let (mut client, mut other) = (function.launcher.connect(), function.launcher.connect());
    function.start(&mut client, json!({}));
    client.send("invoke", json!({"instance": "guest-1"}), b"L");
    client.send("invoke", json!({"instance": "guest-1"}), b"x");
    within(|| other.state("guest-1") == "busy", "it is not busy");
    other.good("stop", json!({"instance": "guest-1"}));
    for _ in 0..2 {
        let (answer, _) = client.receive();
        assert_eq!(answer["error"]["code"], "ended", "{answer}");
    }
}

#[test]
fn what_a_client_that_left_still_wanted_is_not_done() {
    let function = Function::new(FUNCTION, "process");
    let mut client = function.launcher.connect();
    function.start(&mut client, json!({}));
    let mut leaving = function.launcher.connect();
    leaving.send("invoke", json!({"instance": "guest-1"}), b"S");
    leaving.send("invoke", json!({"instance": "guest-1"}), b"L");
    within(|| client.state("guest-1") == "busy", "it is not busy");
    drop(leaving);
    assert_eq!(client.invoke("guest-1", b"x").1, b"x");
}

#[test]
fn an_instance_that_loops_for_a_client_that_left_is_ended() {
    let function = Function::new(FUNCTION, "process");
    let mut client = function.launcher.connect();
    function.start(&mut client, json!({}));
    let mut leaving = function.launcher.connect();
    leaving.send("invoke", json!({"instance": "guest-1"}), b"L");
    within(|| client.state("guest-1") == "busy", "it is not busy");
    drop(leaving);
    // Nobody else asks it anything.
    std::thread::sleep(Duration::from_secs(11));
    within(|| client.state("guest-1") == "timed-out", "it loops for ever");
}

#[test]
fn what_ends_before_it_is_ready_is_listed_with_its_state() {
    for tender in tenders() {
        let function = Function::new("static int run(void) { say(\"bye\\n\"); return 5; }", tender);
        let logs = function.launcher.path("logs");
        std::fs::create_dir(&logs).expect("a folder");
        let mut client = function.launcher.connect();
        let started = function.start(&mut client, json!({"count": 2, "logs": logs, "name": "short"}));
        for instance in &started {
            assert_eq!(
                (&instance["state"], &instance["start_us"]),
                (&json!("exited"), &Value::Null),
                "{instance}"
            );
        }
        let listed = client.good("list", json!({}));
        assert_eq!(
            (&listed["instances"][0]["exit"], &listed["instances"][0]["image"]),
            (&json!(5), &json!("guest"))
        );
        assert_eq!(std::fs::read(logs.join("short-2.log")).expect("a log"), b"bye\n");
    }
}

#[test]
fn too_large_a_request_is_refused_and_the_instance_lives() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        function.start(&mut client, json!({"memory": 1 << 20}));
        let (answer, _) = client.invoke("guest-1", &[7; (256 << 10) + 1]);
        assert_eq!(answer["error"]["code"], "bad-request", "{answer}");
        assert!(
            answer["error"]["message"].as_str().expect("text").contains("262144"),
            "{answer}"
        );
        assert_eq!(client.invoke("guest-1", &[7; 256 << 10]).1.len(), 256 << 10);
    }
}

#[test]
fn a_guest_cannot_speak_for_the_monitor() {
    // The message by which failed starts were once told, with an error and escapes, before and after READY.
    let forger = r#"
    static int run(void) {
        static unsigned char lie[64] = {0, 0, 0, 0x80};
        const char *text = "\x01\x00\x00\x00\x46\x1b[31mthe host has too few processes";
        for (int i = 0; i < 36; i++) lie[24 + i] = (unsigned char)text[i];
        call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)lie, 60, 0);
        struct unishare_message ready = {.kind = UNISHARE_MESSAGE_READY};
        call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)&ready, sizeof ready, 0);
        call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)lie, 60, 0);
        if (call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)lie, 0, 0) != -90) return 9;
        static unsigned char buffer[65536];
        call(UNISHARE_CALL_CHANNEL_RECEIVE, (uint64_t)buffer, sizeof buffer, 0);
        return 200;
    }"#;
    for tender in tenders() {
        let function = Function::new(forger, tender);
        let mut client = function.launcher.connect();
        let started = function.start(&mut client, json!({"count": 2}));
        assert_eq!(started.len(), 2, "the batch was undone");
        let (answer, _) = client.invoke("guest-1", b"x");
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["exit"]), (&json!("ended"), &json!(200)), "{answer}");
        assert!(
            error["message"].as_str().expect("text").ends_with("ended with code 200"),
            "{answer}"
        );
        assert_eq!(client.state("guest-2"), "ready");
    }
}

#[test]
fn an_instance_that_spins_meets_its_processor_time() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        function.start(&mut client, json!({"cpu_limit_s": 1}));
        let (answer, _) = client.invoke("guest-1", b"L");
        assert_eq!(answer["error"]["code"], "time-limit", "{answer}");
        assert_eq!(client.state("guest-1"), "timed-out");
    }
}

#[test]
fn a_log_ends_at_its_limit_and_is_set_aside() {
    let chatty = FUNCTION.replace("say(\"word\\n\");", "for (int i = 0; i < 2000; i++) say(\"0123456789\\n\");");
    assert_ne!(chatty, FUNCTION);
    for tender in tenders() {
        let function = Function::new(&chatty, tender);
        let mut client = function.launcher.connect();
        let logs = function.launcher.path("logs");
        std::fs::create_dir(&logs).expect("a folder");
        function.start(&mut client, json!({"logs": logs, "log_limit": 8192}));
        for _ in 0..3 {
            assert_eq!(client.invoke("guest-1", b"W").0["status"], 0, "{tender}");
        }
        let length = |name: &str| std::fs::metadata(logs.join(name)).expect(name).len();
        assert!(length("guest-1.log") <= 8192 && (1..=8192).contains(&length("guest-1.log.1")));
        client.good("shutdown", json!({}));
        within(|| !logs.join("guest-1.log").exists(), "a log of a stopped instance is left");
    }
}
