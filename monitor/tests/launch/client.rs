//! A launcher of the test's own, and clients of its socket that also say what no proper client would.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::MONITOR;

/// Nothing in these tests takes this long but what hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A launcher in a folder of its own. Killed when dropped, unless it ended before.
pub struct Launcher {
    folder: tempfile::TempDir,
    process: Child,
}

impl Launcher {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        Self::through(Command::new(MONITOR), arguments)
    }

    /// With a pool that is there already.
    pub fn with_pool(pool: &str) -> Self {
        Self::start(Command::new(MONITOR), pool, &[])
    }

    /// `program` runs the monitor, or is it.
    pub fn through(program: Command, arguments: &[&str]) -> Self {
        Self::start(program, "pool", arguments)
    }

    /// `program` runs the monitor as another user, to whom the folder belongs.
    pub fn of_user(program: Command, user: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::chown(folder.path(), Some(user), Some(user)).expect("given away");
        Self::start_in(folder, program, "pool", &[])
    }

    fn start(program: Command, pool: &str, arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), program, pool, arguments)
    }

    fn start_in(folder: tempfile::TempDir, mut program: Command, pool: &str, arguments: &[&str]) -> Self {
        std::fs::create_dir_all(folder.path().join("pool/runs")).expect("the pool's folder");
        std::fs::write(folder.path().join("pool/format"), "unishare-pool 1\n").expect("the pool's format");
        let process = program
            .args(["launch", "--control", "control", "--pool", pool])
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the launcher");
        let launcher = Self { folder, process };
        within(
            || UnixStream::connect(launcher.socket()).is_ok(),
            "the launcher does not listen",
        );
        launcher
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn connect(&self) -> Client {
        Client::to(&self.socket())
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: &str) {
        send_signal(signal, u64::from(self.pid()));
    }

    /// Processes it has forked and that are still there.
    pub fn children(&self) -> Vec<u64> {
        children(u64::from(self.pid()))
    }

    /// Wait for its end, which must have been asked for.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        within(
            || {
                status = self.process.try_wait().expect("its status");
                status.is_some()
            },
            "the launcher does not end",
        );
        status.expect("it has ended")
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Client {
    pub stream: UnixStream,
    seq: u64,
}

impl Client {
    pub fn to(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
        Self { stream, seq: 0 }
    }

    /// Send a request; returns its number.
    pub fn send(&mut self, op: &str, fields: Value, payload: &[u8]) -> u64 {
        self.seq += 1;
        let mut body = fields;
        body["op"] = op.into();
        body["seq"] = self.seq.into();
        self.stream
            .write_all(&frame(body.to_string().as_bytes(), payload))
            .expect("sent");
        self.seq
    }

    /// The next answer, whoever's it is.
    pub fn receive(&mut self) -> (Value, Vec<u8>) {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header).expect("an answer");
        let length = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes")) as usize;
        let (mut body, mut payload) = (vec![0; length(0)], vec![0; length(4)]);
        self.stream.read_exact(&mut body).expect("the object");
        self.stream.read_exact(&mut payload).expect("the payload");
        (serde_json::from_slice(&body).expect("JSON"), payload)
    }

    /// Ask and take the next answer, which must be to this.
    pub fn ask(&mut self, op: &str, fields: Value) -> Value {
        let seq = self.send(op, fields, b"");
        let (answer, _) = self.receive();
        assert_eq!(answer["seq"], seq, "{answer}");
        answer
    }

    /// The same, and it must be good.
    pub fn good(&mut self, op: &str, fields: Value) -> Value {
        let answer = self.ask(op, fields);
        assert_eq!(answer["ok"], true, "{op}: {answer}");
        answer
    }

    /// The same, and it must be refused; its error.
    pub fn refused(&mut self, op: &str, fields: Value) -> Value {
        let answer = self.ask(op, fields);
        assert_eq!(answer["ok"], false, "{op}: {answer}");
        let error = answer["error"].clone();
        assert!(error["message"].is_string() && error["hint"].is_string(), "{error}");
        error
    }

    pub fn start_empty(&mut self, tender: &str, count: u32) -> Vec<Value> {
        let answer = self.good("start", json!({"empty": true, "tender": tender, "count": count}));
        answer["instances"].as_array().expect("a list").clone()
    }

    pub fn invoke(&mut self, instance: &str, payload: &[u8]) -> (Value, Vec<u8>) {
        self.send("invoke", json!({"instance": instance}), payload);
        self.receive()
    }

    /// Each instance's state.
    pub fn states(&mut self) -> Vec<(String, String)> {
        let answer = self.good("list", json!({}));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let instances = answer["instances"].as_array().expect("a list").iter();
        instances.map(|one| (text(&one["instance"]), text(&one["state"]))).collect()
    }

    pub fn state(&mut self, instance: &str) -> String {
        let found = self.states().into_iter().find(|(name, _)| name == instance);
        found.expect("it is listed").1
    }
}

pub fn frame(body: &[u8], payload: &[u8]) -> Vec<u8> {
    let lengths = [(body.len() as u32).to_le_bytes(), (payload.len() as u32).to_le_bytes()];
    [lengths.concat(), body.to_vec(), payload.to_vec()].concat()
}

/// Instances of a launcher: its children but the zygote, which is named so.
pub fn children(pid: u64) -> Vec<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = text.split_whitespace().map(|pid| pid.parse().expect("a pid"));
    let name = |pid: &u64| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.filter(|pid| name(pid).trim() != "unishare-zygote").collect()
}

/// Whether there is such a process, one that was not reaped included.
pub fn exists(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

pub fn send_signal(signal: &str, pid: u64) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill");
    assert!(status.success());
}

/// Wait until `condition` holds.
pub fn within(mut condition: impl FnMut() -> bool, otherwise: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{otherwise}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The tenders that this host offers.
pub fn tenders() -> Vec<&'static str> {
    let kvm = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    if !kvm {
        eprintln!("skipped: the kvm tender (no access to /dev/kvm)");
    }
    if kvm { vec!["process", "kvm"] } else { vec!["process"] }
}
